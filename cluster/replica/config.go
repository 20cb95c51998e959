package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

const (
	// MaxCommandBytes bounds one command: an item may be 5 MiB, the rest is room
	// for its envelope.
	MaxCommandBytes = 6 << 20

	// gatherBytes and gatherDelay bound how long a command waits for company
	// while an earlier entry is being committed. With nothing under way none
	// waits (design.md section 8).
	gatherBytes = 64 << 10
	gatherDelay = time.Millisecond

	// minHeartbeat and maxHeartbeat bound Config.Heartbeat: below, a busy
	// scheduler looks like a dead leader; above, a dead one is not missed.
	minHeartbeat = 100 * time.Millisecond
	maxHeartbeat = time.Minute

	// exitStorage is the exit code after a storage failure (EX_SOFTWARE of
	// sysexits.h): a supervisor restarts, the start-up check decides.
	exitStorage = 70
)

// Config describes a Host. The zero value of every optional field is usable.
type Config struct {
	// Dir is the data directory. It is created when missing. Empty keeps
	// everything in memory, for development: closing forgets all.
	Dir string

	// Lock is the hold on Dir, for a caller that has to look at the directory
	// before; from Open on it is the host's, also when Open fails. Nil has Open
	// take one.
	Lock *Lock

	// Node names this node. Empty means: the name recorded in Dir, or NodeHint
	// at birth. A name other than the recorded one is refused.
	Node cluster.NodeID

	// NodeHint is the name of a node that is born without being told one, such
	// as its host's. Later it has no say: a host may be renamed. Empty means a
	// made up name.
	NodeHint cluster.NodeID

	// ClusterID names the cluster. Empty means: the id recorded in Dir, or a
	// random one when this node alone founds the cluster; at any other birth it
	// is required. An id other than the recorded one is refused.
	ClusterID string

	// DataGroups is the number of data groups, fixed at birth. 0 means: the
	// recorded number, or cluster.DefaultGroups when the node founds a cluster;
	// a node that joins one must be told. Another number than the recorded one
	// is refused.
	DataGroups int

	// FoundAlone: a node that is being born founds a cluster of its own, as the
	// only voter of every group. On a directory with an identity it means
	// nothing, so it may always be set where nobody else is to be joined.
	FoundAlone bool

	// Founders are the first voters of every group of a cluster that several
	// nodes found together, this one among them. All must be given the same
	// list, ClusterID and DataGroups. Like FoundAlone it matters at birth only.
	//
	// A node that is born with neither (or whose name is not in the list) holds
	// no replicas until Host.StartReplica is called.
	Founders []cluster.NodeID

	// StateMachine makes the state machine of a replica that is about to start;
	// required. Each call must return an empty one: a group may leave a node
	// and come back under another number. It is called possibly from several
	// goroutines, for one replica of a group after the other.
	StateMachine func(cluster.GroupID) StateMachine

	// Terms asks another node for the terms of its replicas, in the order of
	// refs; the other side answers with Host.Terms. It must return when ctx
	// ends, and should pass the question on at once: reads wait for it. Nil
	// makes Group.Confirm of a group with several voters go through the log.
	Terms func(ctx context.Context, node cluster.NodeID, refs []Ref) ([]uint64, error)

	// StoreID is the random name of the data directory of a node that is being
	// born, for one that had to give it before it was born. Empty means that one
	// is drawn. On a directory with an identity it means nothing.
	StoreID string

	// Network reaches the replicas of other nodes. Nil keeps this node alone: it
	// can lead groups in which it is the only voter.
	Network Network

	// Connect makes the Network, for one that has to know whose it is. It is
	// called once, when that is known and before any replica starts; nil means
	// Network.
	Connect func(Identity) (Network, error)

	// Heartbeat is how long a replica goes without word of its leader before it
	// stands for election; a lease is half of it, and followers hear of commits
	// within a fifth of it. All nodes must be given the same. 0 means a second,
	// and it must be 100 ms to 1 min: more where nodes are far apart.
	Heartbeat time.Duration

	// Logger receives what an operator should know. Nil is silent.
	Logger *slog.Logger

	// Fatal is called at most once per group after a storage failure, a damaged
	// record or a broken state machine, with an error that names group and
	// place. It must end the process; nil logs the error and exits with code
	// 70. Should it return, the group has stopped for good: nothing more is
	// applied, promised or served.
	Fatal func(error)

	// FreeSpace tells free and total bytes of the file system that holds dir. Nil
	// asks the operating system.
	FreeSpace func(dir string) (free, total uint64, err error)

	// Limits bound memory and disk; zero fields take their defaults.
	Limits Limits

	// timing and cache sizes that only tests change.
	tuning tuning
}

// Limits bound what a host spends. Zero fields mean the default.
type Limits struct {
	// QueuedCommands and QueuedBytes bound, per group, the commands that are
	// accepted but not answered. Defaults: 8,192 and 64 MiB.
	QueuedCommands int
	QueuedBytes    int

	// LogBytes is the size of a group's log, in bytes of records, from which on
	// it is snapshotted and trimmed regardless of how few entries it has.
	// Default 64 MiB.
	LogBytes int64

	// RecentBytes bounds, per group, the newest records that are kept in memory as
	// well, for followers. Default 4 MiB.
	RecentBytes int64

	// MinFree is the free disk space in bytes below which commands of data
	// groups are refused with ErrNoSpace. Below half of it commands of the meta
	// group are refused too, and no snapshots are written. Default: 1 GiB, or a
	// tenth of the file system if that is less. Negative turns the guard off.
	MinFree int64
}

// tuning holds the Raft settings of reliability.md section 2.5.
type tuning struct {
	heartbeat         time.Duration
	lease             time.Duration
	commit            time.Duration
	maxAppend         int
	trailingLogs      uint64
	snapshotThreshold uint64
	snapshotInterval  time.Duration
	spaceInterval     time.Duration
	// trimPause is the least time between two snapshots taken because of the
	// log's size, so that one that cannot shrink it is not repeated in a circle.
	trimPause time.Duration
}

// memTrimPause is the trimPause of a host in memory.
const memTrimPause = 250 * time.Millisecond

func defaultTuning() tuning {
	return tuning{
		heartbeat:         time.Second,
		lease:             500 * time.Millisecond,
		commit:            200 * time.Millisecond,
		maxAppend:         64,
		trailingLogs:      2048,
		snapshotThreshold: 4096,
		snapshotInterval:  30 * time.Second,
		spaceInterval:     time.Second,
		trimPause:         2 * time.Second,
	}
}

// at is the tuning for another heartbeat timeout, 0 for the default.
func (t tuning) at(heartbeat time.Duration) tuning {
	if heartbeat != 0 {
		t.heartbeat, t.lease, t.commit = heartbeat, heartbeat/2, heartbeat/5
	}
	return t
}

// withDefaults checks the configuration and fills what was left open.
func (c Config) withDefaults() (Config, error) {
	if c.StateMachine == nil {
		return c, fmt.Errorf("replica: Config.StateMachine is missing, it makes the state machine of each group")
	}
	if c.DataGroups != 0 {
		if _, err := cluster.NewTopology(c.DataGroups); err != nil {
			return c, fmt.Errorf("replica: Config.DataGroups: %w", err)
		}
	}
	if err := c.checkNames(); err != nil {
		return c, err
	}
	if c.Lock != nil && c.Lock.dir != c.Dir {
		return c, fmt.Errorf("replica: Config.Lock holds %s, Config.Dir is %s", c.Lock.dir, c.Dir)
	}
	if c.FreeSpace == nil {
		c.FreeSpace = freeSpace
	}
	if c.Heartbeat != 0 && (c.Heartbeat < minHeartbeat || c.Heartbeat > maxHeartbeat) {
		return c, fmt.Errorf("replica: Config.Heartbeat is %v, it must be %v to %v", c.Heartbeat, minHeartbeat, maxHeartbeat)
	}
	if c.tuning == (tuning{}) {
		c.tuning = defaultTuning().at(c.Heartbeat)
		if c.Dir == "" {
			// What a log in memory grows by in between is memory that others miss, and
			// its snapshots are written to nowhere slow.
			c.tuning.trimPause = memTrimPause
		}
	}
	c.Limits = c.Limits.withDefaults()
	if c.Limits.QueuedBytes < MaxCommandBytes {
		return c, fmt.Errorf("replica: Limits.QueuedBytes is %d, it must hold at least one command of %d bytes", c.Limits.QueuedBytes, MaxCommandBytes)
	}
	if c.Fatal == nil {
		c.Fatal = exitProcess(c.Logger)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func (c Config) checkNames() error {
	names := slices.Clone(c.Founders)
	if c.Node != "" {
		names = append(names, c.Node)
	}
	for _, node := range names {
		if _, err := cluster.ParseNodeID(string(node)); err != nil {
			return fmt.Errorf("replica: %w", err)
		}
	}
	slices.Sort(names[:len(c.Founders)])
	switch {
	case c.FoundAlone && len(c.Founders) > 0:
		return errors.New("replica: Config.FoundAlone and Config.Founders exclude each other")
	case len(slices.Compact(names[:len(c.Founders)])) != len(c.Founders):
		return errors.New("replica: Config.Founders names a node twice")
	}
	return nil
}

// exitProcess is the default of Config.Fatal. A process never dies without a
// word: with a silent logger the reason goes to standard error.
func exitProcess(log *slog.Logger) func(error) {
	return func(err error) {
		const msg = "storage failed, stopping so that memory and disk cannot disagree"
		if log != nil {
			log.Error(msg, slog.Any("err", err))
		} else {
			fmt.Fprintf(os.Stderr, "%s: %v\n", msg, err)
		}
		os.Exit(exitStorage)
	}
}

func (l Limits) withDefaults() Limits {
	l.QueuedCommands = cmp.Or(l.QueuedCommands, 8192)
	l.QueuedBytes = cmp.Or(l.QueuedBytes, 64<<20)
	l.LogBytes = cmp.Or(l.LogBytes, 64<<20)
	l.RecentBytes = cmp.Or(l.RecentBytes, 4<<20)
	return l
}
