package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// town is where the nodes of a test are.
type town struct {
	mu    sync.Mutex
	addrs map[cluster.NodeID]string
}

func (w *town) resolve(node cluster.NodeID) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	addr, ok := w.addrs[node]
	return addr, ok
}

func (w *town) mux(t testing.TB, node string, change ...func(*MuxConfig)) *Mux {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	if w.addrs == nil {
		w.addrs = map[cluster.NodeID]string{}
	}
	w.addrs[cluster.NodeID(node)] = l.Addr().String()
	w.mu.Unlock()
	config := MuxConfig{
		Listener: l,
		Self:     Identity{ClusterID: "c", Node: node, StoreID: "store of " + node, BootID: "boot of " + node},
		Guard:    func(Identity) error { return nil },
		Resolve:  w.resolve,
	}
	for _, c := range change {
		c(&config)
	}
	if config.Wallet == nil {
		config.Wallet = walletOf(t, config.Self, someTrust())
	}
	m := NewMux(config)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func TestCallsReachTheOtherNode(t *testing.T) {
	var w town
	a, b := w.mux(t, "a"), w.mux(t, "b")
	heard := make(chan string, 1)
	go func() {
		conn, err := b.Calls().Accept()
		if err != nil {
			heard <- err.Error()
			return
		}
		defer conn.Close()
		text, _ := io.ReadAll(conn)
		heard <- string(text)
	}()
	conn, err := a.DialCalls(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "hello b")
	conn.Close()
	if got := <-heard; got != "hello b" {
		t.Errorf("b heard %q", got)
	}
}

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		caller func(*MuxConfig)
		callee func(*MuxConfig)
		want   string
	}{
		"another cluster":    {caller: func(c *MuxConfig) { c.Self.ClusterID = "other" }, want: "another cluster"},
		"a recycled address": {callee: func(c *MuxConfig) { c.Self.Node = "z" }, want: "another node's before"},
		"a cloned disk":      {caller: func(c *MuxConfig) { c.Self.StoreID = "store of b" }, want: "one data directory"},
		"a name taken twice": {caller: func(c *MuxConfig) { c.Self.Node = "b" }, want: "two nodes call themselves b"},
		"a name that is none": {
			caller: func(c *MuxConfig) { c.Self.Node = "../etc" }, want: "does not accept this node's certificate",
		},
		"no boot id":    {caller: func(c *MuxConfig) { c.Self.BootID = "" }, want: "does not say who calls"},
		"guard says no": {callee: func(c *MuxConfig) { c.Guard = func(Identity) error { return errors.New("removed long ago") } }, want: "removed long ago"},
	} {
		t.Run(name, func(t *testing.T) {
			var w town
			var callers, callees []func(*MuxConfig)
			if test.caller != nil {
				callers = append(callers, test.caller)
			}
			if test.callee != nil {
				callees = append(callees, test.callee)
			}
			a := w.mux(t, "a", callers...)
			w.mux(t, "b", callees...)
			conn, err := a.DialCalls(t.Context(), "b")
			if err == nil {
				conn.Close()
			}
			refused := errors.Is(err, ErrRefused) || errors.Is(err, trust.ErrRefused) || errors.Is(err, trust.ErrStranger)
			if !refused || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want a refusal with %q", err, test.want)
			}
		})
	}
}

func TestNoSuchReplica(t *testing.T) {
	var w town
	a, b := w.mux(t, "a"), w.mux(t, "b")
	if _, err := a.Dial(1, "b/1/1", time.Second); !errors.Is(err, ErrRefused) {
		t.Errorf("a replica that does not run: %v", err)
	}
	l, err := b.Listen(1, "b/1/1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Listen(1, "b/1/1"); err == nil {
		t.Error("two listeners for one replica")
	}
	conn, err := a.Dial(1, "b/1/1", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l.Close()
	if _, err := a.Dial(1, "b/1/1", time.Second); !errors.Is(err, ErrRefused) {
		t.Errorf("a replica that was stopped: %v", err)
	}
	if _, err := b.Listen(1, "b/1/1"); err != nil {
		t.Errorf("a replica that is started again: %v", err)
	}
	if _, err := a.Dial(1, "c/1/1", time.Second); err == nil {
		t.Error("a node that nobody knows was reached")
	}
}

// What a stranger says is never trusted, and nobody waits for it.
func TestStrangers(t *testing.T) {
	var w town
	var out lines
	a, b := w.mux(t, "a"), w.mux(t, "b", func(c *MuxConfig) { c.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	addr, _ := w.resolve("b")
	for name, words := range map[string][]byte{
		"a browser":         []byte("GET / HTTP/1.1\r\n\r\n"),
		"another version":   append([]byte(helloMagic), 99, 99, 0, 0),
		"a huge hello":      binary.BigEndian.AppendUint16(append([]byte(helloMagic), 1, 1), 1<<16-1),
		"garbage":           append([]byte(helloMagic), 1, 1, 0, 3, 0xff, 0xff, 0xff),
		"an empty hello":    append([]byte(helloMagic), 1, 1, 0, 0),
		"nothing but zeros": bytes.Repeat([]byte{0}, 100),
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(words)
		conn.SetReadDeadline(time.Now().Add(helloTime))
		if _, err := io.ReadAll(io.LimitReader(conn, 1<<20)); errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: the connection stays open", name)
		}
		conn.Close()
	}
	for _, protocols := range [][]string{nil, {"h2"}, {string(trust.Join)}} {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
		if err != nil {
			continue // refused at once
		}
		fmt.Fprint(conn, "GET / HTTP/1.1\r\n\r\n")
		io.Copy(io.Discard, conn)
		conn.Close()
	}
	until(t, "all strangers are counted", func() bool { return b.Strangers() == 9 })
	if text := out.String(); strings.Count(text, "a connection was refused") != 1 || !strings.Contains(text, "does not speak TLS") {
		t.Errorf("the log tells of them: %s", text)
	}
	var silent []net.Conn
	for range 2 * maxStrangers {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	go func() {
		if conn, err := b.Calls().Accept(); err == nil {
			conn.Close()
		}
	}()
	conn, err := a.DialCalls(t.Context(), "b")
	if err != nil {
		t.Fatalf("%d silent strangers keep a node out: %v", len(silent), err)
	}
	conn.Close()
}

// log is a state machine that remembers what was applied.
type log struct {
	mu      sync.Mutex
	applied []string
}

func (l *log) Apply(_ uint64, commands [][]byte) []any {
	l.mu.Lock()
	defer l.mu.Unlock()
	results := make([]any, len(commands))
	for i, c := range commands {
		l.applied = append(l.applied, string(c))
		results[i] = len(l.applied)
	}
	return results
}

func (l *log) Snapshot() (io.WriterTo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.NewReader(strings.Join(l.applied, "\n")), nil
}

func (l *log) Restore(r io.Reader) error {
	all, err := io.ReadAll(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.applied = strings.Split(string(all), "\n")
	return err
}

// Three hosts agree through their peer ports, and go on when one is gone.
func TestGroupsAgreeOverThePort(t *testing.T) {
	var w town
	nodes := []cluster.NodeID{"a", "b", "c"}
	muxes := map[cluster.NodeID]*Mux{}
	for _, node := range nodes {
		muxes[node] = w.mux(t, string(node))
	}
	hosts := map[cluster.NodeID]*replica.Host{}
	for _, node := range nodes {
		host, err := replica.Open(t.Context(), replica.Config{
			Node: node, ClusterID: "c", DataGroups: 2, Founders: nodes, Network: muxes[node],
			StateMachine: func(cluster.GroupID) replica.StateMachine { return &log{} },
		})
		if err != nil {
			t.Fatal(err)
		}
		hosts[node] = host
		t.Cleanup(func() { _ = host.Close(context.WithoutCancel(t.Context())) })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	leader := propose(ctx, t, hosts, 2, "first")
	if err := hosts[leader].Close(ctx); err != nil {
		t.Fatal(err)
	}
	muxes[leader].Close()
	delete(hosts, leader)
	if next := propose(ctx, t, hosts, 2, "second"); next == leader {
		t.Errorf("%s leads although it was closed", next)
	}
}

// propose has a command committed by whoever leads the group, and tells who.
func propose(ctx context.Context, t testing.TB, hosts map[cluster.NodeID]*replica.Host, group cluster.GroupID, command string) cluster.NodeID {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for ctx.Err() == nil {
		for node, host := range hosts {
			g := host.Group(group)
			if !g.IsLeader() {
				continue
			}
			if _, err := g.Propose(ctx, []byte(command)); err == nil {
				return node
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
	t.Fatalf("%q was not committed: %v", command, ctx.Err())
	return ""
}
