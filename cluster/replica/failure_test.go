package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

func TestStorageErrorStopsTheGroup(t *testing.T) {
	dir := t.TempDir()
	n := open(t, singleNode(dir))
	g, meta := n.lead(t, 1), n.lead(t, 0)
	propose(t, g, "kept")
	last := g.Stats().LastIndex
	disk := g.store.stable.(*diskStore)
	if err := disk.bolt.Close(); err != nil { // every further write fails
		t.Fatal(err)
	}
	if _, err := g.Propose(timeout(t), []byte("lost")); !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("a command whose write failed: %v", err)
	}
	select {
	case err := <-n.fatal:
		if want := fmt.Sprintf("group 1: writing log records %d", last+1); !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("fatal says %q, want %q… and the file", err, want)
		}
	case <-timeout(t).Done():
		t.Fatal("Fatal was not called")
	}
	if _, err := g.Propose(timeout(t), []byte("after")); !errors.Is(err, ErrClosed) {
		t.Errorf("a command after the failure: %v", err)
	}
	if err := g.Confirm(timeout(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("a read after the failure: %v", err)
	}
	for now, changed := g.Leadership(); now.Leading; now, changed = g.Leadership() {
		<-changed
	}
	if got := n.journal(1).all(); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("executed %q", got)
	}
	propose(t, meta, "other groups go on")
	n.close(t)
	if len(n.fatal) != 0 {
		t.Errorf("Fatal was called again: %v", <-n.fatal)
	}
	again := open(t, singleNode(dir))
	again.lead(t, 1)
	if got := again.journal(1).all(); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("after a restart %q", got)
	}
}

// The vote of an election cannot be stored: raft must not go on, and must not
// take the process with it by panicking.
func TestUnsavedTermEndsTheReplica(t *testing.T) {
	n := open(t, singleNode(t.TempDir()))
	g := n.lead(t, 1)
	if err := g.store.stable.(*diskStore).bolt.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = g.store.stable.SetUint64([]byte(keyCurrentTerm), 99)
		t.Error("SetUint64 came back")
	}()
	<-ended
	if err := <-n.fatal; !strings.Contains(err.Error(), "group 1: writing CurrentTerm") {
		t.Errorf("fatal says %v", err)
	}
}

func TestDamagedRecordIsNoticedWhenRead(t *testing.T) {
	dir := t.TempDir()
	n := open(t, singleNode(dir))
	g := n.lead(t, 1)
	const needle = "a command that is easy to find"
	propose(t, g, needle)
	index := g.Stats().LastIndex
	disk := g.store.stable.(*diskStore)
	data, err := os.ReadFile(disk.path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(disk.path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; ; {
		i := strings.Index(string(data[at:]), needle)
		if i < 0 {
			break
		}
		if _, err := f.WriteAt([]byte{'A'}, int64(at+i)); err != nil {
			t.Fatal(err)
		}
		at += i + 1
	}
	_ = f.Close()
	if err := g.store.log.GetLog(index, new(raftLogEntry)); err == nil {
		t.Error("the damaged record was read")
	}
	if err := <-n.fatal; !strings.HasPrefix(err.Error(), fmt.Sprintf("group 1: log record %d is damaged", index)) {
		t.Errorf("fatal says %v", err)
	}
	n.close(t)
	if _, err := tryOpen(singleNode(dir)); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("log record %d", index)) {
		t.Errorf("at the next start: %v", err)
	}
}

func TestBrokenStateMachineStopsTheGroup(t *testing.T) {
	n := open(t, singleNode(""))
	g := n.lead(t, 1)
	n.journal(1).broken = true
	if _, err := g.Propose(timeout(t), []byte("x")); !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("Propose: %v", err)
	}
	if err := <-n.fatal; !strings.Contains(err.Error(), "gave 0 results for 1 commands") {
		t.Errorf("fatal says %v", err)
	}
	if err := g.Confirm(timeout(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("Confirm: %v", err)
	}
}

func TestStoppedGroupExecutesNothing(t *testing.T) {
	j := new(journal)
	f := &fsm{group: 1, machine: j, stop: newFailStop()}
	_ = f.stop.trip(errors.New("the disk is gone"))
	entry := &raftLogEntry{Index: 1, Data: encodeEntry([][]byte{[]byte("x")})}
	if answer := f.Apply(entry); answer != nil || len(j.all()) > 0 {
		t.Errorf("answered %v, executed %q", answer, j.all())
	}
	if _, err := f.Snapshot(); err == nil {
		t.Error("a snapshot was taken")
	}
}

func TestUnknownEntryStopsTheGroup(t *testing.T) {
	j := new(journal)
	f := &fsm{group: 1, machine: j, stop: newFailStop()}
	answers := f.ApplyBatch([]*raftLogEntry{
		{Index: 4, Data: encodeEntry([][]byte{[]byte("known")})},
		{Index: 5, Data: []byte{entryVersion + 1, 1, 0}},
		{Index: 6, Data: encodeEntry([][]byte{[]byte("after")})},
	})
	if len(answers) != 3 || answers[0] == nil || answers[1] != nil || answers[2] != nil {
		t.Errorf("answers %v", answers)
	}
	if got := j.all(); !slices.Equal(got, []string{"known"}) {
		t.Errorf("executed %q", got)
	}
	if err := f.stop.err(); err == nil || !strings.Contains(err.Error(), "group 1: log record 5") {
		t.Errorf("stopped by %v", err)
	}
}

func TestNearlyFullDisk(t *testing.T) {
	var free atomic.Uint64
	free.Store(1000)
	cfg := singleNode(t.TempDir())
	cfg.Limits.MinFree = 500
	cfg.FreeSpace = func(string) (uint64, uint64, error) { return free.Load(), 10_000, nil }
	n := open(t, cfg)
	g, meta := n.lead(t, 1), n.lead(t, 0)
	for _, step := range []struct {
		free                 uint64
		data, meta, snapshot bool
	}{
		{1000, true, true, true},
		{499, false, true, true},
		{249, false, false, false},
		{500, true, true, true},
	} {
		free.Store(step.free)
		g.space.look()
		check := func(what string, want bool, err error) {
			t.Helper()
			if (err == nil) != want || (err != nil && !errors.Is(err, ErrNoSpace) && what != "snapshot") {
				t.Errorf("%d bytes free: %s: %v", step.free, what, err)
			}
		}
		_, err := g.Propose(timeout(t), []byte("x"))
		check("data", step.data, err)
		_, err = meta.Propose(timeout(t), []byte("x"))
		check("meta", step.meta, err)
		check("snapshot", step.snapshot, meta.Snapshot(timeout(t))) // a new index each time, so a new name
		check("read", true, g.Confirm(timeout(t)))
	}
	rests, _ := filepath.Glob(filepath.Join(n.cfg.Dir, "groups", "*", "snapshots", "*"+tmpSuffix))
	if len(rests) > 0 {
		t.Errorf("left behind: %q", rests)
	}
}

func TestDefaultMinFree(t *testing.T) {
	for _, c := range []struct {
		min         int64
		free, total uint64
		want        spaceLevel
	}{
		{0, 2 << 30, 100 << 30, spaceEnough},
		{0, 1<<30 - 1, 100 << 30, spaceLow},
		{0, 1 << 28, 100 << 30, spaceReserve},
		{0, 60, 500, spaceEnough}, // a small disk keeps a tenth
		{0, 40, 500, spaceLow},
		{-1, 0, 100, spaceEnough},
	} {
		g := newSpaceGuard(Config{Dir: "d", Limits: Limits{MinFree: c.min}, Logger: silent(),
			FreeSpace: func(string) (uint64, uint64, error) { return c.free, c.total, nil }})
		if got := spaceLevel(g.level.Load()); got != c.want {
			t.Errorf("%d of %d free: level %d, want %d", c.free, c.total, got, c.want)
		}
	}
}

func TestDirectoryHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	n := open(t, singleNode(dir))
	if _, err := tryOpen(singleNode(dir)); !errors.Is(err, ErrDirLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second host: %v", err)
	}
	if _, err := LockDir(dir); !errors.Is(err, ErrDirLocked) {
		t.Errorf("the directory of a host that runs is taken: %v", err)
	}
	n.close(t)

	// Who looks at the directory first hands on its hold, for good.
	other := filepath.Join(dir, "made", "on", "demand")
	for _, spoil := range []func(*Config){
		func(c *Config) { c.Dir = dir },
		func(c *Config) { c.DataGroups = -1 },
		func(c *Config) { c.Node = "no name" },
	} {
		lock, err := LockDir(other)
		if err != nil {
			t.Fatal(err)
		}
		config := singleNode(other)
		config.Lock = lock
		spoil(&config)
		if _, err := tryOpen(config); err == nil {
			t.Fatal("it opened")
		}
	}
	lock, err := LockDir(other)
	if err != nil {
		t.Fatalf("what did not open still holds the directory: %v", err)
	}
	config := singleNode(other)
	config.Lock = lock
	n = open(t, config)
	if _, err := LockDir(other); !errors.Is(err, ErrDirLocked) {
		t.Errorf("a host lost the hold it was given: %v", err)
	}
	n.close(t)
	open(t, singleNode(other))
}

func TestIdentityIsKept(t *testing.T) {
	dir := t.TempDir()
	n := open(t, singleNode(dir))
	clusterID, store := n.ClusterID(), n.StoreID()
	if clusterID == "" || store == "" || clusterID == store {
		t.Errorf("cluster %q, store %q", clusterID, store)
	}
	n.close(t)
	for name, change := range map[string]func(*Config){
		"another node":    func(c *Config) { c.Node = "n2" },
		"another cluster": func(c *Config) { c.ClusterID = "other" },
		"more groups":     func(c *Config) { c.DataGroups = 2 },
	} {
		cfg := singleNode(dir)
		change(&cfg)
		if _, err := tryOpen(cfg); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n = open(t, Config{Dir: dir})
	if n.ClusterID() != clusterID || n.StoreID() != store || n.Node() != "n1" || n.Topology().Groups() != 1 {
		t.Errorf("came back as %+v", n.identity)
	}
	n.lead(t, 1) // founded long ago, needs no founders any more
}

func TestFlippedByteInIdentity(t *testing.T) {
	m, err := newManifest(Config{Node: "n1", FoundAlone: true, DataGroups: 2})
	if err != nil {
		t.Fatal(err)
	}
	data, err := encodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeManifest(data); err != nil || got.StoreID != m.StoreID || len(got.Replicas) != 3 {
		t.Fatalf("came back as %+v, %v", got, err)
	}
	for i := range data {
		damaged := slices.Clone(data)
		damaged[i] ^= 1 << (i % 8)
		if _, err := decodeManifest(damaged); err == nil {
			t.Errorf("byte %d was flipped and not noticed", i)
		}
		if _, err := decodeManifest(data[:i]); err == nil {
			t.Errorf("%d of %d bytes were accepted", i, len(data))
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"bad node":        func(c *Config) { c.Node = "a/b" },
		"bad founder":     func(c *Config) { c.Founders = []cluster.NodeID{"n1", ""} },
		"too many groups": func(c *Config) { c.DataGroups = cluster.MaxGroups + 1 },
		"tiny queue":      func(c *Config) { c.Limits.QueuedBytes = 1 },
		"hasty":           func(c *Config) { c.Heartbeat = 99 * time.Millisecond },
		"sluggish":        func(c *Config) { c.Heartbeat = time.Hour },
	} {
		cfg := singleNode("")
		change(&cfg)
		if n, err := tryOpen(cfg); err == nil {
			t.Errorf("%s was accepted", name)
			n.close(t)
		}
	}
	if _, err := Open(timeout(t), Config{}); err == nil {
		t.Error("a host without state machines was opened")
	}
}
