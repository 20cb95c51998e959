package route

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Node is a node as the router sees it: something that serves the groups it
// leads, and refuses the others with ErrNotExecuted. It never forwards.
type Node interface {
	// Apply runs a command on a data group. It stamps the command's time.
	Apply(ctx context.Context, g cluster.GroupID, command *storev1.Command) (*storev1.Result, error)
	// View answers a query from a data group; relaxed lets it be a little stale.
	View(ctx context.Context, g cluster.GroupID, query *storev1.Query, relaxed bool) (*storev1.Result, error)
	// Publish numbers a message in a topic of a data group.
	Publish(ctx context.Context, g cluster.GroupID, topic fanout.Key, m Message) (fanout.Position, error)
}

// Face is all of a node that the router asks for. Local is one; the others are
// reached over a wire.
type Face interface {
	Node
	// ApplyCatalog runs a command on the meta group. With the result comes an
	// index of the meta log: the command is in force on every node whose copy has
	// come that far.
	ApplyCatalog(ctx context.Context, command *storev1.CatalogCommand) (*storev1.CatalogResult, uint64, error)
	// Confirm proves that the node leads the group, and returns the index of its
	// log that a copy must have reached to hold everything acknowledged before.
	Confirm(ctx context.Context, g cluster.GroupID) (uint64, error)
}

// LocalConfig is what a node's own face is made of.
type LocalConfig struct {
	// Topics holds this node's topics; required.
	Topics *fanout.Broker
	// Encode makes an item's bytes; required.
	Encode EncodeItem
	// Survey asks the other nodes what they have seen of a group's topics, for
	// this node, which was elected and will begin to number with that page. It
	// returns soon, however many answer, and says who did. Nil means that there
	// are no others.
	Survey func(ctx context.Context, g cluster.GroupID, page uint64, take func(fanout.Seen) error) (heard []cluster.NodeID)
	// Elsewhere tells how many items of a cache other nodes lead, as far as it was
	// heard; nil when there are no others.
	Elsewhere func(cache string) uint64
	// Self is the node's name, and Memory what all items on it may take together, in
	// bytes; 0 means as much as there is.
	Self   cluster.NodeID
	Memory uint64
	// Pace is how many times as fast as it is time passes for what is stored; 0
	// means 1. Anything else is for brokers that apps are tested against.
	Pace float64
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Local is this node's own face: the groups that live here, its topics and its
// copy of what the meta group agrees on. It is safe for concurrent use.
type Local struct {
	topics *fanout.Broker
	encode EncodeItem
	survey func(ctx context.Context, g cluster.GroupID, page uint64, take func(fanout.Seen) error) []cluster.NodeID
	logger *slog.Logger
	clock  *clock
	memory *purse

	relieving sync.Mutex // held by who has items give way
	elsewhere func(cache string) uint64
	growth    growth

	meta       atomic.Pointer[meta] // empty until the node knows its cluster, never nil
	partitions [cluster.MaxGroups + 1]atomic.Pointer[partition]

	mu    sync.Mutex
	fresh map[cluster.GroupID]replica.StateMachine // made, and not bound yet

	fences [cluster.MaxGroups + 1]fence                            // by group
	heard  [cluster.MaxGroups + 1]atomic.Pointer[[]cluster.NodeID] // by group: who answered the last survey
	moves  tide                                                    // rises when the numbering of topics begins or ends here

	following sync.WaitGroup // one for each group that is bound
}

// NewLocal makes a Local on which no group lives and starts nothing. Hand its
// StateMachine to the replica host, every group that the host starts to Bind,
// and let Run keep it in order.
func NewLocal(config LocalConfig) *Local {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	read := systemClock()
	if config.Pace != 0 {
		read = pacedClock(config.Pace)
	}
	l := &Local{
		topics: config.Topics,
		encode: config.Encode,
		survey: config.Survey,
		logger: config.Logger,
		clock:  newClock(read, config.Logger),

		elsewhere: config.Elsewhere,

		fresh: make(map[cluster.GroupID]replica.StateMachine),
	}
	l.meta.Store(newMeta(l.topics.DropCache))
	l.memory = newPurse(l, config.Self, config.Memory)
	l.memory.count()
	return l
}

// StateMachine makes an empty machine for a replica of the group that is about
// to start.
func (l *Local) StateMachine(g cluster.GroupID) replica.StateMachine {
	var machine replica.StateMachine
	if g == cluster.MetaGroup {
		machine = newMeta(l.topics.DropCache)
	} else {
		machine = newPartition(l.clock)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fresh[g] = machine
	return machine
}

// Bind joins a replica that runs with the machine that was made for it, and
// serves the group from then on, until the replica stops. Wait waits for that.
func (l *Local) Bind(g *replica.Group) {
	l.mu.Lock()
	machine := l.fresh[g.ID()]
	delete(l.fresh, g.ID())
	l.mu.Unlock()
	switch machine := machine.(type) {
	case *meta:
		machine.bind(g)
		l.meta.Swap(machine).rise(0) // who waits for news shall look here from now on
		l.following.Go(func() {
			machine.follow(g.Done(), func(replica.Leadership) {})
			machine.end()
		})
	case *partition:
		machine.bind(g)
		machine.epoch = cluster.RecoveryEpoch(g.Number())
		l.outlive(g.ID(), machine.epoch)
		if now, _ := g.Leadership(); now.Leading {
			l.own(g.ID(), machine.epoch, now.Term) // so that a lone node serves at once
		}
		l.partitions[g.ID()].Store(machine)
		l.following.Go(func() { l.follow(machine, g.Done()) })
	}
}

// Wait waits until every group that was bound has stopped.
func (l *Local) Wait() { l.following.Wait() }

// follow serves a data group until its replica is done. While this node leads the
// group it numbers its topics, under a page that no earlier leader used.
func (l *Local) follow(p *partition, done <-chan struct{}) {
	g := p.group.ID()
	p.follow(done, func(now replica.Leadership) {
		if now.Leading {
			l.own(g, p.epoch, now.Term)
		} else {
			l.yield(g)
		}
	})
	l.partitions[g].CompareAndSwap(p, nil)
}

// data yields the data groups that live here.
func (l *Local) data(yield func(cluster.GroupID, *partition) bool) {
	for i := range l.partitions {
		if p := l.partitions[i].Load(); p != nil && !yield(cluster.GroupID(i), p) {
			return
		}
	}
}

// replica returns what is asked of a group that lives here, nil for the others.
func (l *Local) replica(g cluster.GroupID) *bound {
	if g == cluster.MetaGroup {
		if m := l.meta.Load(); m.group != nil && !m.stopped() {
			return &m.bound
		}
		return nil
	}
	if int(g) < len(l.partitions) {
		if p := l.partitions[g].Load(); p != nil {
			return &p.bound
		}
	}
	return nil
}

// leads reports whether this node was announced as the leader of the group.
func (l *Local) leads(g cluster.GroupID) bool {
	now, _, _ := l.leadership(g)
	return now.Leading
}

// leadership tells who leads the group as far as this node's replica knows, and
// announces when that changes; ok is false if there is none.
func (l *Local) leadership(g cluster.GroupID) (now replica.Leadership, changed <-chan struct{}, ok bool) {
	b := l.replica(g)
	if b == nil {
		return replica.Leadership{}, nil, false
	}
	now, changed = b.group.Leadership()
	return now, changed, true
}

func (l *Local) partition(g cluster.GroupID) (*partition, error) {
	if g != cluster.MetaGroup && int(g) < len(l.partitions) {
		if p := l.partitions[g].Load(); p != nil {
			return p, nil
		}
	}
	return nil, &NotLeaderError{Group: g}
}

// Apply implements Node.
func (l *Local) Apply(ctx context.Context, g cluster.GroupID, command *storev1.Command) (*storev1.Result, error) {
	p, err := l.partition(g)
	if err != nil {
		return nil, err
	}
	if now, _ := p.group.Leadership(); now.Leading { // otherwise it is refused anyway, and who leads is asked
		done, err := l.grow(ctx, p, command)
		if err != nil {
			return nil, err
		}
		defer done()
		taken, refusal, err := l.memory.admit(ctx, p, command)
		if refusal != nil || err != nil {
			return refusal, err
		}
		defer taken.end()
		p.touch(command, p.clock.milliseconds()) // before it is, so that it is not chosen at this moment
	}
	return p.apply(ctx, command)
}

// View implements Node.
func (l *Local) View(ctx context.Context, g cluster.GroupID, query *storev1.Query, relaxed bool) (*storev1.Result, error) {
	p, err := l.partition(g)
	if err != nil {
		return nil, err
	}
	return p.view(ctx, query, relaxed)
}

// Publish implements Node.
func (l *Local) Publish(ctx context.Context, g cluster.GroupID, topic fanout.Key, m Message) (fanout.Position, error) {
	p, err := l.partition(g)
	if err != nil {
		return fanout.Position{}, err
	}
	// A leader that was replaced without noticing must not number items.
	if err := p.group.ConfirmTelling(ctx, idle); err != nil {
		return fanout.Position{}, refused(p.group, err)
	}
	at, err := l.topics.Publish(uint32(g), topic, time.Now(), func(at fanout.Position) []byte { return l.encode(at, m) })
	return at, refused(p.group, err)
}

// Confirm implements Face.
func (l *Local) Confirm(ctx context.Context, g cluster.GroupID) (uint64, error) {
	b := l.replica(g)
	if b == nil {
		return 0, &NotLeaderError{Group: g}
	}
	if err := b.group.ConfirmTelling(ctx, idle); err != nil {
		return 0, refused(b.group, err)
	}
	return b.group.Progress().Applied, nil
}

// Subscribe places a reader in a topic. The caller closes the subscription.
func (l *Local) Subscribe(g cluster.GroupID, topic fanout.Key, from fanout.Position) (*fanout.Subscription, error) {
	s, err := l.topics.Subscribe(uint32(g), topic, from, time.Now())
	return s, outcome(err)
}
