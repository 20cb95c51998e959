package node

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	controlpb "github.com/mayfly-broker/mayfly/proto/control"

	"github.com/mayfly-broker/mayfly/cluster"
)

func TestNotice(t *testing.T) {
	var told []bool
	var n notice
	n.announce(func(ready bool) { told = append(told, ready) })
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	n.give(draining("drained"), at(1))
	n.give(draining("leaves"), at(2))
	if why, _ := n.given(); why.Detail != "leaves" {
		t.Errorf("the last reason is %q", why)
	}
	n.withdraw()
	if why, given := n.given(); given {
		t.Errorf("withdrawn, and yet %q", why)
	}
	n.give(draining("drained"), at(3))
	if since := n.end(draining("stops"), at(4)); since != at(3) {
		t.Errorf("notice is given since %v, want that of the first reason", since)
	}
	n.withdraw()
	n.give(draining("drained"), at(5))
	if why, _ := n.given(); why.Detail != "stops" {
		t.Errorf("a notice for good became %q", why)
	}
	if !slices.Equal(told, []bool{true, false, true, false}) {
		t.Errorf("told ready: %v", told)
	}
}

func TestOwnGrace(t *testing.T) {
	config := small(t)
	config.StopGrace = 0
	alone, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		given  time.Duration
		listen string
		want   time.Duration
	}{
		{OwnGrace, "127.0.0.1:0", 0},
		{OwnGrace, "0.0.0.0:0", 0}, // there is nobody else to send clients to
		{0, "127.0.0.1:0", 0},
		{time.Minute, "127.0.0.1:0", time.Minute},
	} {
		// The configuration of a node that runs is read by all it does.
		n := &Node{config: config, local: alone.local}
		n.config.StopGrace, n.config.Listen = c.given, c.listen
		if got := n.grace(); got != c.want {
			t.Errorf("alone, listening on %s, told %v: %v, want %v", c.listen, c.given, got, c.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := alone.Run(ended); err != nil {
		t.Error(err)
	}
	n := &Node{config: small(t)}
	n.config.StopGrace, n.config.Listen = -2, "0.0.0.0:0"
	if err := n.config.Validate(); err == nil || !strings.Contains(err.Error(), "stop-grace") {
		t.Errorf("a grace below nothing: %v", err)
	}
}

// readiness waits until GET /readyz answers with that status, and returns what it
// says then.
func (m *member) readiness(t *testing.T, status int) (says string) {
	t.Helper()
	within(t, "/readyz to answer "+http.StatusText(status), func() bool {
		var got int
		got, says = get(t, m.conn, "/readyz", "")
		return got == status
	})
	return says
}

// serves requires that a node takes a new connection and answers on it, and
// returns what its health service says.
func (m *member) serves(t *testing.T) grpc_health_v1.HealthCheckResponse_ServingStatus {
	t.Helper()
	conn := dial(t, m.node.Addr())
	if err := list(t.Context(), conn); err != nil {
		t.Errorf("%s does not serve: %v", m.config.Name, err)
	}
	health, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Errorf("the health of %s: %v", m.config.Name, err)
	}
	return health.GetStatus()
}

// record has the cluster agree on something, whatever its steward thinks of it.
func record(t *testing.T, all []*member, op cluster.Op) {
	t.Helper()
	within(t, "the change to be on record", func() bool {
		return slices.ContainsFunc(all, func(m *member) bool {
			change := cluster.Change{Op: op}
			m.node.local.Read(func(s *cluster.State) { change.Expect = s.Version() })
			outcome, err := m.node.local.Propose(t.Context(), change)
			return err == nil && outcome.Err() == nil
		})
	})
}

// A node that is to go says so, leads nothing any more, and serves on; whoever
// sends clients to it has all the time it was given to look.
func TestNodesThatAreToldToGo(t *testing.T) {
	const (
		comes = grpc_health_v1.HealthCheckResponse_SERVING
		goes  = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	)
	var log safeLog
	all := founders(t, 3, &log)
	for _, m := range all[1:] {
		m.config.StopGrace = time.Hour
	}
	startAll(t, all)
	defer func() { // nobody waits that long
		for _, m := range all[1:] {
			m.cancel()
			m.readiness(t, http.StatusServiceUnavailable)
			m.node.end(ErrLeft)
		}
	}()
	if _, err := controlpb.NewScsControlClient(all[0].conn).CreateCache(t.Context(), &controlpb.CreateCacheRequest{CacheName: "story"}); err != nil {
		t.Fatal(err)
	}
	a, b := all[0], all[1]
	record(t, all, &cluster.Drain{Node: "a"}) // without the ten seconds in which replicas prove themselves
	if says := a.readiness(t, http.StatusServiceUnavailable); !strings.Contains(says, "draining: this node was drained") {
		t.Errorf("a drained node says %q", says)
	}
	if health := a.serves(t); health != goes {
		t.Errorf("the health of a drained node is %v", health)
	}
	a.push(t, "list", "through a drained node")
	a.stop(t)
	startAll(t, all[:1])
	a.readiness(t, http.StatusOK) // the drain was for the stop that is over
	if health := a.serves(t); health != comes {
		t.Errorf("the health of a restarted node is %v", health)
	}
	state := func() (s cluster.MemberState) {
		a.node.local.Read(func(record *cluster.State) { m, _ := record.Member("a"); s = m.State })
		return s
	}
	if got := state(); got != cluster.Draining {
		t.Errorf("a is %s on record after its restart", got)
	}
	if err := (office{b.node}).Resume(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	within(t, "a to be active", func() bool { return state() == cluster.Active })

	if len(b.node.host.LeadingGroups()) == 0 {
		b = all[2] // one of them leads, since a was drained
	}
	b.cancel()
	if says := b.readiness(t, http.StatusServiceUnavailable); !strings.Contains(says, "draining: this node is stopping") {
		t.Errorf("a node that stops says %q", says)
	}
	within(t, b.config.Name+" to lead nothing", func() bool { return len(b.node.host.LeadingGroups()) == 0 })
	if health := b.serves(t); health != goes {
		t.Errorf("the health of a node that stops is %v", health)
	}
	b.push(t, "list", "through a node that stops")
	select {
	case err := <-b.ended:
		t.Errorf("it ended before its hour was over: %v", err)
	default:
	}
}
