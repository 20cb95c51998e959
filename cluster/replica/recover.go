package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// A group that lost the majority of its voters for good can elect nobody. What
// is left is to choose the survivor that knows most, and to make the survivors
// the whole group. Writes that only the lost majority held are gone, and writes
// that were never acknowledged may appear: an operator decides, with all nodes
// of the group stopped (reliability.md 2.13).

// Survivor is what a stopped node holds of a group.
type Survivor struct {
	Group  cluster.GroupID
	Number uint64
	// LastTerm and LastIndex say how much it knows: the survivor with the
	// greatest LastTerm, and among those with the greatest LastIndex, knows most.
	LastTerm, LastIndex uint64
	// Configurations are those it knows of, the newest last. Which of them are
	// committed is not known offline; Committed is set for a snapshot's.
	Configurations []Configuration
}

// ReadIdentity tells whose data directory this is. The node must not be running.
func ReadIdentity(dir string) (Identity, error) {
	m, unlock, err := takeStopped(dir)
	if err != nil {
		return Identity{}, err
	}
	return m.identity(), unlock()
}

// Survey checks the replicas in the data directory of a stopped node, changes
// nothing, and tells what they hold. Replicas that cannot be used are named in
// the error, beside the list of the others.
func Survey(dir string) (list []Survivor, err error) {
	m, unlock, err := takeStopped(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	for _, record := range m.Replicas.living() {
		found, ferr := inspect(dir, record)
		if ferr != nil {
			err = errors.Join(err, ferr)
			continue
		}
		list = append(list, found.survivor(record))
	}
	return list, err
}

// takeStopped locks the directory of a node that must not be running, and only
// then reads whose it is: a node that runs may give itself a name, or write one.
// A directory that holds no node is left as it is.
func takeStopped(dir string) (m *manifest, unlock func() error, err error) {
	path := filepath.Join(dir, manifestName)
	if _, err := os.Stat(path); err != nil {
		return nil, nil, fmt.Errorf("replica: %s holds no node: %w", dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("replica: %s holds no node: %w", dir, err), lock.Close())
	}
	if m, err = decodeManifest(data); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%w: %s: %w", ErrDamaged, path, err), lock.Close())
	}
	return m, lock.Close, nil
}

func (e evidence) survivor(record replicaRecord) Survivor {
	s := Survivor{Group: record.Group, Number: record.Number, LastTerm: e.log.lastTerm, LastIndex: e.log.last}
	if e.snapshot != nil {
		if e.snapshot.Index > s.LastIndex {
			s.LastTerm, s.LastIndex = e.snapshot.Term, e.snapshot.Index
		}
		s.Configurations = append(s.Configurations, plainConfiguration(e.snapshot.ConfigurationIndex, e.snapshot.Configuration, true))
	}
	for _, c := range e.log.configurations {
		if e.snapshot == nil || c.index > e.snapshot.ConfigurationIndex {
			s.Configurations = append(s.Configurations, plainConfiguration(c.index, c.conf, false))
		}
	}
	return s
}

func plainConfiguration(index uint64, c raft.Configuration, committed bool) Configuration {
	conf := newRoster("").read(index, c)
	return Configuration{Index: index, Committed: committed, Voters: replicasOf(conf.voters), Learners: replicasOf(conf.others)}
}

// Recovery describes how a group is brought back on one stopped node.
type Recovery struct {
	// Dir is the data directory of the stopped node.
	Dir string
	// Group is the group that lost its majority.
	Group cluster.GroupID
	// Voters become the whole group, this node among them. Every number must be
	// new, greater than all numbers the group ever used: the lost replicas may
	// come back and must not vote. Recovering several survivors takes one call
	// on each with the same list; recovering only the one that knows most, and
	// adding others as learners later, is simpler and loses nothing more.
	Voters []cluster.Replica
	// StateMachine is empty and used up by the recovery.
	StateMachine StateMachine
	// Logger may be nil.
	Logger *slog.Logger
}

// RecoverGroup rewrites the configuration of a group on a stopped node. The
// node's replica is copied under its new number, every entry it holds counts as
// committed from now on, and the old replica is retired; its files stay, until
// Host.Purge. A crash on the way leaves the old replica in force.
//
// This may lose acknowledged writes and is never done without being told. The
// meta group must learn of it: placement, a new recovery epoch.
func RecoverGroup(r Recovery) (err error) {
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	m, unlock, err := takeStopped(r.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	old, next, err := r.records(m)
	if err != nil {
		return fmt.Errorf("replica: recovering group %s: %w", r.Group, err)
	}
	found, err := inspect(r.Dir, old)
	if err != nil {
		return err
	}
	if !found.exists || (found.log.empty() && found.snapshot == nil) {
		return fmt.Errorf("replica: recovering group %s: this node's replica holds nothing, recover it elsewhere", r.Group)
	}
	if err := r.copyReplica(old, next); err != nil {
		return fmt.Errorf("replica: recovering group %s: %w", r.Group, err)
	}
	if err := r.rewrite(m.Node, next); err != nil {
		return fmt.Errorf("replica: recovering group %s: %w", r.Group, err)
	}
	old.State = StateRemoved
	m.Replicas = m.Replicas.with(old).with(next)
	return m.save(r.Dir)
}

// records finds the replica to copy and the one to make of it.
func (r Recovery) records(m *manifest) (old, next replicaRecord, err error) {
	living := m.Replicas.living()
	i := slices.IndexFunc(living, func(l replicaRecord) bool { return l.Group == r.Group })
	self := slices.IndexFunc(r.Voters, func(v cluster.Replica) bool { return v.Node == m.Node })
	switch {
	case i < 0:
		return old, next, errors.New("this node holds no replica of it")
	case self < 0:
		return old, next, fmt.Errorf("node %s is not among the voters; it must be", m.Node)
	}
	old = living[i]
	for _, l := range m.Replicas {
		if l.Group == r.Group && l.Number >= r.Voters[self].Number {
			return old, next, fmt.Errorf("%w: %d, a number above %d is needed", ErrRetired, r.Voters[self].Number, l.Number)
		}
	}
	for _, v := range r.Voters {
		if _, _, err := cluster.ParseReplicaID(v.ID(r.Group)); err != nil {
			return old, next, err
		}
	}
	return old, replicaRecord{Group: r.Group, Number: r.Voters[self].Number, State: StateStarted}, nil
}

// copyReplica copies the files, over the rest of an earlier attempt. They name
// the group only, so they are valid under another number.
func (r Recovery) copyReplica(old, next replicaRecord) error {
	from, to := replicaDir(r.Dir, old), replicaDir(r.Dir, next)
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	err := filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return SyncDir(path)
		}
		return syncFile(path)
	})
	return errors.Join(err, SyncDir(groupsDir(r.Dir)))
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// rewrite turns the copy's log into a snapshot with the new configuration.
func (r Recovery) rewrite(node cluster.NodeID, next replicaRecord) error {
	found, err := inspect(r.Dir, next)
	if err != nil {
		return err
	}
	cfg, err := Config{Dir: r.Dir, Logger: r.Logger, StateMachine: func(cluster.GroupID) StateMachine { return r.StateMachine }}.withDefaults()
	if err != nil {
		return err
	}
	h := &Host{cfg: cfg, identity: manifest{Node: node}, space: newSpaceGuard(cfg)}
	g, err := h.openGroup(next, found)
	if err != nil {
		return err
	}
	var conf raft.Configuration
	for _, v := range r.Voters {
		id := v.ID(r.Group)
		conf.Servers = append(conf.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
	}
	f := &fsm{group: r.Group, machine: r.StateMachine, stop: g.stop, roster: g.store.log.roster}
	// The configuration gets the index of the last entry: raft would say 1, and
	// indexes of configurations only grow.
	snapshots := recovering{snapshotStore: g.store.snapshots}
	_, encoder := raft.NewInmemTransport(raft.ServerAddress(g.replica)) // only encodes names
	err = raft.RecoverCluster(g.settings(), f, g.store.log, g.store.stable, snapshots, encoder, conf)
	return errors.Join(g.stop.err(), err, encoder.Close(), g.store.close())
}

// recovering gives the snapshot of a recovery its configuration's index.
type recovering struct{ snapshotStore }

// Create implements raft.SnapshotStore.
func (s recovering) Create(version raft.SnapshotVersion, index, term uint64, conf raft.Configuration, _ uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	return s.snapshotStore.Create(version, index, term, conf, index, trans)
}
