package replica

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"

	"github.com/mayfly-broker/mayfly/cluster"
)

const (
	manifestName    = "identity.json"
	manifestVersion = 1
	groupsName      = "groups"
)

// Parts names the files and folders of a data directory that hold a node's
// identity and its replicas. Who puts all of them elsewhere, while it has the
// directory locked, leaves one in which another node can be born.
func Parts() []string { return []string{manifestName, groupsName} }

// manifest is the identity of a data directory. It is durable before anything
// is done in its name.
type manifest struct {
	Version    int            `json:"version"`
	ClusterID  string         `json:"cluster_id"`
	Node       cluster.NodeID `json:"node_id"`
	StoreID    string         `json:"store_id"`
	DataGroups int            `json:"data_groups"`
	// Founders are the first voters of every group, if this node is one of them.
	// They are recorded at birth because only then may a group be founded: a
	// node that joined a cluster never founds another, whatever it is told.
	Founders []cluster.NodeID `json:"founders,omitempty"`
	// Replicas are sorted by group and number. Per group at most one is alive.
	Replicas records `json:"replicas"`
}

// Identity says who a host is: what its data directory has on record.
type Identity struct {
	ClusterID string
	Node      cluster.NodeID
	StoreID   string
	// Groups is the number of data groups of the cluster.
	Groups int
	// Founders are the first voters of every group, if this node is one of them.
	Founders []cluster.NodeID
}

// Born tells whether the data directory has an identity already; without one a
// node that is opened there is born. It reads nothing else of the directory.
func Born(dir string) (bool, error) {
	if dir == "" {
		return false, nil
	}
	_, err := os.Stat(filepath.Join(dir, manifestName))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// newManifest makes the identity of a node that is being born.
func newManifest(cfg Config) (*manifest, error) {
	m := &manifest{
		Version:    manifestVersion,
		ClusterID:  cfg.ClusterID,
		Node:       cfg.Node,
		StoreID:    cmp.Or(cfg.StoreID, rand.Text()),
		DataGroups: cfg.DataGroups,
	}
	if err := m.chooseName(cfg); err != nil {
		return nil, err
	}
	switch {
	case cfg.FoundAlone:
		m.Founders = []cluster.NodeID{m.Node}
	case slices.Contains(cfg.Founders, m.Node):
		m.Founders = cfg.Founders
	}
	if err := m.checkBirth(); err != nil {
		return nil, err
	}
	if m.ClusterID == "" {
		m.ClusterID = rand.Text()
	}
	if m.DataGroups == 0 {
		m.DataGroups = cluster.DefaultGroups
	}
	topology, err := cluster.NewTopology(m.DataGroups)
	if err != nil {
		return nil, err
	}
	if len(m.Founders) > 0 {
		for group := range topology.All() {
			m.Replicas = append(m.Replicas, replicaRecord{Group: group, Number: cluster.FirstReplica, State: StateCreated})
		}
	}
	return m, nil
}

// chooseName names a new node: as told, as suggested, or at random.
func (m *manifest) chooseName(cfg Config) error {
	if m.Node == "" {
		m.Node = cfg.NodeHint
	}
	if m.Node == "" {
		var b [4]byte
		_, _ = rand.Read(b[:])
		m.Node = cluster.NodeID("node-" + hex.EncodeToString(b[:]))
	}
	if _, err := cluster.ParseNodeID(string(m.Node)); err != nil {
		return fmt.Errorf("replica: naming the new node: %w", err)
	}
	return nil
}

// checkBirth refuses to make up what nodes must have in common.
func (m *manifest) checkBirth() error {
	switch {
	case len(m.Founders) == 1:
	case m.ClusterID == "":
		return errors.New("replica: Config.ClusterID is missing: a node that founds no cluster of its own must be told which one it belongs to")
	case len(m.Founders) == 0 && m.DataGroups == 0:
		return errors.New("replica: Config.DataGroups is missing: a node that joins a cluster must be told how many groups it has")
	}
	return nil
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

func groupsDir(dir string) string { return filepath.Join(dir, groupsName) }

// save makes the manifest durable.
func (m *manifest) save(dir string) error {
	data, err := encodeManifest(m)
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(dir, manifestName), data)
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

// validate requires replicas of known groups, in order, at most one of each
// group alive.
func (m *manifest) validate() error {
	topology, err := cluster.NewTopology(m.DataGroups)
	if err != nil {
		return err
	}
	alive := make(map[cluster.GroupID]bool)
	for i, r := range m.Replicas {
		switch {
		case !r.State.known():
			return fmt.Errorf("replica %d of group %s is in the unknown state %q", r.Number, r.Group, r.State)
		case !topology.Contains(r.Group):
			return fmt.Errorf("it lists a replica of group %s, the last group is %d", r.Group, topology.Groups())
		case r.Number == 0:
			return fmt.Errorf("a replica of group %s has number 0, they count from 1", r.Group)
		case i > 0 && m.Replicas[i-1].compare(r) >= 0:
			return fmt.Errorf("replica %d of group %s is not where it belongs", r.Number, r.Group)
		case r.State.alive() && alive[r.Group]:
			return fmt.Errorf("group %s has two replicas", r.Group)
		}
		alive[r.Group] = alive[r.Group] || r.State.alive()
	}
	return nil
}

func manifestSum(body []byte) string {
	return fmt.Sprintf("crc32c:%08x", crc32.Checksum(body, castagnoli))
}
