package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/rpc/peer"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
)

// charterOf reads a charter of a data directory.
func charterOf(t *testing.T, dir string) *charter {
	t.Helper()
	c, err := readCharter(dir, CharterFile)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A move to another cluster that is cut off anywhere is finished by the next
// start: nothing of before stays in force, and nothing of it is lost.
func TestMoveOverIsFinished(t *testing.T) {
	former := []string{"identity.json", filepath.Join("groups", "1", "log"), AdminTokenFile, CharterFile}
	next := &charter{Node: "n", Store: "NEXT", ClusterID: "other", Groups: 2, Trust: cluster.Trust{Serial: 7}}
	parts := append(replica.Parts(), AdminTokenFile, CharterFile)
	for moved := range 1 << len(parts) {
		for name, cut := range map[string]func(dir string){
			"before the new charter": func(string) {},
			"within the new charter": func(dir string) { write(t, dir, CharterFile+".tmp", `{"node":`) },
		} {
			dir := t.TempDir()
			for _, f := range former {
				write(t, dir, f, `{"node":"n","store":"FORMER","cluster_id":"own"}`)
			}
			if err := writeCharter(dir, nextCharterFile, next); err != nil {
				t.Fatal(err)
			}
			aside := filepath.Join(dir, "before-NEXT")
			for i, part := range parts {
				if moved&(1<<i) == 0 {
					continue
				}
				if err := os.MkdirAll(aside, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(filepath.Join(dir, part), filepath.Join(aside, part)); err != nil {
					t.Fatal(err)
				}
			}
			cut(dir)
			checkMoved(t, dir, name, next, former, moved)
		}
	}
}

// checkMoved finishes a move, also when it lacks its last step only, and when a
// node of the other cluster was born since.
func checkMoved(t *testing.T, dir, name string, next *charter, former []string, moved int) {
	t.Helper()
	for _, again := range []bool{false, true} {
		if again {
			write(t, dir, "identity.json", "born since")
			if err := writeCharter(dir, nextCharterFile, next); err != nil {
				t.Fatal(err)
			}
		}
		if err := moveOver(dir); err != nil {
			t.Fatalf("cut %s with %04b put aside: %v", name, moved, err)
		}
		if c := charterOf(t, dir); c.Store != next.Store || c.ClusterID != next.ClusterID || c.Trust.Serial != next.Trust.Serial {
			t.Fatalf("cut %s with %04b put aside: the charter is of cluster %q, store %q", name, moved, c.ClusterID, c.Store)
		}
		for _, f := range former {
			if _, err := os.Stat(filepath.Join(dir, "before-NEXT", f)); err != nil {
				t.Errorf("cut %s with %04b put aside: %v", name, moved, err)
			}
			if _, err := os.Stat(filepath.Join(dir, f)); err == nil && f != CharterFile && !again {
				t.Errorf("cut %s with %04b put aside: %s of before is in force", name, moved, f)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, nextCharterFile)); err == nil {
			t.Errorf("cut %s with %04b put aside: the move is not over", name, moved)
		}
		if born, err := os.ReadFile(filepath.Join(dir, "identity.json")); again && (err != nil || string(born) != "born since") {
			t.Errorf("the node that was born since was put aside: %q, %v", born, err)
		}
	}
}

// A node that is cut off at its birth comes to be the same one, under the name
// that others may have heard of.
func TestBirthIsTakenUpAgain(t *testing.T) {
	config := founders(t, 2, new(safeLog))[0].config
	config.Name, config.NameHint = "", ""
	var before *charter
	for range 2 { // its fellow founder never comes
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, err := New(ctx, config); err == nil {
			t.Fatal("it founded a cluster of two alone")
		}
		cancel()
		now := charterOf(t, config.DataDir)
		if now.Store == "" || now.Node == "" || now.decided() {
			t.Fatalf("after a birth that was cut off: %+v", now)
		}
		if before != nil && (before.Store != now.Store || before.Node != now.Node) {
			t.Errorf("it was node %s with store %s, and is node %s with store %s", before.Node, before.Store, now.Node, now.Store)
		}
		before = now
	}
	if info, err := os.Stat(filepath.Join(config.DataDir, CharterFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read how the node came to be: %v, %v", info.Mode(), err)
	}

	// Decided, and cut off before anything else was on disk.
	config.BootstrapExpect, config.Join, config.DataDir = 0, nil, t.TempDir()
	before.Node = "decided"
	decided, err := decideAlone(config, before.Node)
	if err != nil {
		t.Fatal(err)
	}
	before.take(decided)
	if err := writeCharter(config.DataDir, CharterFile, before); err != nil {
		t.Fatal(err)
	}
	n, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if n.host.Node() != "decided" || n.host.StoreID() != before.Store || n.host.ClusterID() != before.ClusterID {
		t.Errorf("it came to be node %s, store %s, of cluster %s", n.host.Node(), n.host.StoreID(), n.host.ClusterID())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Run(ended); err != nil {
		t.Error(err)
	}
}

// A data directory of a node that was alone, or older than charters, becomes that
// of a cluster of one when it gets a way to others.
func TestLoneNodeGetsAWayToOthers(t *testing.T) {
	for name, older := range map[string]bool{"alone before": false, "older than charters": true} {
		t.Run(name, func(t *testing.T) {
			var log safeLog
			config := small(t)
			config.Logger = slog.New(slog.NewTextHandler(&log, nil))
			ways := config
			config.PeerListen, config.GossipListen = "", ""
			_, stop := run(t, config)
			stop()
			if older {
				if err := os.Remove(filepath.Join(config.DataDir, CharterFile)); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			m := &member{config: ways}
			if err := m.start(ctx); err != nil {
				t.Fatalf("%v\n%s", err, log.String())
			}
			defer m.stop(t)
			if _, _, err := (office{m.node}).JoinToken(ctx, time.Minute); err != nil {
				t.Errorf("it lets nobody in: %v", err)
			}
			known := 0
			m.node.local.Read(func(s *cluster.State) { known = len(s.Members()) })
			if known != 1 {
				t.Errorf("its cluster has %d members", known)
			}
		})
	}
}

// A node that has data and is told to join another cluster stays where it is, and says so.
func TestATokenOfAnotherClusterIsNotUsed(t *testing.T) {
	config := small(t)
	_, stop := run(t, config)
	stop()
	own := charterOf(t, config.DataDir).ClusterID
	for cluster, warns := range map[string]bool{own: false, "ANOTHER": true} {
		var log safeLog
		config.Logger = slog.New(slog.NewTextHandler(&log, nil))
		config.Join = freePorts(t, 1)
		config.JoinToken, _ = peer.NewToken(cluster, strings.Repeat("A", trust.PinLen))
		_, stop := run(t, config)
		stop()
		said := strings.Contains(log.String(), "join token is of another cluster") && strings.Contains(log.String(), "token_of="+cluster)
		if said != warns || strings.Contains(log.String(), config.JoinToken) {
			t.Errorf("with a token of %s, in %s, it says %s", cluster, own, log.String())
		}
		if now := charterOf(t, config.DataDir).ClusterID; now != own {
			t.Errorf("it moved from %s to %s", own, now)
		}
	}
}
