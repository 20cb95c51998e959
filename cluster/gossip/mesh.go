package gossip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// leaveTime is how long Leave tries to tell the others.
const leaveTime = 5 * time.Second

// ErrClosed: the Mesh was closed, or is about to be.
var ErrClosed = errors.New("gossip: closed")

// Mesh is this node's part in the conversation. Its methods are safe for
// concurrent use.
type Mesh struct {
	cfg    Config
	log    *journal
	addr   netip.AddrPort
	table  *table
	keys   *ring
	inner  *memberlist.Memberlist
	joins  chan struct{} // holds a token per join under way
	cancel context.CancelFunc

	mu     sync.Mutex // held by Leave and Close from begin to end
	ended  sync.Mutex // guards closed, and that nothing is begun after it
	closed bool
	wg     sync.WaitGroup // the rounds, and joins under way
}

// Open listens, begins to answer, and looks for the others from then on; see
// the package. It fails when an address cannot be listened on or a setting
// cannot work. Close ends it.
func Open(cfg Config) (*Mesh, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	keys, err := newRing(cfg.Secrets)
	if err != nil {
		return nil, err
	}
	cfg.Secrets = nil // the ring has them
	claim, err := cfg.Claim.encode()
	if err != nil {
		return nil, err
	}
	own := newJournal(cfg.Logger)
	own.strangers = cfg.strangers
	t, err := newTransport(&cfg, own)
	if err != nil {
		return nil, err
	}
	m := &Mesh{
		cfg:   cfg,
		log:   own,
		addr:  t.advertise,
		table: newTable(cfg.Node),
		keys:  keys,
		joins: make(chan struct{}, maxJoins),
	}
	if err := cfg.Claim.check(cfg.Node, t.advertise); err != nil {
		return nil, errors.Join(fmt.Errorf("gossip: what this node would say of itself: %w", err), t.Shutdown())
	}
	m.inner, err = memberlist.Create(cfg.settings(t, keys.inner, &ears{table: m.table, log: own, claim: claim}))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("gossip: %w", err), t.Shutdown())
	}
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	m.wg.Go(func() { m.rounds(ctx) })
	return m, nil
}

// Addr is where the others reach this node.
func (m *Mesh) Addr() netip.AddrPort { return m.addr }

// Peers are the other nodes that are alive or were until not long ago, in the
// order of their names; the list is the caller's. Who has not been alive for 5
// minutes is forgotten. There are at most twice cluster.MaxMembers.
func (m *Mesh) Peers() []Peer { return m.table.listPeers() }

// Conflicts are the names seen at two addresses within the last 2 minutes, at
// most 32, in the order of the names; the list is the caller's. A name that
// stays in it is used by two nodes. Who is right is for the record to say.
func (m *Mesh) Conflicts() []Conflict { return m.table.listConflicts() }

// Strangers counts the packets and streams since Open that were not of this
// cluster's gossip: under another label, that none of the secrets could decrypt, or
// nothing that could be.
func (m *Mesh) Strangers() uint64 { return m.cfg.strangers.Load() }

// Changes rings after Peers or Conflicts have changed. It holds one ring
// however many there were: look at both after each. It is meant for one
// reader, and is never closed.
func (m *Mesh) Changes() <-chan struct{} { return m.table.changed }

// Leave tells the others that this node goes for good, and ends the search for
// them; Close has to follow. It takes up to 5 s, or until ctx ends; the error
// then says that not everybody may have heard it. A node that stops to come
// back does not leave: the others notice by themselves, as they do a crash.
func (m *Mesh) Leave(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isClosed() {
		return ErrClosed
	}
	m.cancel()
	if err := m.inner.Leave(leaveBudget(ctx)); err != nil {
		return fmt.Errorf("gossip: not everybody may know that this node left: %w", err)
	}
	return nil
}

// leaveBudget is the time for a goodbye, never zero, which would mean for ever.
func leaveBudget(ctx context.Context) time.Duration {
	if ctx.Err() != nil {
		return time.Nanosecond
	}
	budget := leaveTime
	if deadline, ok := ctx.Deadline(); ok {
		budget = min(budget, time.Until(deadline))
	}
	return max(budget, time.Nanosecond)
}

// Close stops listening and waits for what was begun. It says no goodbye.
// Calls after the first do nothing.
func (m *Mesh) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended.Lock()
	m.closed = true
	m.ended.Unlock()
	m.cancel()
	err := m.inner.Shutdown() // closes every stream, so no join goes on
	m.wg.Wait()
	return err
}

func (m *Mesh) isClosed() bool {
	m.ended.Lock()
	defer m.ended.Unlock()
	return m.closed
}

// begin starts f, which Close waits for, unless it is too late.
func (m *Mesh) begin(f func()) bool {
	m.ended.Lock()
	defer m.ended.Unlock()
	if m.closed {
		return false
	}
	m.wg.Go(f)
	return true
}
