package route

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/mayfly-broker/mayfly/cluster"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// metaCommand is one command of the meta group's log: a change of the catalog
// or one of the cluster's state, never both.
type metaCommand struct {
	catalog *storev1.CatalogCommand
	change  cluster.Change
}

// decodeMeta reads a command of the meta group's log. A change of the cluster is
// an object of JSON; a command of the catalog begins with a version, which is
// none of JSON's characters.
func decodeMeta(data []byte) (metaCommand, error) {
	if len(data) > 0 && data[0] == '{' {
		change, err := cluster.DecodeChange(data)
		return metaCommand{change: change}, err
	}
	command, err := store.DecodeCatalogCommand(data)
	return metaCommand{catalog: command}, err
}

// metaMachine is what the meta group agrees on: the catalog (caches and
// credentials) and the cluster (members and placement). They share a log, not
// their contents.
type metaMachine struct {
	catalog *store.Catalog
	cluster *cluster.State
	deleted []string // caches that were deleted since this was looked at last
}

func newMetaMachine() *metaMachine {
	return &metaMachine{catalog: store.NewCatalog(), cluster: cluster.NewState()}
}

// Apply gives a *storev1.CatalogResult or a cluster.Outcome.
func (m *metaMachine) Apply(c metaCommand) any {
	if c.catalog == nil {
		return m.cluster.Apply(c.change)
	}
	result := m.catalog.Apply(c.catalog)
	if name := c.catalog.GetDeleteCache().GetName(); name != "" && result.GetStatus() == storev1.CatalogStatus_CATALOG_STATUS_OK {
		m.deleted = append(m.deleted, name)
	}
	return result
}

// A snapshot is a magic, the length of the cluster's part, that part, and the
// catalog's part.
var metaMagic = []byte("MFMETA\x01\n")

type metaSnapshot struct {
	cluster []byte
	catalog *store.CatalogSnapshot
}

// Snapshot freezes both parts.
func (m *metaMachine) Snapshot() *metaSnapshot {
	return &metaSnapshot{cluster: m.cluster.Snapshot(), catalog: m.catalog.Snapshot()}
}

// WriteTo writes both parts.
func (s *metaSnapshot) WriteTo(w io.Writer) (int64, error) {
	head := binary.BigEndian.AppendUint32(slices.Clone(metaMagic), uint32(len(s.cluster)))
	n, err := w.Write(append(head, s.cluster...))
	if err != nil {
		return int64(n), err
	}
	rest, err := s.catalog.WriteTo(w)
	return int64(n) + rest, err
}

// Restore replaces both parts, or none.
func (m *metaMachine) Restore(from io.Reader) error {
	head := make([]byte, len(metaMagic)+4)
	if _, err := io.ReadFull(from, head); err != nil {
		return fmt.Errorf("route: snapshot of the meta group: %w", err)
	}
	size := binary.BigEndian.Uint32(head[len(metaMagic):])
	if !bytes.HasPrefix(head, metaMagic) || size > cluster.MaxSnapshotBytes {
		return errors.New("route: not a snapshot of the meta group")
	}
	part := make([]byte, size)
	if _, err := io.ReadFull(from, part); err != nil {
		return fmt.Errorf("route: snapshot of the meta group: %w", err)
	}
	next := newMetaMachine()
	if err := next.cluster.Restore(part); err != nil {
		return err
	}
	if err := next.catalog.Restore(from); err != nil {
		return err
	}
	*m = *next
	return nil
}

// meta is this node's copy of what the meta group agrees on.
type meta struct {
	replicated[metaCommand, any, *metaSnapshot, *metaMachine]
	// deleted is told of every cache that is deleted, after the fact.
	deleted func(cache string)

	news sync.Mutex
	tide chan struct{} // closed when something was applied
	at   uint64        // the index of the last entry that was applied
	over bool          // the replica has stopped, and nothing more is applied
}

func newMeta(deleted func(cache string)) *meta {
	m := &meta{deleted: deleted, tide: make(chan struct{})}
	m.decode, m.machine = decodeMeta, newMetaMachine()
	return m
}

// Apply implements replica.StateMachine.
func (m *meta) Apply(index uint64, commands [][]byte) []any {
	results := m.replicated.Apply(index, commands)
	m.mu.Lock()
	deleted := m.machine.deleted
	m.machine.deleted = nil
	m.mu.Unlock()
	for _, cache := range deleted {
		m.deleted(cache)
	}
	m.rise(index)
	return results
}

// Restore implements replica.StateMachine. A snapshot skips the commands that led
// to it, so what it says of deleted caches is found by comparing.
func (m *meta) Restore(from io.Reader) error {
	before := read(m, (*store.Catalog).Caches)
	if err := m.replicated.Restore(from); err != nil {
		return err
	}
	for _, old := range before {
		now, ok := m.cache(old.GetName())
		if !ok || now.GetCreatedAtMs() != old.GetCreatedAtMs() {
			m.deleted(old.GetName())
		}
	}
	m.rise(0)
	return nil
}

func (m *meta) rise(index uint64) {
	m.news.Lock()
	defer m.news.Unlock()
	m.at = max(m.at, index)
	close(m.tide)
	m.tide = make(chan struct{})
}

// end notes that the replica has stopped. What it knew stays to be read.
func (m *meta) end() {
	m.news.Lock()
	m.over = true
	m.news.Unlock()
	m.rise(0)
}

// stopped reports whether nothing more will be applied.
func (m *meta) stopped() bool {
	m.news.Lock()
	defer m.news.Unlock()
	return m.over
}

// applied tells the index of the last entry whose effects can be read, and a
// channel that is closed when there are more.
func (m *meta) applied() (uint64, <-chan struct{}) {
	m.news.Lock()
	defer m.news.Unlock()
	at := m.at
	if m.group != nil {
		at = max(at, m.group.Progress().Applied) // what came with a snapshot
	}
	return at, m.tide
}

// read runs look while no change is being applied. What look takes out of the
// catalog must not be changed.
func read[T any](m *meta, look func(*store.Catalog) T) T {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return look(m.machine.catalog)
}

// cache returns the record of a cache as this node knows it.
func (m *meta) cache(name string) (*storev1.CacheRecord, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.machine.catalog.Cache(name)
}
