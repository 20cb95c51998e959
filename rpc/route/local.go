package route

import (
	"context"
	"fmt"
	"log/slog"
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

// LocalConfig is what a node's own face is made of.
type LocalConfig struct {
	// Topics holds this node's topics; required.
	Topics *fanout.Broker
	// Encode makes an item's bytes; required.
	Encode EncodeItem
	// Gateway names this process among those that send commands: 16 random
	// bytes, drawn at every start.
	Gateway []byte
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Local is this node's own face: its partitions, its topics and its copy of
// the catalog. It is safe for concurrent use once Bind has returned.
type Local struct {
	topics     *fanout.Broker
	encode     EncodeItem
	logger     *slog.Logger
	clock      *clock
	catalog    *catalog
	partitions [cluster.MaxGroups + 1]*partition // by group; the meta group's is nil
	groups     []*replica.Group                  // what Bind was given
}

// NewLocal makes a Local with empty machines and starts nothing. Hand its
// StateMachine to the replica host, then the host's groups to Bind, then let
// Run keep it in order.
func NewLocal(config LocalConfig) *Local {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Local{
		topics: config.Topics,
		encode: config.Encode,
		logger: config.Logger,
		clock:  newClock(systemClock(), config.Logger),
	}
	l.catalog = newCatalog(l.clock, config.Gateway)
	for g := range l.partitions {
		if cluster.GroupID(g) != cluster.MetaGroup {
			l.partitions[g] = newPartition(l.clock)
		}
	}
	return l
}

// StateMachine returns the machine that the group's log feeds.
func (l *Local) StateMachine(g cluster.GroupID) replica.StateMachine {
	if g == cluster.MetaGroup {
		return l.catalog
	}
	return l.partitions[g]
}

// Bind joins the machines with their groups. It is called once, before
// anything is asked of l. Groups that this node leads already are served as
// soon as it returns; Run follows those that change.
func (l *Local) Bind(groups []*replica.Group) {
	l.groups = groups
	for _, g := range groups {
		if g.ID() == cluster.MetaGroup {
			l.catalog.group = g
			continue
		}
		l.partitions[g.ID()].group = g
		if now, _ := g.Leadership(); now.Leading {
			l.own(g.ID(), now.Term)
		}
	}
}

// data yields the data groups that live here.
func (l *Local) data(yield func(cluster.GroupID, *partition) bool) {
	for _, g := range l.groups {
		if g.ID() != cluster.MetaGroup && !yield(g.ID(), l.partitions[g.ID()]) {
			return
		}
	}
}

func (l *Local) partition(g cluster.GroupID) (*partition, error) {
	if g == cluster.MetaGroup || int(g) >= len(l.partitions) || l.partitions[g].group == nil {
		return nil, fmt.Errorf("%w: group %d does not live here", ErrNotExecuted, g)
	}
	return l.partitions[g], nil
}

// Apply implements Node.
func (l *Local) Apply(ctx context.Context, g cluster.GroupID, command *storev1.Command) (*storev1.Result, error) {
	p, err := l.partition(g)
	if err != nil {
		return nil, err
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
	if err := p.group.Confirm(ctx); err != nil {
		return fanout.Position{}, refused(p.group, err)
	}
	at, err := l.topics.Publish(uint32(g), topic, time.Now(), func(at fanout.Position) []byte { return l.encode(at, m) })
	return at, refused(p.group, err)
}

// Subscribe places a reader in a topic. The caller closes the subscription.
func (l *Local) Subscribe(g cluster.GroupID, topic fanout.Key, from fanout.Position) (*fanout.Subscription, error) {
	s, err := l.topics.Subscribe(uint32(g), topic, from, time.Now())
	return s, outcome(err)
}
