package route

import (
	"context"
	"fmt"
	"sync"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// growth counts the items that are being made, by cache, in caches that may have so
// many and no more. What is under way is in no machine yet, or has not been taken off
// here.
type growth struct {
	mu    sync.Mutex
	newly map[string]*making
}

// making are the items of one cache that are being made.
type making struct {
	count int
	// hopeful are those who wait for places that were taken, each for another one.
	hopeful int
	ended   tide // rises when an item was made, or came to nothing
}

// take counts one more item of a cache, unless room says, of those under way, that there
// is none. If there may be when another has come to its end, it returns a channel that
// is closed by the next that has, and the caller, once it has waited, calls rest.
func (g *growth) take(cache string, room func(newly int) bool) (ok bool, ended <-chan struct{}) {
	g.mu.Lock() // so that two cannot take the last place
	defer g.mu.Unlock()
	m := g.newly[cache]
	if m == nil {
		m = new(making)
	}
	switch {
	case room(m.count):
		m.count++
		if g.newly == nil {
			g.newly = make(map[string]*making)
		}
		g.newly[cache] = m
		return true, nil
	case m.hopeful < m.count && room(0):
		m.hopeful++
		return false, m.ended.next()
	default:
		return false, nil
	}
}

// give counts one less.
func (g *growth) give(cache string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.newly[cache]
	m.count--
	m.ended.rise()
	g.tidy(cache, m)
}

// rest is called by who has waited.
func (g *growth) rest(cache string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.newly[cache]
	m.hopeful--
	g.tidy(cache, m)
}

func (g *growth) tidy(cache string, m *making) {
	if m.count == 0 && m.hopeful == 0 {
		delete(g.newly, cache)
	}
}

// grow refuses a command that may make one item more than its cache may have.
// Otherwise done is to be called when the command has come to its end. It is the
// leader that counts, before anything is proposed: what it leads as of now, and what
// others lead as they told last, so that together they may pass the limit by what they
// make within a second. A command for which there is room only if one that is under way
// makes nothing waits a little to see.
func (l *Local) grow(ctx context.Context, p *partition, c *storev1.Command) (done func(), err error) {
	record, ok := l.meta.Load().cache(c.GetCache())
	most := record.GetLimits().GetMaxKeys()
	if !ok || most == 0 || !mayCreate(c) || p.has(c) {
		return func() {}, nil
	}
	room := func(newly int) bool {
		has := uint64(l.Items(record) + newly)
		if l.elsewhere != nil {
			has += l.elsewhere(c.GetCache())
		}
		return has < most
	}
	ok, ended := l.growth.take(c.GetCache(), room)
	if ended != nil {
		patient, cancel := context.WithTimeout(ctx, roomPatience)
		defer cancel()
		defer idleAfter(ctx, crowdPatience)()
		for ended != nil {
			select {
			case <-ended:
			case <-patient.Done():
			}
			l.growth.rest(c.GetCache())
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case p.has(c): // it was that item that was made
				return func() {}, nil
			case patient.Err() != nil:
				ended = nil
			default:
				ok, ended = l.growth.take(c.GetCache(), room)
			}
		}
	}
	if !ok {
		return nil, fmt.Errorf("%w: this cache may have %d keys and no more; delete some, or wait for some to expire", ErrTooManyKeys, most)
	}
	return func() { l.growth.give(c.GetCache()) }, nil
}

// Items counts the items of a cache in the groups that this node leads, expired ones
// included until they are swept.
func (l *Local) Items(record *storev1.CacheRecord) (n int) {
	for g, p := range l.data {
		if l.leads(g) {
			p.mu.RLock()
			n += p.machine.Items(record.GetName(), record.GetGeneration())
			p.mu.RUnlock()
		}
	}
	return n
}

// has reports whether the item that a command is about is there.
func (p *partition) has(c *storev1.Command) bool {
	question := &storev1.Query{
		Cache: c.GetCache(), Generation: c.GetGeneration(), Key: c.GetKey(), Space: c.GetSpace(),
		Op: &storev1.Query_Exists_{Exists: &storev1.Query_Exists{}},
	}
	return p.look(question, p.clock.milliseconds()).GetExists()
}

// mayCreate reports whether a command makes an item where there is none.
func mayCreate(c *storev1.Command) bool {
	switch c.GetOp().(type) {
	case *storev1.Command_Set, *storev1.Command_Increment, *storev1.Command_ListPush,
		*storev1.Command_DictionarySet, *storev1.Command_DictionaryIncrement, *storev1.Command_SetAdd,
		*storev1.Command_SortedSetPut, *storev1.Command_SortedSetIncrement, *storev1.Command_SortedSetUnion:
		return true
	default:
		return false
	}
}

// LedKeys counts, of every cache whose keys are limited, the items in the groups that
// this node leads.
func (r *Router) LedKeys() map[string]uint64 {
	led := make(map[string]uint64)
	for _, record := range read(r.local.meta.Load(), (*store.Catalog).Caches) {
		if record.GetLimits().GetMaxKeys() != 0 {
			led[record.GetName()] = uint64(r.local.Items(record))
		}
	}
	return led
}
