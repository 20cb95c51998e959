package metering

import (
	"math/rand/v2"
	"runtime"
	"sync"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Bounds are how many names a table holds, beside a row for all the others.
type Bounds struct {
	// Prefixes are topic prefixes, Holders credentials, of one cache in one hour.
	Prefixes, Holders int
}

// DefaultBounds are what one table may hold unless it is told otherwise.
func DefaultBounds() Bounds { return Bounds{Prefixes: 1_000, Holders: 10_000} }

// Meter counts in memory. Make it with NewMeter.
type Meter struct {
	rules  Rules
	shards []shard // as many as a power of two
	open   ledger  // what has left the shards
}

// shard counts for whoever comes by. A call takes any of them, so that those which
// are about the same do not wait for each other; subjects are in several, and meet
// in the ledger.
type shard struct {
	mu       sync.Mutex
	accounts map[Subject]*Counts
	_        [48]byte // fills a cache line
}

// maxAccounts bounds the subjects of a shard. Those beyond it are counted in the
// ledger at once, which takes a little longer and has bounds of its own.
const maxAccounts = 1024

// NewMeter makes a Meter that has counted nothing.
func NewMeter(rules Rules, bounds Bounds) *Meter {
	n := 4
	for n < 4*runtime.GOMAXPROCS(0) && n < 64 {
		n *= 2
	}
	m := &Meter{rules: rules, shards: make([]shard, n)}
	m.open.bounds = bounds
	for i := range m.shards {
		m.shards[i].accounts = make(map[Subject]*Counts)
	}
	return m
}

// PrefixOf returns the prefix that a topic is counted under.
func (m *Meter) PrefixOf(topic string) string { return m.rules.PrefixOf(topic) }

// Count puts a use down to a subject.
func (m *Meter) Count(s Subject, used *Counts) {
	at := &m.shards[rand.Uint32()&uint32(len(m.shards)-1)]
	at.mu.Lock()
	account := at.accounts[s]
	if account == nil {
		if len(at.accounts) >= maxAccounts {
			at.mu.Unlock()
			m.open.add(s, used)
			return
		}
		account = new(Counts)
		at.accounts[s] = account
	}
	account.Add(used)
	at.mu.Unlock()
}

// CountPost puts a post of so many bytes, which was sent to the receiver of a webhook,
// down to whoever put the webhook.
func (m *Meter) CountPost(hook *storev1.Webhook, size int) {
	m.Count(Subject{
		Cache: hook.GetCache(), Prefix: m.PrefixOf(hook.GetTopic()), Holder: ParseHolder(hook.GetHolder()),
	}, &Counts{Deliveries: 1, Units: UnitsOf(uint64(size)), BytesOut: uint64(size)})
}

// take empties the meter into tables, which are the caller's.
func (m *Meter) take() map[tableName]*table {
	for i := range m.shards {
		at := &m.shards[i]
		at.mu.Lock()
		accounts := at.accounts
		if len(accounts) == 0 { // it stays in use
			at.mu.Unlock()
			continue
		}
		at.accounts = make(map[Subject]*Counts, len(accounts))
		at.mu.Unlock()
		for s, used := range accounts {
			m.open.add(s, used)
		}
	}
	return m.open.take()
}
