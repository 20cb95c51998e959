package quota

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// Round is how often the nodes divide the limits anew.
	Round = time.Second
	// askTime bounds how long a node is waited for. One that is slower is not heard in
	// this round.
	askTime = 700 * time.Millisecond
	// calm is how much of a demand, of the limit at most, is left a round after it
	// ended. It rises at once.
	calm = 0.25
	// worthTelling is the least demand per second that others are told of.
	worthTelling = 0.01
)

// Others are the other nodes, as far as limits are shared with them.
type Others struct {
	// Self is this node's name.
	Self string
	// Members returns the names of all members, this node among them.
	Members func() []string
	// Ask asks a node for its Book.Uses.
	Ask func(ctx context.Context, node string) ([]Use, error)
	// Keys returns how many items this node leads of each cache whose keys are limited.
	Keys func() map[string]uint64
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Run tidies the book, and divides the limits once a round, until ctx ends. A node
// without others gives nil.
func (b *Book) Run(ctx context.Context, others *Others) {
	tick := time.NewTicker(Round)
	defer tick.Stop()
	hearing := true
	for {
		select {
		case now := <-tick.C:
			b.Tidy(now)
			if others == nil {
				continue
			}
			b.keep(others.Keys())
			b.measure(Round)
			members := others.Members()
			heard := map[string][]Use{others.Self: b.Uses()}
			if !b.shares() { // nor is there anything to ask for; whoever comes has an equal part
				b.Share(members, others.Self, nil)
				continue
			}
			others.ask(ctx, members, heard)
			hears := b.Share(members, others.Self, heard)
			if hears != hearing && others.Logger != nil {
				others.tell(hears, len(heard), len(members))
			}
			hearing = hears
		case <-ctx.Done():
			return
		}
	}
}

// tell says when this node has too few others to divide limits with.
func (o *Others) tell(hears bool, heard, members int) {
	if hears {
		o.Logger.Info("limits are divided among the nodes again")
		return
	}
	o.Logger.Warn("too few nodes are heard to divide limits; this one keeps to its equal part of each",
		slog.Int("heard", heard), slog.Int("members", members))
}

// ask adds what the other members tell. Those that do not answer are left out.
func (o *Others) ask(ctx context.Context, members []string, heard map[string][]Use) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, node := range members {
		if node == o.Self {
			continue
		}
		all.Go(func() {
			uses, err := o.Ask(ctx, node)
			if err != nil {
				return // it is not heard, which the round knows what to do about
			}
			mu.Lock()
			defer mu.Unlock()
			heard[node] = uses
		})
	}
	all.Wait()
}

// measure turns what was wanted since it was called last into a demand per second.
func (b *Book) measure(passed time.Duration) {
	for _, a := range b.shared() {
		a.mu.Lock()
		for k := range a.buckets {
			u := &a.buckets[k]
			u.demand = max(u.wanted/passed.Seconds(), min(u.demand, u.limit)*calm)
			u.wanted = 0
		}
		a.places.missing, a.places.missed = max(a.places.missed, a.places.missing/8), 0
		a.mu.Unlock()
	}
}

// shared returns the accounts whose limits all nodes share.
func (b *Book) shared() map[Subject]*Account {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := make(map[Subject]*Account)
	for s, a := range b.accounts {
		if s.Sort.shared() {
			all[s] = a
		}
	}
	return all
}

// shares reports whether there is anything to divide.
func (b *Book) shares() bool {
	return len(b.shared()) > 0 || len(*b.led.Load()) > 0
}

// keep notes how many items this node leads of the caches whose keys are limited.
func (b *Book) keep(led map[string]uint64) { b.led.Store(&led) }

// Uses is what this node tells the others.
func (b *Book) Uses() []Use {
	led := *b.led.Load()
	var uses []Use
	told := make(map[string]bool)
	for s, a := range b.shared() {
		u := Use{Subject: s}
		if s.Sort == Cache {
			u.Keys = led[s.Name]
			told[s.Name] = true
		}
		a.mu.Lock()
		for k := range a.buckets {
			u.Demand[k] = a.buckets[k].demand
		}
		u.Held, u.Missed = a.places.held, a.places.missing
		a.mu.Unlock()
		if u.Keys > 0 || u.Held > 0 || u.Missed > 0 || max(u.Demand[Operations], u.Demand[Publishes], u.Demand[Bytes]) > worthTelling {
			uses = append(uses, u)
		}
	}
	for cache, keys := range led {
		if !told[cache] && keys > 0 {
			uses = append(uses, Use{Subject: Subject{Cache, cache}, Keys: keys})
		}
	}
	return uses
}

// Share has limits divided by what was heard in a round, this node's own uses among
// it. It reports whether enough was heard for that.
func (b *Book) Share(members []string, self string, heard map[string][]Use) (enough bool) {
	b.count(members, self, heard)
	names := members
	if enough = 2*len(heard) > len(members); enough {
		names = slices.Collect(maps.Keys(heard))
	}
	slices.Sort(names)
	next := &round{nodes: len(names), mine: slices.Index(names, self), uses: make(map[Subject][]Use)}
	if next.mine < 0 { // removed, or not founded yet
		return enough
	}
	for i, name := range names {
		if !enough {
			break
		}
		for _, u := range heard[name] {
			if next.uses[u.Subject] == nil {
				next.uses[u.Subject] = make([]Use, len(names))
			}
			next.uses[u.Subject][i] = u
		}
	}
	b.latest.Store(next)
	return enough
}

// ledKeys is how many items a node leads, by cache, as it told last, and for how many
// rounds it was not heard since.
type ledKeys struct {
	keys   map[string]uint64
	silent int
}

// silence is how many rounds a node may miss before others lead what it did, and count
// it as theirs: an election and some.
const silence = 5

// count adds up the items that other members lead. Of those that were not heard what
// they told last holds for some rounds.
func (b *Book) count(members []string, self string, heard map[string][]Use) {
	b.elsewhereMu.Lock()
	defer b.elsewhereMu.Unlock()
	sum := make(map[string]uint64)
	for node, told := range b.told {
		if told.silent++; told.silent > silence || !slices.Contains(members, node) {
			delete(b.told, node)
		}
	}
	for node, uses := range heard {
		if node == self {
			continue
		}
		keys := make(map[string]uint64)
		for _, u := range uses {
			if u.Keys > 0 {
				keys[u.Subject.Name] = u.Keys
			}
		}
		b.told[node] = &ledKeys{keys: keys}
	}
	for _, told := range b.told {
		for cache, n := range told.keys {
			sum[cache] += n
		}
	}
	b.elsewhere.Store(&sum)
}

// KeysElsewhere tells how many items of a cache other nodes lead, as they told last.
func (b *Book) KeysElsewhere(cache string) uint64 { return (*b.elsewhere.Load())[cache] }
