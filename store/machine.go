package store

import (
	"github.com/tidwall/btree"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Machine is the state of one partition. It is deterministic: the same
// commands in the same order make the same machine and the same results.
//
// Apply, Snapshot and Restore need it exclusively; View, Clock, NextExpiry and
// Stats may run together with each other.
type Machine struct {
	clock uint64
	// epoch counts the snapshots taken; what was made in an earlier epoch may
	// be shared with one and is copied before it is written.
	epoch  uint64
	caches *btree.Map[string, *cache]
	// agenda holds the caches that hold items, by their first expiry; graves
	// the deleted ones, by when they may be forgotten.
	agenda   schedule[*cache]
	graves   schedule[*cache]
	requests *requests[*Result]
	// totals are over all caches.
	totals
}

// NewMachine returns an empty machine whose clock stands at 0.
func NewMachine() *Machine {
	return &Machine{
		caches:   btree.NewMap[string, *cache](treeDegree),
		requests: newRequests(resultSize),
	}
}

// Clock returns the partition's time, in milliseconds since the Unix epoch.
func (m *Machine) Clock() uint64 { return m.clock }

// NextExpiry returns the earliest expiry of an item that is still held, in
// milliseconds since the Unix epoch. It lies in the past while expired items
// wait to be swept. ok is false when nothing is held.
func (m *Machine) NextExpiry() (ms uint64, ok bool) {
	_, ms, ok = m.agenda.next()
	return ms, ok
}

// Stats are the sizes of a machine. They follow from its state by formula, so
// all replicas report the same.
type Stats struct {
	// Caches counts the live ones this partition has heard of, Tombstones the
	// deleted ones it still remembers.
	Caches, Tombstones int
	// Items counts items of every type, expired ones included until they are
	// swept. The others count those of a type; a leaderboard is a sorted set.
	Items, Lists, Dictionaries, Sets, SortedSets int
	// Bytes is the size of all items: 208 each and its key, and its value, or
	// for a list 160, and 40 and the bytes for each entry; for a dictionary 96,
	// and 64 and the bytes for each field and its value; for a set 96, and 40 and
	// the bytes for each element; for a sorted set 160, and 96 and the bytes for
	// each member.
	Bytes uint64
	// Requests counts the remembered answers, RequestBytes what they hold, and
	// Gateways the processes they were given to.
	Requests, RequestBytes, Gateways int
}

// Stats returns the sizes of the machine, in constant time.
func (m *Machine) Stats() Stats {
	return Stats{
		Caches:       m.caches.Len() - m.graves.len(),
		Tombstones:   m.graves.len(),
		Items:        m.sum(),
		Lists:        m.kinds[storev1.Kind_KIND_LIST],
		Dictionaries: m.kinds[storev1.Kind_KIND_DICTIONARY],
		Sets:         m.kinds[storev1.Kind_KIND_SET],
		SortedSets:   m.kinds[storev1.Kind_KIND_SORTED_SET],
		Bytes:        m.size,
		Requests:     m.requests.count,
		RequestBytes: m.requests.size,
		Gateways:     len(m.requests.gateways),
	}
}

// Apply carries out one command of the log and returns its result, which is
// read-only. It keeps the byte slices of the command. It never fails and never
// panics, whatever the command holds; a refused command changes nothing but
// the clock and the memory of requests.
//
// A command with a request id that was carried out before returns its first
// result, whatever else it says; one that was forgotten is refused. Refusals
// are remembered too: a corrected command needs a new id.
func (m *Machine) Apply(cmd *Command) *Result {
	if cmd.GetAtMs() > MaxClockMs {
		return invalid(badClock)
	}
	m.advance(cmd.GetAtMs())
	id := cmd.GetRequest()
	if id == nil {
		return m.execute(cmd)
	}
	first, verdict := m.requests.recall(id, m.clock)
	switch verdict {
	case requestInvalid:
		return invalid(badRequest)
	case requestForgotten:
		return refuse(storev1.Status_STATUS_REQUEST_FORGOTTEN, forgottenText)
	case requestKnown:
		return first
	}
	result := m.execute(cmd)
	m.requests.remember(id, result)
	return result
}

// advance moves the clock, never backwards, and forgets what is remembered
// for a time only.
func (m *Machine) advance(at uint64) {
	if at <= m.clock {
		return
	}
	m.clock = at
	m.requests.forgetIdle(at)
	for {
		c, forgetAt, ok := m.graves.next()
		if !ok || forgetAt > at {
			return
		}
		m.forget(c)
	}
}

func (m *Machine) execute(cmd *Command) *Result {
	switch op := cmd.GetOp().(type) {
	case *storev1.Command_Evict:
		if len(cmd.GetKey()) > 0 {
			return invalid(badNoKey)
		}
		return m.evict(cmd, op.Evict)
	case *storev1.Command_Tick, *storev1.Command_Sweep, *storev1.Command_Retire:
		if len(cmd.GetKey()) > 0 || cmd.GetSpace() != storev1.Space_SPACE_ITEMS {
			return invalid(badNoKey)
		}
		switch op := op.(type) {
		case *storev1.Command_Sweep:
			return m.sweep(op.Sweep.GetLimit())
		case *storev1.Command_Retire:
			return m.retire(cmd.GetCache(), cmd.GetGeneration(), op.Retire.GetDeleted())
		}
		return done
	}
	if bad := checkChange(cmd); bad != "" {
		return invalid(bad)
	}
	c := m.adopt(cmd.GetCache(), cmd.GetGeneration())
	if c == nil {
		return stale
	}
	return m.change(target{c, c.open(cmd.GetSpace()), cmd.GetKey()}, cmd)
}

// target is the item a command is about; it may not exist.
type target struct {
	cache *cache
	shelf *shelf
	key   []byte
}

// change carries out a command that passed its checks. From here on only what
// the item already holds can refuse it.
func (m *Machine) change(t target, cmd *Command) *Result {
	switch op := cmd.GetOp().(type) {
	case *storev1.Command_Set:
		return m.set(t, op.Set)
	case *storev1.Command_Delete:
		return m.delete(t)
	case *storev1.Command_Increment:
		return m.increment(t, op.Increment)
	case *storev1.Command_UpdateTtl:
		return m.updateTTL(t, op.UpdateTtl)
	case *storev1.Command_ListPush:
		return m.listPush(t, op.ListPush)
	case *storev1.Command_ListPop:
		return m.listPop(t, op.ListPop)
	case *storev1.Command_ListRetain:
		return m.listRetain(t, op.ListRetain)
	case *storev1.Command_ListRemove:
		return m.listRemove(t, op.ListRemove)
	case *storev1.Command_ListErase:
		return m.listErase(t, op.ListErase)
	case *storev1.Command_DictionarySet:
		return m.dictionarySet(t, op.DictionarySet)
	case *storev1.Command_DictionaryIncrement:
		return m.dictionaryIncrement(t, op.DictionaryIncrement)
	case *storev1.Command_DictionaryAdd:
		return m.dictionaryAdd(t, op.DictionaryAdd)
	case *storev1.Command_DictionaryRemove:
		return m.dictionaryRemove(t, op.DictionaryRemove)
	case *storev1.Command_SetAdd:
		return m.setAdd(t, op.SetAdd)
	case *storev1.Command_SetRemove:
		return m.setRemove(t, op.SetRemove)
	case *storev1.Command_SetComplement:
		return m.setComplement(t, op.SetComplement)
	case *storev1.Command_SetPop:
		return m.setPop(t, op.SetPop)
	case *storev1.Command_SortedSetPut:
		return m.sortedSetPut(t, op.SortedSetPut)
	case *storev1.Command_SortedSetIncrement:
		return m.sortedSetIncrement(t, op.SortedSetIncrement)
	case *storev1.Command_SortedSetRemove:
		return m.sortedSetRemove(t, op.SortedSetRemove)
	case *storev1.Command_SortedSetUnion:
		return m.sortedSetUnion(t, op.SortedSetUnion)
	default:
		return invalid(badOp)
	}
}
