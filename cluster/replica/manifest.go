package replica

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mayfly-broker/mayfly/cluster"
)

const (
	manifestName    = "identity.json"
	manifestVersion = 1
	// firstReplica is the number of the replicas a node is born with. Later ones
	// are numbered by the meta group; a number is never used twice.
	firstReplica = 1
)

// replicaState is what a data directory knows about one of its replicas. It
// only moves forward.
type replicaState string

const (
	// replicaCreated: has never taken part in its group, so it may be empty.
	replicaCreated replicaState = "created"
	// replicaStarted: may have voted and acknowledged. Should it be empty now,
	// its disk was lost and it must not come back under the same id: we saw an
	// acknowledged write vanish that way (reliability.md, rule 2).
	replicaStarted replicaState = "started"
	// replicaRemoved: never to be started again.
	replicaRemoved replicaState = "removed"
)

// replicaRecord is one replica of this node.
type replicaRecord struct {
	Group  cluster.GroupID `json:"group"`
	Number uint64          `json:"number"`
	State  replicaState    `json:"state"`
}

// manifest is the identity of a data directory. It is durable before anything
// is done in its name.
type manifest struct {
	Version    int             `json:"version"`
	ClusterID  string          `json:"cluster_id"`
	Node       cluster.NodeID  `json:"node_id"`
	StoreID    string          `json:"store_id"`
	DataGroups int             `json:"data_groups"`
	Replicas   []replicaRecord `json:"replicas"`
}

// replicaID is the identity of a replica in its group and its raft address:
// votes are remembered by address, so the two are one string, and a node can
// change host and port without a configuration change.
func replicaID(node cluster.NodeID, group cluster.GroupID, number uint64) string {
	return string(node) + "/" + group.String() + "/" + strconv.FormatUint(number, 10)
}

// nodeOfReplica takes the node out of a replica id.
func nodeOfReplica(id string) cluster.NodeID {
	node, _, _ := strings.Cut(id, "/")
	return cluster.NodeID(node)
}

// newManifest makes the identity of a node that is being born.
func newManifest(cfg Config) (*manifest, error) {
	m := &manifest{
		Version:    manifestVersion,
		ClusterID:  cfg.ClusterID,
		Node:       cfg.Node,
		StoreID:    rand.Text(),
		DataGroups: cfg.DataGroups,
	}
	if m.ClusterID == "" {
		m.ClusterID = rand.Text()
	}
	if m.Node == "" {
		var b [4]byte
		_, _ = rand.Read(b[:])
		m.Node = cluster.NodeID("node-" + hex.EncodeToString(b[:]))
	}
	if m.DataGroups == 0 {
		m.DataGroups = cluster.DefaultGroups
	}
	topology, err := cluster.NewTopology(m.DataGroups)
	if err != nil {
		return nil, err
	}
	for group := range topology.All() {
		m.Replicas = append(m.Replicas, replicaRecord{Group: group, Number: firstReplica, State: replicaCreated})
	}
	return m, nil
}

// agreesWith refuses a configuration that contradicts the recorded identity.
func (m *manifest) agreesWith(cfg Config) error {
	switch {
	case cfg.Node != "" && cfg.Node != m.Node:
		return fmt.Errorf("replica: %s belongs to node %q, not to %q", cfg.Dir, m.Node, cfg.Node)
	case cfg.ClusterID != "" && cfg.ClusterID != m.ClusterID:
		return fmt.Errorf("replica: %s belongs to cluster %q, not to %q", cfg.Dir, m.ClusterID, cfg.ClusterID)
	case cfg.DataGroups != 0 && cfg.DataGroups != m.DataGroups:
		return fmt.Errorf("replica: %s was made with %d data groups, %d were asked for: the number is fixed at birth", cfg.Dir, m.DataGroups, cfg.DataGroups)
	}
	return nil
}

// loadOrCreateManifest reads the identity of a directory or gives it one. A
// directory with replicas but without identity is not new, it is damaged.
func loadOrCreateManifest(cfg Config) (*manifest, error) {
	path := filepath.Join(cfg.Dir, manifestName)
	data, err := os.ReadFile(path)
	switch {
	case err == nil:
		m, err := decodeManifest(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
		}
		return m, m.agreesWith(cfg)
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("replica: %w", err)
	}
	if _, err := os.Stat(groupsDir(cfg.Dir)); err == nil {
		return nil, fmt.Errorf("%w: %s is missing, but %s holds replicas", ErrDamaged, path, groupsDir(cfg.Dir))
	}
	m, err := newManifest(cfg)
	if err != nil {
		return nil, err
	}
	return m, m.save(cfg.Dir)
}

func groupsDir(dir string) string { return filepath.Join(dir, "groups") }

// save makes the manifest durable.
func (m *manifest) save(dir string) error {
	data, err := encodeManifest(m)
	if err != nil {
		return err
	}
	return writeFileSynced(filepath.Join(dir, manifestName), data)
}

// encodeManifest writes the identity for people to read, followed by a line
// with its checksum.
func encodeManifest(m *manifest) ([]byte, error) {
	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(body, "\n%s\n", manifestSum(body)), nil
}

func decodeManifest(data []byte) (*manifest, error) {
	body, sum, ok := bytes.Cut(data, []byte("\n}\n"))
	if !ok {
		return nil, errors.New("it has no checksum line")
	}
	body = data[:len(body)+2]
	if string(sum) != manifestSum(body)+"\n" {
		return nil, errChecksum
	}
	m := new(manifest)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, err
	}
	if m.Version != manifestVersion {
		return nil, fmt.Errorf("it is of version %d, this program knows version %d", m.Version, manifestVersion)
	}
	return m, m.validate()
}

// validate requires one replica of every group, in order.
func (m *manifest) validate() error {
	topology, err := cluster.NewTopology(m.DataGroups)
	if err != nil {
		return err
	}
	if len(m.Replicas) != topology.Groups()+1 {
		return fmt.Errorf("it lists %d replicas for %d groups", len(m.Replicas), topology.Groups()+1)
	}
	for i, r := range m.Replicas {
		switch r.State {
		case replicaCreated, replicaStarted, replicaRemoved:
		default:
			return fmt.Errorf("replica %d of group %s is in the unknown state %q", r.Number, r.Group, r.State)
		}
		if r.Group != cluster.GroupID(i) {
			return fmt.Errorf("group %d has no replica where it belongs", i)
		}
	}
	return nil
}

func manifestSum(body []byte) string {
	return fmt.Sprintf("crc32c:%08x", crc32.Checksum(body, castagnoli))
}
