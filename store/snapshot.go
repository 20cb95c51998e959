package store

import (
	"fmt"
	"io"

	"github.com/tidwall/btree"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

const (
	machineMagic = "MAYFLYP\n"
	// snapshotVersion is raised with every addition to the records.
	snapshotVersion = 3
)

// Bounds of the records a writer makes, so that a reader needs little memory
// at a time.
const (
	partBytes   = 256 << 10
	partEntries = 4 << 10
)

// Snapshot is a machine as it was at one moment. It never changes and needs no
// lock.
type Snapshot struct {
	clock    uint64
	gateways []*gateway[*Result]
	caches   []frozenCache
}

// frozenCache is what a snapshot holds of a cache.
type frozenCache struct {
	name       string
	generation uint64
	forgetAt   uint64
	evicted    evicted
	spaces     []frozenSpace
}

// frozenSpace is a key space of a cache, in the order of keys.
type frozenSpace struct {
	space storev1.Space
	order *btree.Map[string, *item]
}

func (c *cache) freeze() frozenCache {
	f := frozenCache{name: c.name, generation: c.generation, forgetAt: c.forgetAt, evicted: c.evicted}
	for _, space := range spaces {
		if s := c.space(space); s != nil && len(s.items) > 0 {
			f.spaces = append(f.spaces, frozenSpace{space, s.order.Copy()})
		}
	}
	return f
}

// Snapshot freezes the machine in a time that grows with the number of caches,
// not of items. What the snapshot shares with the machine is copied piece by
// piece when it is first written to. The caller must hold the machine
// exclusively for the call, and not at all afterwards.
func (m *Machine) Snapshot() *Snapshot {
	m.epoch++
	s := &Snapshot{
		clock:    m.clock,
		gateways: m.requests.freeze(),
		caches:   make([]frozenCache, 0, m.caches.Len()),
	}
	m.caches.Scan(func(_ string, c *cache) bool {
		s.caches = append(s.caches, c.freeze())
		return true
	})
	return s
}

// WriteTo writes the snapshot; it implements [io.WriterTo]. Equal machines
// write equal bytes. It may run beside Apply and View, and more than once.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	f, err := newFrameWriter(w, machineMagic)
	if err == nil {
		err = s.write(f)
	}
	if err != nil {
		return f.n, fmt.Errorf("store: write snapshot: %w", err)
	}
	return f.n, nil
}

func (s *Snapshot) write(f *frameWriter) error {
	header := &storev1.SnapshotRecord_Header{Version: snapshotVersion, ClockMs: s.clock}
	if err := f.record(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Header_{Header: header}}); err != nil {
		return err
	}
	for _, g := range s.gateways {
		if err := writeGateway(f, g); err != nil {
			return err
		}
	}
	var items uint64
	for _, c := range s.caches {
		n, err := c.write(f)
		if err != nil {
			return err
		}
		items += n
	}
	trailer := &storev1.SnapshotRecord_Trailer{Items: items}
	if err := f.record(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Trailer_{Trailer: trailer}}); err != nil {
		return err
	}
	return f.w.Flush()
}

// writeGateway writes a gateway in as many records as its answers need.
func writeGateway(f *frameWriter, g *gateway[*Result]) error {
	for answers := g.answers.live(); ; {
		n := part(len(answers), func(i int) int { return answerOverhead + resultSize(answers[i].result) })
		r := &storev1.SnapshotRecord_Requests{Gateway: g.id[:], DoneBelow: g.mark, LastSeenMs: g.seen}
		for _, a := range answers[:n] {
			r.Answers = append(r.Answers, &storev1.SnapshotRecord_Requests_Answer{Sequence: a.sequence, Result: a.result})
		}
		if err := f.record(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Requests_{Requests: r}}); err != nil {
			return err
		}
		if answers = answers[n:]; len(answers) == 0 {
			return nil
		}
	}
}

// part tells how many of n things go into one record: as many as fit, and at
// least one.
func part(n int, size func(i int) int) int {
	bytes := 0
	for i := range min(n, partEntries) {
		if bytes += size(i); bytes > partBytes && i > 0 {
			return i
		}
	}
	return min(n, partEntries)
}

// write writes a cache and returns how many items it holds.
func (c frozenCache) write(f *frameWriter) (items uint64, err error) {
	record := &storev1.SnapshotRecord_Cache{
		Name: c.name, Generation: c.generation, Deleted: c.forgetAt != 0, ForgetAtMs: c.forgetAt,
		EvictedItems: c.evicted.items, EvictedBytes: c.evicted.bytes,
	}
	if err := f.record(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Cache_{Cache: record}}); err != nil {
		return 0, err
	}
	for _, s := range c.spaces {
		if err := s.write(f); err != nil {
			return 0, err
		}
		items += uint64(s.order.Len())
	}
	return items, nil
}

func (s frozenSpace) write(f *frameWriter) error {
	// One message serves all items: there may be millions.
	rec := &storev1.SnapshotRecord_Item{Space: s.space}
	envelope := &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Item_{Item: rec}}
	var err error
	s.order.Scan(func(_ string, it *item) bool {
		describe(it, rec)
		if err = f.record(envelope); err == nil && it.held != nil {
			err = writeParts(f, it.held)
		}
		return err == nil
	})
	return err
}

// describe fills in the record of an item.
func describe(it *item, rec *storev1.SnapshotRecord_Item) {
	rec.Key = append(rec.Key[:0], it.key...)
	rec.Kind, rec.ExpiresAtMs, rec.Value, rec.Length = it.kind(), it.expires, it.value, 0
	if it.held != nil {
		rec.Length = uint64(it.held.count())
	}
}

func writeParts(f *frameWriter, held collection) error {
	for part := range held.parts {
		if err := f.record(&storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Part_{Part: part}}); err != nil {
			return err
		}
	}
	return nil
}
