package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// Group is this node's replica of one Raft group. Get it from Host.Group; all
// methods may be called at any time from any goroutine.
type Group struct {
	id      cluster.GroupID
	node    cluster.NodeID
	number  uint64
	replica string
	log     *slog.Logger
	raftLog raftLog
	tuning  tuning

	raft  *raft.Raft
	fsm   *fsm
	store *storage
	space *spaceGuard
	stop  *failStop
	pipe  *pipeline
	fence *fence
	terms *termDesk
	peers *peerTable
	view  atomic.Pointer[leaderView]

	snapshotNow chan chan<- error // served by keepLogSmall

	life
}

// life is how a group's goroutines end.
type life struct {
	closing atomic.Bool
	done    chan struct{} // closed when nothing is answered any more
	cancel  context.CancelFunc
	flow    sync.WaitGroup // send and collect
	tasks   sync.WaitGroup // follow and keepLogSmall
	errands errands        // changes of the configuration
	hangUp  func()         // closes the transport
	stopped bool           // set by close once the files are closed
}

// openGroup opens the storage of a replica and, where this is due, founds the
// group in it. No goroutine of raft runs yet.
func (h *Host) openGroup(record replicaRecord, found evidence) (*Group, error) {
	cfg, node := h.cfg, h.identity.Node
	g := &Group{
		id: record.Group, node: node, number: record.Number, replica: cluster.Replica{Node: node, Number: record.Number}.ID(record.Group),
		log: cfg.Logger.With(slog.Uint64("group", uint64(record.Group))), tuning: cfg.tuning,
		space: h.space, stop: newFailStop(),
	}
	g.done = make(chan struct{})
	g.snapshotNow = make(chan chan<- error)
	g.raftLog = newRaftLog(g.log)
	g.view.Store(&leaderView{over: make(chan struct{})})
	if cfg.Dir == "" {
		g.store = openMemory(g.replica, g.id, cfg)
	} else {
		var err error
		if g.store, err = openDisk(cfg, g.replica, record, found, g.stop, h.space.admitSnapshot, g.raftLog); err != nil {
			return nil, err
		}
	}
	if record.State == StateCreated {
		if err := g.store.begin(h.identity.Founders, record, g.settings()); err != nil {
			return nil, errors.Join(err, g.store.close())
		}
	}
	return g, nil
}

// settings is the raft configuration of reliability.md section 2.5. Restoring
// committed logs stays off: raft 1.8.0 then forgets its configuration.
func (g *Group) settings() *raft.Config {
	t := g.tuning
	return &raft.Config{
		ProtocolVersion:    raft.ProtocolVersionMax,
		LocalID:            raft.ServerID(g.replica),
		HeartbeatTimeout:   t.heartbeat,
		ElectionTimeout:    t.heartbeat,
		LeaderLeaseTimeout: t.lease,
		CommitTimeout:      t.commit,
		MaxAppendEntries:   t.maxAppend,
		BatchApplyCh:       true,
		ShutdownOnRemove:   false,
		TrailingLogs:       t.trailingLogs,
		SnapshotInterval:   t.snapshotInterval,
		SnapshotThreshold:  t.snapshotThreshold,
		NoLegacyTelemetry:  true,
		Logger:             g.raftLog,
	}
}

// start restores the newest snapshot and lets the replica take part. After an
// error nothing of it runs. The replica outlives ctx.
func (g *Group) start(ctx context.Context, cfg Config, terms *termDesk) error {
	g.terms, g.peers = terms, newPeerTable()
	trans, hangUp, err := newTransport(cfg.Network, g.id, g.replica, g.peers, g.raftLog.Named("net"))
	if err != nil {
		return fmt.Errorf("group %s: opening its transport: %w", g.id, err)
	}
	g.hangUp = hangUp
	g.fsm = &fsm{group: g.id, machine: cfg.StateMachine(g.id), stop: g.stop, roster: g.store.log.roster}
	if g.raft, err = g.newRaft(trans); err != nil {
		hangUp()
		return fmt.Errorf("group %s: starting raft: %w", g.id, err)
	}
	g.pipe = newPipeline(g.raft, g.stop, cfg.Limits)
	g.fence = &fence{prove: g.prove}
	ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	g.flow.Go(g.pipe.send)
	g.flow.Go(g.pipe.collect)
	g.tasks.Go(func() { g.follow(ctx) })
	g.tasks.Go(func() { g.keepLogSmall(ctx) })
	g.hasten()
	return nil
}

// newRaft runs raft.NewRaft on a goroutine of its own: it panics on a log it
// does not understand, and a store that failed ends its caller.
func (g *Group) newRaft(trans raft.Transport) (r *raft.Raft, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer catchFault(&err)()
		r, err = raft.NewRaft(g.settings(), g.fsm, g.store.log, g.store.stable, g.store.snapshots, trans)
	}()
	<-done
	if failed := g.stop.err(); failed != nil {
		err = failed
	}
	if err == nil && r == nil {
		err = errors.New("it ended without a word")
	}
	return r, err
}

// hasten makes a lone voter stand for election now instead of after one to two
// heartbeat timeouts. The wait exists to spare a living leader; where nobody
// else has a vote there can be none, so skipping it is safe. Raft looks at its
// heartbeat timer at once when the timeout is lowered, by however little.
func (g *Group) hasten() {
	if !g.store.log.roster.loneVoter() {
		return
	}
	settings := g.raft.ReloadableConfig()
	settings.HeartbeatTimeout -= time.Millisecond
	if err := g.raft.ReloadConfig(settings); err != nil {
		g.log.Warn("the first election will take a moment longer", slog.Any("err", err))
	}
}

// ID is the number of the group.
func (g *Group) ID() cluster.GroupID { return g.id }

// Replica is the id "node/group/number" of this replica.
func (g *Group) Replica() string { return g.replica }

// Number is the number of this replica.
func (g *Group) Number() uint64 { return g.number }

// Done is closed when the replica has stopped: with its host, or because it was
// removed from this node. Nothing about it changes any more.
func (g *Group) Done() <-chan struct{} { return g.done }

// Snapshot writes the state to a snapshot now and drops log entries beyond the
// usual trailing ones. It waits until that is done, ctx ends or the host is
// closed; in the latter cases the snapshot may still come about.
func (g *Group) Snapshot(ctx context.Context) error {
	result := make(chan error, 1)
	var err error
	select {
	case g.snapshotNow <- result:
		select {
		case err = <-result:
		case <-g.done:
			err = g.closedError()
		case <-ctx.Done():
			err = ctx.Err()
		}
	case <-g.done:
		err = g.closedError()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("group %s: snapshot: %w", g.id, err)
	}
	return nil
}

// closedError is ErrClosed with the storage failure that caused it, if any.
func (g *Group) closedError() error {
	if cause := g.stop.err(); cause != nil {
		return fmt.Errorf("%w: %w", ErrClosed, cause)
	}
	return ErrClosed
}

// close answers what is under way, ends all goroutines and closes the files.
// When ctx ends first, what still waits gets an unknown outcome; should even
// raft not stop, its files stay open and the error says so.
func (g *Group) close(ctx context.Context) error {
	g.closing.Store(true)
	g.pipe.queue.close()
	g.cancel()
	drained := await(ctx, func() {
		g.flow.Wait()
		g.fence.close()
		g.errands.close()
		g.tasks.Wait()
	})
	g.announce(Leadership{Term: g.raft.CurrentTerm()})
	close(g.done)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if !await(grace, func() { _ = g.raft.Shutdown().Error() }) {
		return fmt.Errorf("group %s: raft did not stop within %v, its files stay open", g.id, stopGrace)
	}
	g.hangUp()
	err := g.store.close()
	g.stopped = true
	if !drained {
		err = errors.Join(err, fmt.Errorf("group %s: closed with commands under way: %w", g.id, ctx.Err()))
	}
	return err
}

// stopGrace bounds the wait for raft's own goroutines once everything is
// answered. Only a disk that hangs, or a snapshot being written, needs more.
const stopGrace = 10 * time.Second

// await runs f and reports whether it returned before ctx ended.
func await(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
