package route

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cluster"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

const (
	// roomPatience is how long a write waits until something gave way for it, and
	// crowdPatience after how much of that its caller is told. Most find room within some
	// milliseconds, and those who are told are many at the same moment.
	roomPatience  = 500 * time.Millisecond
	crowdPatience = 50 * time.Millisecond

	// What an element and an item count at most beside their bytes; see store.Stats.
	elementShare = 96
	itemShare    = 208 + 160
)

// mayAdd is how many bytes a command may add to what is stored, and 0 if it adds
// none. What it replaces is not taken off.
func mayAdd(c *storev1.Command) int64 {
	var elements int
	switch op := c.GetOp().(type) {
	case *storev1.Command_Set, *storev1.Command_Increment, *storev1.Command_DictionaryIncrement, *storev1.Command_SortedSetIncrement:
		elements = 1
	case *storev1.Command_ListPush:
		elements = len(op.ListPush.GetValues())
	case *storev1.Command_DictionarySet:
		elements = len(op.DictionarySet.GetFields())
	case *storev1.Command_SetAdd:
		elements = len(op.SetAdd.GetElements())
	case *storev1.Command_SetComplement:
		elements = len(op.SetComplement.GetElements())
	case *storev1.Command_SortedSetPut:
		elements = len(op.SortedSetPut.GetMembers())
	case *storev1.Command_SortedSetUnion:
		elements = len(op.SortedSetUnion.GetMembers())
	default:
		return 0
	}
	return int64(proto.Size(c) + elements*elementShare + itemShare)
}

// grant is what a write took from the accounts.
type grant struct {
	bytes int64
	cache *account   // nil for one without a budget
	nodes []*account // shared
}

// all yields the accounts that the write draws on.
func (g grant) all(yield func(*account) bool) {
	if g.cache != nil && !yield(g.cache) {
		return
	}
	for _, a := range g.nodes {
		if !yield(a) {
			return
		}
	}
}

// take takes the bytes from every account, or from none: then it returns the one
// that has too little.
func (g grant) take() (short *account) {
	for a := range g.all {
		if !a.take(g.bytes) {
			short = a
			break
		}
	}
	if short != nil {
		for a := range g.all {
			if a == short {
				break
			}
			a.end(g.bytes) // the room comes back with the next count
		}
	}
	return short
}

// end says that the write was applied, or will not be.
func (g grant) end() {
	for a := range g.all {
		a.end(g.bytes)
	}
}

// low reports whether an account should be made up for.
func (g grant) low() bool {
	for a := range g.all {
		if a.low() {
			return true
		}
	}
	return false
}

// admit takes what a command of a group may need, waiting a little until other
// items gave way if there is not enough. The caller ends the grant once the command
// has been applied. A refusal says whose memory is used up; the error is
// ErrOverloaded or the context's.
func (m *purse) admit(ctx context.Context, p *partition, c *storev1.Command) (grant, *storev1.Result, error) {
	g, bytes := p.group.ID(), mayAdd(c)
	if bytes == 0 {
		return grant{}, nil, nil
	}
	if m.pressed.Load() {
		return grant{}, nil, errPressed
	}
	taken := m.grant(g, c, bytes)
	if m.outdated(c.GetCache(), taken) {
		m.count()
		taken = m.grant(g, c, bytes)
	}
	for a := range taken.all {
		if a.pressed.Load() {
			return grant{}, nil, errPressed
		}
	}
	if taken.take() == nil {
		if taken.low() {
			m.wake()
		}
		return taken, nil, nil
	}
	return m.await(ctx, p, c)
}

// grant finds the accounts that a command draws on.
func (m *purse) grant(g cluster.GroupID, c *storev1.Command, bytes int64) grant {
	now := m.now.Load()
	return grant{bytes: bytes, cache: now.caches[c.GetCache()], nodes: now.groups[g]}
}

// outdated reports whether the accounts were made up before the group came here, or
// before the cache got the budget that it has now.
func (m *purse) outdated(cache string, g grant) bool {
	if m.budget > 0 && len(g.nodes) == 0 {
		return true
	}
	record, _ := m.local.meta.Load().cache(cache)
	budget := record.GetLimits().GetMaxMemory()
	if g.cache == nil {
		return budget > 0
	}
	return g.cache.budget.Load() != budget
}

// errPressed refuses work that would take memory where there is hardly any.
var errPressed = fmt.Errorf("%w: this node, or one that keeps a copy, has hardly any memory left", ErrOverloaded)

// await is admit for a write that found no room.
func (m *purse) await(ctx context.Context, p *partition, c *storev1.Command) (grant, *storev1.Result, error) {
	late := time.NewTimer(roomPatience)
	defer late.Stop()
	defer idleAfter(ctx, crowdPatience)()
	// Writes that replaced something have taken more than they need, and what was
	// deleted has not come back: it is counted after this write came.
	if !m.pause(ctx) {
		return grant{}, nil, ctx.Err()
	}
	m.recount()
	bytes := p.adds(c)
	if bytes == 0 {
		return grant{}, nil, nil // where nothing grows, nothing need be left
	}
	for {
		counted := m.counted.next()
		taken := m.grant(p.group.ID(), c, bytes)
		short := taken.take()
		if short == nil {
			return taken, nil, nil
		}
		short.want(taken.bytes)
		if short.dry.Load() || taken.bytes > short.most.Load() {
			return grant{}, m.refuse(c, short), nil
		}
		m.wake()
		select {
		case <-counted:
		case <-late.C:
			return grant{}, m.refuse(c, short), nil
		case <-ctx.Done():
			return grant{}, nil, ctx.Err()
		}
	}
}

// wake has the keeper look at the accounts soon.
func (m *purse) wake() {
	select {
	case m.wanting <- struct{}{}:
	default:
	}
}

// want asks for so much room.
func (a *account) want(bytes int64) {
	for {
		most := a.wanted.Load()
		if bytes <= most || a.wanted.CompareAndSwap(most, bytes) {
			return
		}
	}
}

// refuse is the answer to a write for which there is no memory.
func (m *purse) refuse(c *storev1.Command, short *account) *storev1.Result {
	m.losses.refused(c.GetCache())
	detail := "the memory of the nodes that keep this item is used up, and nothing gives way; delete something, or give them more with --max-memory"
	if short.cache != "" {
		detail = "the memory of this cache is used up, and nothing in it gives way; delete something, or give it more"
	}
	return &storev1.Result{Status: storev1.Status_STATUS_NO_MEMORY, Detail: detail}
}
