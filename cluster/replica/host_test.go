package replica

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"

	"github.com/mayfly-broker/mayfly/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a host under test with its state machines.
type node struct {
	*Host
	mu       sync.Mutex
	journals map[cluster.GroupID]*journal
	fatal    chan error
}

func (n *node) journal(id cluster.GroupID) *journal {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.journals[id]
}

// singleNode configures a node that founds a cluster of its own.
func singleNode(dir string) Config {
	return Config{Dir: dir, Node: "n1", Founders: []cluster.NodeID{"n1"}, DataGroups: 1}
}

// open opens a host and closes it with the test.
func open(t testing.TB, cfg Config) *node {
	t.Helper()
	n, err := tryOpen(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { n.close(t) })
	return n
}

func tryOpen(cfg Config) (*node, error) {
	n := &node{journals: make(map[cluster.GroupID]*journal), fatal: make(chan error, 64)}
	if cfg.StateMachine == nil {
		cfg.StateMachine = func(id cluster.GroupID) StateMachine {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.journals[id] = new(journal)
			return n.journals[id]
		}
	}
	if cfg.Fatal == nil {
		cfg.Fatal = func(err error) { n.fatal <- err }
	}
	host, err := Open(context.Background(), cfg)
	n.Host = host
	return n, err
}

func (n *node) close(t testing.TB) {
	t.Helper()
	if err := n.Close(timeout(t)); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// timeout bounds what must not take long.
func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// lead waits until the node leads the group.
func (n *node) lead(t testing.TB, id cluster.GroupID) *Group {
	t.Helper()
	g := n.Group(id)
	for {
		now, changed := g.Leadership()
		if now.Leading {
			return g
		}
		select {
		case <-changed:
		case <-timeout(t).Done():
			t.Fatalf("group %s: no leadership: %+v", id, now)
		}
	}
}

func propose(t testing.TB, g *Group, cmd string) any {
	t.Helper()
	result, err := g.Propose(timeout(t), []byte(cmd))
	if err != nil {
		t.Fatalf("Propose(%q): %v", cmd, err)
	}
	return result
}

func TestSingleNodeKeepsEverythingAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for life := range 3 {
		n := open(t, singleNode(dir))
		g := n.lead(t, 1)
		if got := n.journal(1).all(); !slices.Equal(got, want) {
			t.Fatalf("life %d begins with %d commands, want %d", life, len(got), len(want))
		}
		for i := range 50 {
			cmd := fmt.Sprintf("life %d command %d", life, i)
			if pos := propose(t, g, cmd); pos != len(want) {
				t.Fatalf("command %q got position %v, want %d", cmd, pos, len(want))
			}
			want = append(want, cmd)
		}
		if err := g.Confirm(timeout(t)); err != nil {
			t.Fatalf("Confirm: %v", err)
		}
		n.close(t)
	}
}

func TestManyGroupsLeadSoon(t *testing.T) {
	n := open(t, Config{Dir: t.TempDir(), Founders: []cluster.NodeID{"n1"}, Node: "n1"})
	start := time.Now()
	if err := n.WaitLeaders(timeout(t)); err != nil {
		t.Fatal(err)
	}
	t.Logf("17 groups led after %v", time.Since(start))
}

// A lone voter does not wait for a leader that cannot exist.
func TestLoneVoterLeadsAtOnce(t *testing.T) {
	cfg := singleNode("")
	cfg.tuning = defaultTuning()
	cfg.tuning.heartbeat = time.Hour
	propose(t, open(t, cfg).lead(t, 1), "already")
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// raftLogEntry keeps raft out of tests that only want to read one.
type raftLogEntry = raft.Log

func TestSnapshotTrimRestart(t *testing.T) {
	dir := t.TempDir()
	cfg := singleNode(dir)
	cfg.tuning = defaultTuning()
	cfg.tuning.trailingLogs = 10
	n := open(t, cfg)
	g := n.lead(t, 1)
	var want []string
	add := func(count int) {
		for range count {
			want = append(want, fmt.Sprint("line ", len(want)))
			propose(t, g, want[len(want)-1])
		}
	}
	add(100)
	if err := g.Snapshot(timeout(t)); err != nil {
		t.Fatal(err)
	}
	add(25)
	s := g.Stats()
	if s.SnapshotIndex == 0 || s.FirstIndex != s.SnapshotIndex-9 || s.LastIndex <= s.SnapshotIndex {
		t.Fatalf("after a snapshot: %+v", s)
	}
	n.close(t)
	n = open(t, cfg)
	g = n.lead(t, 1)
	if got := n.journal(1).all(); !slices.Equal(got, want) || n.journal(1).restored != 1 {
		t.Errorf("came back with %d of %d lines, %d restores", len(got), len(want), n.journal(1).restored)
	}
	add(5)
	if got := n.journal(1).all(); !slices.Equal(got, want) {
		t.Errorf("then %d of %d lines", len(got), len(want))
	}
}

// A log of few large entries is kept small by bytes, not by count.
func TestLogStaysWithinItsBytes(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			cfg := singleNode(dir)
			cfg.Limits.LogBytes = 1 << 20
			cfg.tuning = defaultTuning()
			cfg.tuning.trimPause = time.Millisecond
			n := open(t, cfg)
			g := n.lead(t, 1)
			for range 40 {
				propose(t, g, strings.Repeat("x", 100<<10))
			}
			waitFor(t, g, func(s Stats) bool { return s.SnapshotIndex > 0 && s.LogBytes <= 1<<20 })
			waitFor(t, g, func(Stats) bool { return g.raft.ReloadableConfig().TrailingLogs == cfg.tuning.trailingLogs })
			if got := len(n.journal(1).all()); got != 40 {
				t.Errorf("%d of 40 commands", got)
			}
		})
	}
}

// The process dies in the middle of writing; every answer it gave holds.
func TestKilledProcessKeepsAcknowledged(t *testing.T) {
	if dir := os.Getenv("REPLICA_TEST_VICTIM"); dir != "" {
		n := open(t, singleNode(dir))
		g := n.lead(t, 1)
		for c := range 8 {
			go func() {
				for i := 0; ; i++ {
					line := fmt.Sprintf("%d/%d", c, i)
					if _, err := g.Propose(context.Background(), []byte(line)); err == nil {
						_, _ = os.Stdout.WriteString("acknowledged " + line + "\n")
					}
				}
			}()
		}
		select {}
	}
	dir := t.TempDir()
	for life := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcessKeepsAcknowledged$")
		cmd.Env = append(os.Environ(), "REPLICA_TEST_VICTIM="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acked := make(map[string]int)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if line, ok := strings.CutPrefix(lines.Text(), "acknowledged "); ok {
				acked[line]++
			}
			if len(acked) == 200 {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		if len(acked) < 200 {
			t.Fatalf("life %d: the victim acknowledged %d commands and died by itself", life, len(acked))
		}
		n := open(t, singleNode(dir))
		n.lead(t, 1)
		times := make(map[string]int)
		for _, line := range n.journal(1).all() {
			times[line]++
		}
		for line := range acked {
			if times[line] < 1 || times[line] > life+1 {
				t.Errorf("life %d: %q was acknowledged and is there %d times", life, line, times[line])
			}
		}
		n.close(t)
	}
}
