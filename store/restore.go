package store

import (
	"bytes"
	"fmt"
	"io"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Restore replaces the machine by the one a snapshot was written from. It
// reads r to its end, so nothing may follow the snapshot. On an error the
// machine is what it was: bytes that are damaged, cut or never were a snapshot
// give [ErrMalformed], those of a newer version [ErrVersion], and a failing
// reader its own error. Memory is taken in proportion to the bytes that really
// arrive; no number in them is believed.
func (m *Machine) Restore(r io.Reader) error {
	f, err := newFrameReader(r, machineMagic, maxRecordBytes, maxRecordFields)
	if err != nil {
		return err
	}
	restored, err := (&restorer{machine: NewMachine()}).run(f)
	if err != nil {
		return err
	}
	*m = *restored
	return nil
}

// restorer builds a machine from records.
type restorer struct {
	machine *Machine
	started bool
	version uint32
	cache   *cache
	// shelf is the key space of the item before, or of the first.
	shelf *shelf
	space storev1.Space
	// filling is the item whose elements are being read, and pending how many of
	// them are still to come.
	filling *item
	pending uint64
}

func (r *restorer) run(f *frameReader) (*Machine, error) {
	for {
		record := new(storev1.SnapshotRecord)
		if err := f.record(record); err != nil {
			return nil, err
		}
		if trailer := record.GetTrailer(); trailer != nil {
			return r.finish(f, trailer)
		}
		if bad, err := r.take(record); err != nil {
			return nil, err
		} else if bad != "" {
			return nil, malformed(bad)
		}
	}
}

func malformed(what string) error {
	return fmt.Errorf("%w snapshot: %s", ErrMalformed, what)
}

func (r *restorer) finish(f *frameReader, trailer *storev1.SnapshotRecord_Trailer) (*Machine, error) {
	switch {
	case !r.started:
		return nil, malformed("no header")
	case r.pending > 0:
		return nil, malformed("a collection is shorter than announced")
	case trailer.GetItems() != uint64(r.machine.sum()):
		return nil, malformed("the number of items is not what the trailer says")
	}
	return r.machine, f.end()
}

// take adds one record and says what is wrong with it.
func (r *restorer) take(record *storev1.SnapshotRecord) (bad string, err error) {
	if header := record.GetHeader(); header != nil || !r.started {
		return r.header(header)
	}
	if part := record.GetPart(); part != nil || r.pending > 0 {
		return r.elements(part), nil
	}
	switch record := record.GetRecord().(type) {
	case *storev1.SnapshotRecord_Requests_:
		return r.requests(record.Requests), nil
	case *storev1.SnapshotRecord_Cache_:
		return r.openCache(record.Cache), nil
	case *storev1.SnapshotRecord_Item_:
		return r.item(record.Item), nil
	default:
		return "an empty record", nil
	}
}

func (r *restorer) header(header *storev1.SnapshotRecord_Header) (bad string, err error) {
	switch {
	case header == nil || r.started:
		return "the header is missing or comes twice", nil
	case header.GetVersion() > snapshotVersion:
		return "", fmt.Errorf("%w: snapshot version %d, this node knows up to %d", ErrVersion, header.GetVersion(), snapshotVersion)
	case header.GetVersion() == 0 || header.GetClockMs() > MaxClockMs:
		return "the header's version or clock is out of range", nil
	}
	r.started, r.version, r.machine.clock = true, header.GetVersion(), header.GetClockMs()
	return "", nil
}

func (r *restorer) requests(rec *storev1.SnapshotRecord_Requests) string {
	if r.cache != nil {
		return "requests after a cache"
	}
	for _, a := range rec.GetAnswers() {
		if a.GetResult() == nil {
			return "an answer without a result"
		}
	}
	return restoreGateway(r.machine.requests, r.machine.clock, rec, func(i int) *Result {
		return rec.GetAnswers()[i].GetResult()
	})
}

func (r *restorer) openCache(rec *storev1.SnapshotRecord_Cache) string {
	m := r.machine
	switch {
	case !validName(rec.GetName()) && !IsSystemCache(rec.GetName()), rec.GetGeneration() == 0:
		return "a cache without a proper name or generation"
	case r.cache != nil && rec.GetName() <= r.cache.name:
		return "caches are not in order"
	case rec.GetDeleted() != (rec.GetForgetAtMs() > m.clock), !rec.GetDeleted() && rec.GetForgetAtMs() != 0:
		return "a cache is neither alive nor deleted"
	case rec.GetForgetAtMs() > m.clock+TombstoneMs, rec.GetDeleted() && m.graves.len() == MaxTombstones:
		return "too much memory of deleted caches"
	case rec.GetDeleted() && rec.GetEvictedItems()|rec.GetEvictedBytes() != 0:
		return "a deleted cache from which something gave way"
	case r.version < 3 && rec.GetEvictedItems()|rec.GetEvictedBytes() != 0:
		return "a count that the version does not know"
	}
	r.cache = newCache(rec.GetName(), rec.GetGeneration())
	r.cache.evicted = evicted{rec.GetEvictedItems(), rec.GetEvictedBytes()}
	r.space, r.shelf = storev1.Space_SPACE_ITEMS, r.cache.space(storev1.Space_SPACE_ITEMS)
	m.caches.Set(r.cache.name, r.cache)
	if rec.GetDeleted() {
		r.cache.forgetAt = rec.GetForgetAtMs()
		m.graves.put(r.cache, r.cache.forgetAt)
	}
	return ""
}

func (r *restorer) item(rec *storev1.SnapshotRecord_Item) string {
	if bad := r.checkItem(rec); bad != "" {
		return bad
	}
	it := &item{key: string(rec.GetKey()), value: rec.GetValue(), expires: rec.GetExpiresAtMs(), epoch: r.machine.epoch}
	if it.held = newCollection(rec.GetKind(), r.machine.epoch); it.held != nil {
		r.filling, r.pending = it, rec.GetLength()
		return ""
	}
	r.add(it)
	return ""
}

func (r *restorer) checkItem(rec *storev1.SnapshotRecord_Item) string {
	switch {
	case r.cache == nil || r.cache.forgetAt != 0:
		return "an item outside of a living cache"
	case len(rec.GetKey()) == 0 || len(rec.GetKey())+len(rec.GetValue()) > MaxItemBytes:
		return "an item whose key or value is of an impossible length"
	case rec.GetExpiresAtMs() == 0 || rec.GetExpiresAtMs() > r.machine.clock+MaxTTLMs:
		return "an item with an impossible expiry"
	case rec.GetSpace() < r.space || rec.GetSpace() > storev1.Space_SPACE_LEADERBOARDS:
		return "an item of a space this node does not know, or spaces are not in order"
	}
	r.space, r.shelf = rec.GetSpace(), r.cache.open(rec.GetSpace())
	if last, _, ok := r.shelf.order.Max(); ok && string(rec.GetKey()) <= last {
		return "items are not in order"
	}
	switch rec.GetKind() {
	case storev1.Kind_KIND_SCALAR:
		if rec.GetLength() != 0 {
			return "a scalar with a length"
		}
	case storev1.Kind_KIND_LIST, storev1.Kind_KIND_DICTIONARY, storev1.Kind_KIND_SET, storev1.Kind_KIND_SORTED_SET:
		if rec.GetLength() == 0 || rec.GetLength() > MaxCollectionLength || len(rec.GetValue()) > 0 {
			return "a collection that is empty, too long or holds a scalar"
		}
	default:
		return "an item of a type this node does not know"
	}
	return ""
}

func (r *restorer) elements(part *storev1.SnapshotRecord_Part) string {
	n := uint64(len(part.GetValues()))
	if n == 0 || n > r.pending {
		return "a collection with fewer or more elements than announced"
	}
	if bad := r.filling.held.take(r.filling.key, part); bad != "" {
		return bad
	}
	if r.pending -= n; r.pending == 0 {
		r.add(r.filling)
	}
	return ""
}

func (r *restorer) add(it *item) {
	r.machine.add(target{cache: r.cache, shelf: r.shelf}, it)
}

// restoreGateway adds the answers of one record, which is the first of its
// gateway or goes on with the last. It serves both kinds of snapshots.
func restoreGateway[R any](into *requests[R], clock uint64, rec *storev1.SnapshotRecord_Requests, result func(i int) R) string {
	switch {
	case len(rec.GetGateway()) != GatewayIDBytes:
		return "a gateway with an impossible id"
	case rec.GetDoneBelow() == 0 || rec.GetDoneBelow() > maxSequence+1:
		return "a gateway with an impossible mark"
	case rec.GetLastSeenMs() > clock || rec.GetLastSeenMs()+RequestMemoryMs <= clock:
		return "a gateway that is not remembered at this time"
	}
	g := &gateway[R]{
		id: [GatewayIDBytes]byte(rec.GetGateway()), epoch: into.epoch, mark: rec.GetDoneBelow(), seen: rec.GetLastSeenMs(),
	}
	switch n := len(into.gateways); {
	case n > 0 && into.gateways[n-1].id == g.id:
		last := into.gateways[n-1]
		if last.mark != g.mark || last.seen != g.seen {
			return "two records of one gateway disagree"
		}
		g = last
	case n > 0 && bytes.Compare(into.gateways[n-1].id[:], g.id[:]) > 0, n == MaxGateways:
		return "gateways are too many or not in order"
	default:
		into.add(n, g)
	}
	next := g.mark
	if n := g.answers.len(); n > 0 {
		next = g.answers.live()[n-1].sequence + 1
	}
	for i, a := range rec.GetAnswers() {
		if a.GetSequence() < next || a.GetSequence() > maxSequence {
			return "answers below their gateway's mark or not in order"
		}
		into.insert(g, a.GetSequence(), result(i))
		next = a.GetSequence() + 1
	}
	if into.size > MaxRequestBytes {
		return "more remembered answers than allowed"
	}
	return ""
}
