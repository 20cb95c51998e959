package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
)

const (
	// roundEvery is how often the others are asked.
	roundEvery = 200 * time.Millisecond
	// roundTime is how long a round waits for those that do not answer.
	roundTime = time.Second
)

// ConveneConfig is what a node needs to found a cluster together with others. All
// but Seeds and Logger are needed.
type ConveneConfig struct {
	// Listener is the peer port, of TCP. It is left open, for the Mux.
	Listener net.Listener
	// Expect is how many nodes found the cluster, this one among them.
	Expect int
	// Seeds are peer addresses, host:port, of some of the others; this node's own
	// may be among them. Who is found tells of whom it found.
	Seeds []string
	// Self is who this node will be. Its store must be on disk already: a node
	// that comes back from a crash with another store is another node.
	Self cluster.Member
	// Groups is the number of data groups of the cluster.
	Groups int
	// Wallet is what the founders know each other by, under the names of Self
	// (trust.NewFounders).
	Wallet *trust.Wallet
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Convene waits until exactly Expect newborn nodes have found each other and
// agreed to be one cluster, and returns its charter, the same one on all of them.
//
// The node with the first name proposes. When every other has promised to found
// this cluster and no other, it decides: its Convene returns. It tells nobody
// before that, so the caller must have the charter on disk before it does
// anything else, and answers the others through MuxConfig.Charter then; they ask
// until they hear it. A crash at any moment is harmless: before the charter is
// on the founder's disk no other node has it, and the founder begins anew under
// another boot id, by which the others know that their promise is void;
// afterwards it is never a newborn again.
//
// Two names that are the same, too many nodes, or nodes that were told other
// numbers are logged on all sides, and waited out: it heals when operators mend
// it. ErrRefused: a node that was asked belongs to a cluster already, and this
// one must join it. Other errors are the context's, or the listener's.
func Convene(ctx context.Context, config ConveneConfig) (Charter, error) {
	c, err := newConvention(config)
	if err != nil {
		return Charter{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := c.listen(cancel)
	defer stop()
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		charter, err := c.round(ctx)
		if err != nil {
			return Charter{}, err
		}
		if charter != nil {
			return *charter, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return Charter{}, fmt.Errorf("peer: no cluster was founded: %w", context.Cause(ctx))
		}
	}
}

// convention is one node's part in finding the others.
type convention struct {
	config   ConveneConfig
	assembly *assembly
	newborn  newborn
	log      quiet // of the rounds
	waiting  string
}

func newConvention(config ConveneConfig) (*convention, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	config.Self.State, config.Self.Leaving = cluster.Joining, false
	if err := checkNewborn(config.Self, config.Seeds); err != nil {
		return nil, err
	}
	if config.Expect < 1 || config.Expect > cluster.MaxMembers {
		return nil, fmt.Errorf("peer: a cluster of %d nodes, it has 1 to %d", config.Expect, cluster.MaxMembers)
	}
	if _, err := cluster.NewTopology(config.Groups); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	if _, ok := config.Listener.(deadliner); !ok {
		return nil, errors.New("peer: the listener of a peer port has no deadlines, so it cannot be handed on; use one of TCP")
	}
	if config.Wallet == nil {
		return nil, errors.New("peer: nothing by which those that found a cluster know each other")
	}
	first, err := trust.NewTrust()
	if err != nil {
		return nil, err
	}
	secure := func(ctx context.Context, conn net.Conn) (net.Conn, error) {
		return config.Wallet.Call(ctx, conn, trust.Found, "")
	}
	return &convention{
		config:   config,
		assembly: newAssembly(config.Self, config.Expect, config.Groups, first),
		newborn:  newborn{self: config.Self, speaks: ourVersions, secure: secure},
		log:      quiet{logger: config.Logger},
	}, nil
}

// round asks everybody once. It returns the charter when it is decided, or an
// error when it never will be.
func (c *convention) round(ctx context.Context) (*Charter, error) {
	addrs := append(slices.Clone(c.config.Seeds), c.assembly.heard()...)
	slices.Sort(addrs)
	addrs = slices.Compact(addrs)
	for _, a := range c.askAll(ctx, addrs, nil) {
		if charter, err := c.take(a); charter != nil || err != nil {
			return charter, err
		}
	}
	all, err := c.assembly.present(time.Now())
	if err != nil {
		c.assembly.giveUp()
		c.log.warn("no cluster can be founded like this; waiting until it is mended", err)
		return nil, nil //nolint:nilerr // told the log; it may heal
	}
	c.say(all)
	charter, ok := c.assembly.propose(all)
	if !ok {
		c.missFounder(all)
		return nil, nil
	}
	if !c.allPromise(ctx, charter) {
		return nil, nil
	}
	c.assembly.decide()
	c.config.Logger.Info("the cluster is founded", slog.String("cluster", charter.ClusterID), slog.String("members", names(charter.Members)))
	return &charter, nil
}

// say tells the log who is there, when that has changed.
func (c *convention) say(all []cluster.Member) {
	if text := names(all); text != c.waiting {
		c.waiting = text
		c.config.Logger.Info("nodes that would found a cluster", slog.String("present", text), slog.Int("expected", c.config.Expect))
	}
}

// missFounder tells the log that this node's promise is out to one that is gone.
func (c *convention) missFounder(all []cluster.Member) {
	founder, ok := c.assembly.holds()
	if ok && !slices.ContainsFunc(all, func(m cluster.Member) bool { return sameProcess(m, founder) }) {
		c.log.warn("waiting for the founder that this node gave its promise to",
			fmt.Errorf("node %s at %s does not answer; should it be gone for good, restart this node", founder.Node, founder.PeerAddr))
	}
}

// reply is what came of asking an address.
type reply struct {
	addr   string
	moment uint64 // of the assembly, before it was asked
	answer *peerv1.FoundResponse
	err    error
}

// askAll asks all addresses at the same time, for a promise if there is a
// proposal.
func (c *convention) askAll(ctx context.Context, addrs []string, proposal *peerv1.Charter) []reply {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	replies := make([]reply, len(addrs))
	in := &peerv1.FoundRequest{Candidate: c.assembly.introduction(), Proposal: proposal}
	var asking sync.WaitGroup
	for i, addr := range addrs {
		asking.Go(func() {
			r := reply{addr: addr, moment: c.assembly.moment(), answer: new(peerv1.FoundResponse)}
			r.err = c.newborn.ask(ctx, addr, &peerv1.Hello{Class: peerv1.Hello_CLASS_FOUND}, in, r.answer, roundTime)
			replies[i] = r
		})
	}
	asking.Wait()
	return replies
}

// take looks at one reply. It returns the charter when it holds it, or an error
// when there is nothing to wait for.
func (c *convention) take(r reply) (*Charter, error) {
	switch {
	case errors.Is(r.err, syscall.ECONNREFUSED):
		c.assembly.gone(r.addr)
		return nil, nil
	case errors.Is(r.err, trust.ErrStranger), errors.Is(r.err, trust.ErrRefused), errors.Is(r.err, trust.ErrPlain):
		c.distrust(r)
		return nil, nil
	case r.err != nil:
		return nil, nil //nolint:nilerr // not there yet, or not now
	case r.answer.GetCharter() != nil:
		return c.takeCharter(r)
	case r.answer.GetRefusal().GetReason() == peerv1.Refusal_REASON_FOUNDED:
		return nil, c.tooLate(r)
	case r.answer.GetCandidate() == nil:
		return nil, nil
	}
	now := time.Now()
	released, err := c.assembly.answered(r.addr, r.moment, r.answer.GetCandidate(), now)
	if err != nil {
		c.log.warn("a node says strange things of itself", fmt.Errorf("at %s: %w", r.addr, err))
		return nil, nil
	}
	if released {
		c.config.Logger.Info("the founder that was promised has given up or begun anew", slog.String("at", r.addr))
	}
	c.assembly.hear(r.answer.GetCandidate(), now)
	return nil, nil
}

// distrust tells the log of an address where no node is that was started with the
// same founding secret.
func (c *convention) distrust(r reply) {
	err := fmt.Errorf("at %s: %w", r.addr, r.err)
	if errors.Is(r.err, trust.ErrStranger) {
		err = fmt.Errorf("at %s: it has another founding secret; start all nodes with the same one", r.addr)
	}
	c.log.warn("no cluster can be founded with a node", err)
}

// takeCharter looks at a charter that a born node told.
func (c *convention) takeCharter(r reply) (*Charter, error) {
	charter, err := charterOf(r.answer.GetCharter())
	if err == nil && !charter.lists(c.config.Self.Node, c.config.Self.Store) {
		err = errors.New("this node is not in it")
	}
	if err == nil {
		err = c.assembly.accept(charter, r.addr)
	}
	if err != nil {
		c.log.warn("the charter that a node told is not for this one", fmt.Errorf("at %s: %w", r.addr, err))
		return nil, nil
	}
	c.config.Logger.Info("the cluster is founded", slog.String("cluster", charter.ClusterID), slog.String("members", names(charter.Members)))
	return &charter, nil
}

// tooLate is for a node that belongs to a cluster of which this one is not. That
// ends the wait, unless a founder counts on this node.
func (c *convention) tooLate(r reply) error {
	err := fmt.Errorf("%w: the node at %s says: %w", ErrRefused, r.addr, errFounded)
	if founder, ok := c.assembly.holds(); ok && founder.PeerAddr != r.addr {
		c.log.warn("an address is of another cluster, but this node has promised to found one with "+string(founder.Node), err)
		return nil
	}
	return err
}

// allPromise asks the others of a charter for their promises, all in one round.
func (c *convention) allPromise(ctx context.Context, charter Charter) bool {
	var addrs []string
	for _, m := range charter.Members[1:] {
		addrs = append(addrs, m.PeerAddr)
	}
	var missing []error
	for i, r := range c.askAll(ctx, addrs, wireCharter(charter)) {
		m, err := charter.Members[i+1], r.err
		who, strange := newcomerOf(r.answer.GetCandidate().GetSelf())
		switch {
		case err != nil:
		case r.answer.GetRefusal() != nil:
			err = refused(r.answer.GetRefusal(), false)
		case strange != nil || !sameProcess(who, m):
			err = errors.New("it is not the process that was asked")
		case !r.answer.GetPromised():
			err = errors.New("it did not promise")
		}
		if err != nil {
			missing = append(missing, fmt.Errorf("node %s at %s: %w", m.Node, m.PeerAddr, err))
		}
	}
	if len(missing) > 0 && ctx.Err() == nil {
		c.log.warn("not all nodes have promised to found the cluster; asking on", errors.Join(missing...))
	}
	return len(missing) == 0 && ctx.Err() == nil
}
