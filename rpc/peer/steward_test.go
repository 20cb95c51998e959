package peer

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// keeper stands for the steward of a node: it remembers what it was asked, and
// answers what it was told to.
type keeper struct {
	asked   []any
	err     error
	report  steward.Report
	index   uint64
	outcome cluster.Outcome
	members []cluster.Member
	status  steward.Status
}

func (k *keeper) ask(what ...any) error { k.asked = what; return k.err }

func (k *keeper) Report() steward.Report { return k.report }

func (k *keeper) Perform(_ context.Context, step cluster.Step) (uint64, error) {
	return k.index, k.ask("step", step)
}

func (k *keeper) Start(_ context.Context, ref replica.Ref) error   { return k.ask("start", ref) }
func (k *keeper) Release(_ context.Context, ref replica.Ref) error { return k.ask("release", ref) }

func (k *keeper) Change(_ context.Context, c cluster.Change) (cluster.Outcome, error) {
	return k.outcome, k.ask("change", c)
}

func (k *keeper) Confirm(_ context.Context, g cluster.GroupID) (uint64, error) {
	return k.index, k.ask("confirm", g)
}

func (k *keeper) Drain(_ context.Context, n cluster.NodeID) error { return k.ask("drain", n) }

func (k *keeper) Resume(_ context.Context, n cluster.NodeID) error { return k.ask("resume", n) }

func (k *keeper) Leave(_ context.Context, n cluster.NodeID, fewer bool) error {
	return k.ask("leave", n, fewer)
}

func (k *keeper) Remove(_ context.Context, n cluster.NodeID, force, fewer bool) error {
	return k.ask("remove", n, force, fewer)
}

func (k *keeper) Transfer(_ context.Context, g cluster.GroupID, to cluster.NodeID) error {
	return k.ask("transfer", g, to)
}

func (k *keeper) Announce(_ context.Context, m cluster.Member) error { return k.ask("announce", m) }

func (k *keeper) Admit(_ context.Context, d cluster.Digest, m cluster.Member, replace bool) (cluster.Settings, []cluster.Member, error) {
	return cluster.Settings{ClusterID: "c", Groups: 4, Level: 2}, k.members, k.ask("admit", d, m, replace)
}

func (k *keeper) AddToken(_ context.Context, token cluster.Token) error {
	return k.ask("add-token", token)
}

func (k *keeper) RotateKeys(_ context.Context, authority bool) error {
	return k.ask("rotate", authority)
}

func (k *keeper) Status(context.Context) (steward.Status, error) { return k.status, k.ask("status") }

// kept serves a keeper on node "b" and returns the face that "a" has of it.
func kept(t testing.TB, k *keeper) *Client {
	var w town
	w.served(t, &double{}, func(c *ServerConfig) { c.Steward, c.Office, c.Fence = k, k, k })
	return w.caller(t)
}

func someMember(node string) cluster.Member {
	return cluster.Member{
		Node: cluster.NodeID(node), Store: "store-of-" + node, Boot: "boot-of-" + node, PeerAddr: node + ":7000", GossipAddr: "[::1]:7001",
		Zone: "rack-1", Level: 2, State: cluster.Joining,
	}
}

var (
	someReplica = cluster.Replica{Node: "c", Number: 7}
	someStep    = cluster.Step{Kind: cluster.StepPromote, Group: 3, Replica: someReplica, Index: 41}
)

// Every call brings what was asked to the other side, and back what came of it.
func TestCallsOfTheSteward(t *testing.T) {
	k := &keeper{index: 42, members: []cluster.Member{someMember("c"), someMember("d")}}
	k.members[0].State, k.members[0].Leaving = cluster.Draining, true
	c := kept(t, k)
	ctx := t.Context()
	digest, member := cluster.Digest{1, 2, 3}, someMember("d")
	change := cluster.Change{Expect: 5, AtMs: 6, Op: &cluster.Drain{Node: "c", Leave: true}}
	transfer := cluster.Step{Kind: cluster.StepTransfer, Group: 3, Replica: someReplica, To: cluster.Replica{Node: "d", Number: 1}, Index: 9}
	for name, test := range map[string]struct {
		call func() error
		want []any
	}{
		"step":      {func() error { _, err := c.Step(ctx, someStep); return err }, []any{"step", someStep}},
		"transfer":  {func() error { _, err := c.Step(ctx, transfer); return err }, []any{"step", transfer}},
		"start":     {func() error { return c.Start(ctx, replica.Ref{Group: 3, Number: 7}) }, []any{"start", replica.Ref{Group: 3, Number: 7}}},
		"release":   {func() error { return c.Release(ctx, replica.Ref{Group: 3, Number: 7}) }, []any{"release", replica.Ref{Group: 3, Number: 7}}},
		"change":    {func() error { _, err := c.Change(ctx, change); return err }, []any{"change", change}},
		"confirm":   {func() error { _, err := c.Confirm(ctx, 3); return err }, []any{"confirm", cluster.GroupID(3)}},
		"drain":     {func() error { return c.Drain(ctx, "c") }, []any{"drain", cluster.NodeID("c")}},
		"resume":    {func() error { return c.Resume(ctx, "c") }, []any{"resume", cluster.NodeID("c")}},
		"leave":     {func() error { return c.Leave(ctx, "c", true) }, []any{"leave", cluster.NodeID("c"), true}},
		"remove":    {func() error { return c.Remove(ctx, "c", true, false) }, []any{"remove", cluster.NodeID("c"), true, false}},
		"remove 2":  {func() error { return c.Remove(ctx, "c", false, true) }, []any{"remove", cluster.NodeID("c"), false, true}},
		"hand over": {func() error { return c.Transfer(ctx, 3, "c") }, []any{"transfer", cluster.GroupID(3), cluster.NodeID("c")}},
		"announce":  {func() error { return c.Announce(ctx, member) }, []any{"announce", member}},
		"admit":     {func() error { _, _, err := c.Admit(ctx, digest, member, true); return err }, []any{"admit", digest, member, true}},
		"rotate":    {func() error { return c.RotateKeys(ctx, true) }, []any{"rotate", true}},
		"add token": {func() error { return c.AddToken(ctx, cluster.Token{Digest: digest, ExpiresMs: 8}) }, []any{"add-token", cluster.Token{Digest: digest, ExpiresMs: 8}}},
	} {
		if err := test.call(); err != nil || !reflect.DeepEqual(k.asked, test.want) {
			t.Errorf("%s: asked %v, %v, want %v", name, k.asked, err, test.want)
		}
	}
	if index, _ := c.Step(ctx, someStep); index != 42 {
		t.Errorf("a step resulted in %d", index)
	}
	if index, _ := c.Confirm(ctx, 3); index != 42 {
		t.Errorf("confirmed at %d", index)
	}
	settings, members, err := c.Admit(ctx, digest, member, false)
	if err != nil || settings != (cluster.Settings{ClusterID: "c", Groups: 4, Level: 2}) || !reflect.DeepEqual(members, k.members) {
		t.Errorf("admitted to %v, %v, %v", settings, members, err)
	}
}

func TestOutcomesOfChanges(t *testing.T) {
	k := new(keeper)
	c := kept(t, k)
	for _, want := range []cluster.Outcome{
		{Status: cluster.Done, Version: 9},
		{Status: cluster.Done, Version: 9, Replica: someReplica},
		{Status: cluster.Conflict, Version: 1 << 60},
		{Status: cluster.Refused, Version: 3, Detail: "there is no node z"},
	} {
		k.outcome = want
		if got, err := c.Change(t.Context(), cluster.Change{Op: &cluster.Resume{Node: "z"}}); err != nil || got != want {
			t.Errorf("%v came as %v, %v", want, got, err)
		}
	}
	if _, err := c.Change(t.Context(), cluster.Change{}); !errors.Is(err, route.ErrInvalid) {
		t.Errorf("a change without an op: %v", err)
	}
}

func TestReports(t *testing.T) {
	k := &keeper{report: steward.Report{Node: "b", Store: "s", Boot: "t", Replicas: []steward.ReplicaReport{
		{Group: 0, Number: 1, Progress: replica.Progress{Term: 3, Leading: true, Configuration: 17, Applied: 20, Last: 21},
			Configuration: &replica.Configuration{Index: 17, Committed: true, Voters: []cluster.Replica{{Node: "a", Number: 1}, {Node: "b", Number: 1}}, Learners: []cluster.Replica{someReplica}}},
		{Group: 64, Number: 1 << 60, Progress: replica.Progress{Term: 1 << 61, Last: 5}},
	}}}
	c := kept(t, k)
	if got, err := c.Observe(t.Context()); err != nil || !reflect.DeepEqual(got, k.report) {
		t.Errorf("%+v came as %+v, %v", k.report, got, err)
	}
	for name, spoil := range map[string]func(*steward.Report){
		"another node's": func(r *steward.Report) { r.Node = "z" },
		"nobody's":       func(r *steward.Report) { r.Node = "" },
		"too many":       func(r *steward.Report) { r.Replicas = make([]steward.ReplicaReport, maxReplicas+1) },
		"a voter of no node": func(r *steward.Report) {
			r.Replicas = []steward.ReplicaReport{{Configuration: &replica.Configuration{Voters: make([]cluster.Replica, 1)}}}
		},
		"too many voters": func(r *steward.Report) {
			r.Replicas = []steward.ReplicaReport{{Configuration: &replica.Configuration{Learners: make([]cluster.Replica, maxServers+1)}}}
		},
	} {
		good := k.report
		spoil(&k.report)
		if got, err := c.Observe(t.Context()); err == nil {
			t.Errorf("%s: taken for %+v", name, got)
		}
		k.report = good
	}
}

// A status is the leader's or none.
func TestStatus(t *testing.T) {
	k := &keeper{status: steward.Status{
		Leading: true, Term: 4, At: time.UnixMilli(1_700_000_000_000), Settings: cluster.Settings{ClusterID: "c", Groups: 4, Level: 2}, Version: 8,
		Nodes: []steward.NodeStatus{{Member: someMember("c"), Health: cluster.Down, Note: "it is on fire"}},
		Held:  []cluster.Hold{{Group: 3, Why: "one node is away"}},
	}}
	c := kept(t, k)
	if got, err := c.Status(t.Context()); err != nil || !reflect.DeepEqual(got, k.status) {
		t.Errorf("%+v came as %+v, %v", k.status, got, err)
	}
	k.status.Nodes[0].Node = "a/b"
	if got, err := c.Status(t.Context()); err == nil {
		t.Errorf("a node of no name: taken for %+v", got)
	}
	k.status = steward.Status{Version: 8}
	if _, err := c.Status(t.Context()); !isNotLeader(err) {
		t.Errorf("the status of a follower: %v", err)
	}
	k.err = steward.ErrNotLeading
	if _, err := c.Status(t.Context()); !isNotLeader(err) {
		t.Errorf("a node without office: %v", err)
	}
}

func isNotLeader(err error) bool {
	hint, ok := errors.AsType[*route.NotLeaderError](err)
	return ok && hint.Group == cluster.MetaGroup && errors.Is(err, route.ErrNotExecuted)
}

// Steps cross as they are or not at all; both sides look.
func TestStepsThatAreNone(t *testing.T) {
	k := new(keeper)
	c := kept(t, k)
	for name, spoil := range map[string]func(*cluster.Step){
		"of the record":         func(s *cluster.Step) { s.Kind = cluster.StepRetarget },
		"of a node":             func(s *cluster.Step) { s.Kind = cluster.StepRelease },
		"of no kind":            func(s *cluster.Step) { s.Kind = "dance" },
		"no configuration":      func(s *cluster.Step) { s.Index = 0 },
		"no such group":         func(s *cluster.Step) { s.Group = cluster.MaxGroups + 1 },
		"no replica":            func(s *cluster.Step) { s.Replica = cluster.Replica{} },
		"no name":               func(s *cluster.Step) { s.Replica.Node = "a/b" },
		"no number":             func(s *cluster.Step) { s.Replica.Number = 0 },
		"a transfer to nobody":  func(s *cluster.Step) { s.Kind = cluster.StepTransfer },
		"a transfer to no name": func(s *cluster.Step) { s.Kind, s.To = cluster.StepTransfer, cluster.Replica{Number: 1} },
		"a promotion to":        func(s *cluster.Step) { s.To = someReplica },
	} {
		step := someStep
		spoil(&step)
		if _, err := c.Step(t.Context(), step); !errors.Is(err, route.ErrInvalid) {
			t.Errorf("%s: sent: %v", name, err)
		}
		in := wireStep(step)
		in.Origin = origin()
		got, err := peerv1.NewPeerClient(c.conn).Step(t.Context(), in)
		if err != nil || got.GetRefusal().GetReason() != peerv1.Refusal_REASON_INVALID {
			t.Errorf("%s: received: %v, %v", name, got, err)
		}
	}
	if k.asked != nil {
		t.Errorf("carried out: %v", k.asked)
	}
}

// What is malformed is not handed to the steward, whoever made it.
func TestWishesThatAreNone(t *testing.T) {
	k := new(keeper)
	c := kept(t, k)
	huge := someMember("d")
	huge.Zone = strings.Repeat("z", 1000)
	for name, err := range map[string]error{
		"drain of no node":    c.Drain(t.Context(), "a/b"),
		"leave of no node":    c.Leave(t.Context(), "", false),
		"transfer to no node": c.Transfer(t.Context(), 1, "-"),
		"announce of nobody":  c.Announce(t.Context(), cluster.Member{}),
		"a huge zone":         c.Announce(t.Context(), huge),
		"start of nothing":    c.Start(t.Context(), replica.Ref{Group: 1}),
		"release of nothing":  c.Release(t.Context(), replica.Ref{Group: 1}),
	} {
		if !errors.Is(err, route.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	raw := peerv1.NewPeerClient(c.conn)
	got, err := raw.Operate(t.Context(), &peerv1.OperateRequest{Origin: origin(), Wish: &peerv1.OperateRequest_Admit_{Admit: &peerv1.OperateRequest_Admit{Digest: []byte("short"), Member: wireMember(someMember("d"))}}})
	if err != nil || got.GetRefusal().GetReason() != peerv1.Refusal_REASON_INVALID {
		t.Errorf("a short digest: %v, %v", got, err)
	}
	got, err = raw.Operate(t.Context(), &peerv1.OperateRequest{Origin: origin()})
	if err != nil || got.GetRefusal().GetReason() != peerv1.Refusal_REASON_NOT_EXECUTED {
		t.Errorf("a wish of a newer node: %v, %v", got, err)
	}
	if k.asked != nil {
		t.Errorf("carried out: %v", k.asked)
	}
}

// errorsOf returns what an error of the steward comes as, by call.
func errorsOf(t *testing.T, c *Client) map[string]error {
	ctx := t.Context()
	_, step := c.Step(ctx, someStep)
	_, changed := c.Change(ctx, cluster.Change{Op: &cluster.Resume{Node: "c"}})
	_, confirm := c.Confirm(ctx, 3)
	_, _, admit := c.Admit(ctx, cluster.Digest{}, someMember("d"), false)
	return map[string]error{
		"step": step, "release": c.Release(ctx, replica.Ref{Group: 3, Number: 1}), "change": changed, "confirm": confirm, "admit": admit,
		"drain": c.Drain(ctx, "c"), "rotate": c.RotateKeys(ctx, false), "add token": c.AddToken(ctx, cluster.Token{}),
	}
}

// The words of the groups, of the state and of the checks are found on the other
// side, with their texts once.
func TestErrorsOfTheSteward(t *testing.T) {
	const text = "group 3: replica c/3/7"
	k := new(keeper)
	c := kept(t, k)
	for name, test := range map[string]struct{ err, is error }{
		"conflict":        {replica.ErrConflict, replica.ErrConflict},
		"refused":         {replica.ErrRefused, replica.ErrRefused},
		"behind":          {replica.ErrBehind, replica.ErrBehind},
		"unknown":         {replica.ErrUnknownOutcome, route.ErrUnknownOutcome},
		"closed":          {replica.ErrClosed, route.ErrNotExecuted},
		"overloaded":      {replica.ErrOverloaded, route.ErrOverloaded},
		"state conflict":  {cluster.ErrConflict, cluster.ErrConflict},
		"state refused":   {cluster.ErrRefused, cluster.ErrRefused},
		"route's unknown": {route.ErrUnknownOutcome, route.ErrUnknownOutcome},
	} {
		k.err = fmt.Errorf("%s: %w: reason", text, test.err)
		for call, err := range errorsOf(t, c) {
			if !errors.Is(err, test.is) || strings.Count(err.Error(), text) != 1 || strings.Count(err.Error(), "reason") != 1 || strings.Count(err.Error(), test.is.Error()) != 1 {
				t.Errorf("%s of %s came as %v", name, call, err)
			}
		}
		if _, err := c.Step(t.Context(), someStep); errors.Is(err, replica.ErrUnknownOutcome) != (test.is == route.ErrUnknownOutcome) { //nolint:errorlint // the table's own
			t.Errorf("%s of a step came as %v", name, err)
		}
	}
	for _, err := range []error{replica.ErrNotLeader, steward.ErrNotLeading, &route.NotLeaderError{Group: 3, Leader: "c", Term: 4}} {
		k.err = fmt.Errorf("%s: %w", text, err)
		for call, err := range errorsOf(t, c) {
			hint, ok := errors.AsType[*route.NotLeaderError](err)
			if call != "release" && !ok {
				t.Errorf("%v of %s came as %v", k.err, call, err)
			}
			if ok && (hint.Leader == "c") != (hint.Term == 4) {
				t.Errorf("the hint came as %v", hint)
			}
		}
		if _, err := c.Step(t.Context(), someStep); !errors.Is(err, replica.ErrNotLeader) || !errors.Is(err, route.ErrNotExecuted) {
			t.Errorf("%v of a step came as %v", k.err, err)
		}
	}
	want := &cluster.Refusal{What: "drain", Node: "c", Why: "they would lose their majority", Groups: []cluster.GroupID{0, 3, 9}}
	k.err = fmt.Errorf("wrapped: %w", want)
	for call, err := range errorsOf(t, c) {
		if got, ok := errors.AsType[*cluster.Refusal](err); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("the refusal of %s came as %v", call, err)
		}
	}
	k.err = errors.New("something secret")
	for call, err := range errorsOf(t, c) {
		if strings.Contains(err.Error(), "secret") || errors.Is(err, route.ErrUnknownOutcome) != (call != "confirm") {
			t.Errorf("unforeseen of %s came as %v", call, err)
		}
	}
}

// A node whose connection is cut may have done what it was asked; one that has
// no steward has not.
func TestStewardsOutOfReach(t *testing.T) {
	var w town
	w.served(t, &double{})
	for call, err := range errorsOf(t, w.caller(t)) {
		if !errors.Is(err, route.ErrNotExecuted) || errors.Is(err, replica.ErrUnknownOutcome) {
			t.Errorf("%s of a node without a steward: %v", call, err)
		}
	}
	reached := make(chan struct{})
	var cut town
	stop := cut.served(t, &double{}, func(c *ServerConfig) { c.Steward = &hanging{keeper{}, reached} })
	c := cut.caller(t)
	go func() {
		<-reached
		stop()
	}()
	if _, err := c.Step(t.Context(), someStep); !errors.Is(err, replica.ErrUnknownOutcome) || !errors.Is(err, route.ErrUnknownOutcome) {
		t.Errorf("cut after the request: %v", err)
	}
	if _, err := c.Step(t.Context(), someStep); !errors.Is(err, route.ErrNotExecuted) || errors.Is(err, replica.ErrUnknownOutcome) {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := c.Observe(t.Context()); !errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := c.Status(t.Context()); !errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("nobody there: %v", err)
	}
}

// hanging takes steps and never answers.
type hanging struct {
	keeper
	reached chan struct{}
}

func (h *hanging) Perform(ctx context.Context, _ cluster.Step) (uint64, error) {
	close(h.reached)
	<-ctx.Done()
	return 0, ctx.Err()
}

// A pool is the peers of a steward.
func TestPoolIsPeers(t *testing.T) {
	k := &keeper{index: 5, report: steward.Report{Node: "b", Store: "s", Boot: "t"}}
	var w town
	w.served(t, &double{}, func(c *ServerConfig) { c.Steward = k })
	m := w.mux(t, "a")
	var peers steward.Peers = w.through(t, m, m.DialCalls)
	if got, err := peers.Observe(t.Context(), "b"); err != nil || got.Boot != "t" {
		t.Errorf("observed %v, %v", got, err)
	}
	if index, err := peers.Step(t.Context(), "b", someStep); err != nil || index != 5 {
		t.Errorf("step: %d, %v", index, err)
	}
	if err := peers.Release(t.Context(), "b", replica.Ref{Group: 1, Number: 2}); err != nil {
		t.Errorf("release: %v", err)
	}
}
