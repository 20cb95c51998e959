package cli

import (
	"context"
	"embed"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	clusterpb "github.com/mayfly-broker/mayfly/proto/cluster/v1"
)

// asked is when the nodes of the example were asked, in milliseconds.
const asked = 1_700_000_000_000

func replicaOn(node string, number uint64) *clusterpb.Replica {
	return &clusterpb.Replica{Node: node, Number: number}
}

func voter(node string, applied, lag uint64) *clusterpb.GroupReplica {
	return &clusterpb.GroupReplica{
		Replica: replicaOn(node, 1), Role: clusterpb.Role_ROLE_VOTER, Answered: true,
		Progress: clusterpb.Progress_PROGRESS_CAUGHT_UP, Applied: applied, Lag: lag,
	}
}

// three is a cluster of three nodes, one of which leaves and one of which is
// down.
func three() *clusterpb.Status {
	learner := &clusterpb.GroupReplica{Replica: replicaOn("b", 4), Role: clusterpb.Role_ROLE_LEARNER}
	return &clusterpb.Status{
		Leading: true, Term: 3, AtMs: asked, ClusterId: "c1", DataGroups: 2, Level: 1, Version: 90, PlacementVersion: 88,
		Nodes: []*clusterpb.Node{
			{Node: "a", PeerAddr: "10.0.0.1:7600", State: "active", Health: clusterpb.Health_HEALTH_LIVE, HeardMs: asked, Zone: "z1", Replicas: 3, Leaders: 2},
			{Node: "b", PeerAddr: "10.0.0.2:7600", State: "draining", Leaving: true, Health: clusterpb.Health_HEALTH_LIVE, HeardMs: asked - 2000, Replicas: 3, Retired: 1, Leaders: 1},
			{Node: "c", PeerAddr: "10.0.0.3:7600", State: "active", Health: clusterpb.Health_HEALTH_DOWN, Replicas: 1, Note: "silent"},
		},
		Groups: []*clusterpb.Group{
			{Group: 0, Leader: replicaOn("a", 1), Term: 3, Applied: 40, Last: 40, Replicas: []*clusterpb.GroupReplica{voter("a", 40, 0), voter("b", 40, 0), {Replica: replicaOn("c", 1), Role: clusterpb.Role_ROLE_VOTER, Lost: true}}},
			{Group: 1, Leader: replicaOn("b", 1), Term: 5, Applied: 9, Last: 9, Moving: true, Replicas: []*clusterpb.GroupReplica{voter("a", 8, 1), voter("b", 9, 0)},
				Step: &clusterpb.Step{Kind: "transfer", Group: 1, Replica: replicaOn("b", 1), To: replicaOn("a", 1)}},
			{Group: 2, Moving: true, Replicas: []*clusterpb.GroupReplica{voter("a", 8, 0), learner}},
		},
		Held:     []*clusterpb.Hold{{Group: 1, Why: "one node is away"}, {Group: 2, Why: "one node is away"}},
		Rotation: &clusterpb.Rotation{Serial: 4, Stage: "spreading", Authority: true, Waiting: []string{"c"}},
	}
}

//go:embed testdata/cluster
var goldens embed.FS

// golden is what a command must print.
func golden(name string) string {
	raw, err := goldens.ReadFile("testdata/cluster/" + name)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// headless is what a node knows by itself.
func headless() *clusterpb.Status {
	return &clusterpb.Status{ClusterId: "c1", Nodes: []*clusterpb.Node{{Node: "a", PeerAddr: "a:1", State: "active"}}}
}

// clusterExchanges are the exchanges about a cluster.
func clusterExchanges() []exchange {
	status := func(st *clusterpb.Status) proto.Message { return &adminpb.ClusterStatusResponse{Status: st} }
	ask := &adminpb.ClusterStatusRequest{}
	return []exchange{
		{name: "list nodes", args: "node|list", method: "ClusterStatus", request: ask, answer: status(three()), table: golden("node-list.txt"), json: golden("node-list.json")},
		{name: "status of nodes", args: "node|status", method: "ClusterStatus", request: ask, answer: status(three()), table: golden("nodes.txt"), json: golden("nodes.json")},
		{name: "status of a node", args: "node|status|b", method: "ClusterStatus", request: ask, answer: status(three()), table: golden("node.txt"), json: golden("node.json")},
		{name: "status of a cluster", args: "cluster|status", method: "ClusterStatus", request: ask, answer: status(three()), table: golden("cluster.txt"), json: golden("cluster.json")},
		{
			name: "resume", args: "node|resume|b", method: "ResumeNode", request: &adminpb.ResumeNodeRequest{Node: "b"}, answer: &adminpb.ResumeNodeResponse{},
			table: "node b is active again\n", json: "{\n  \"node\": \"b\",\n  \"done\": \"resumed\"\n}\n",
		},
		{
			name: "remove", args: "node|remove|b|--force|--fewer", method: "RemoveNode",
			request: &adminpb.RemoveNodeRequest{Node: "b", Force: true, Fewer: true}, answer: &adminpb.RemoveNodeResponse{},
			table: "removed node b; its replicas are made anew on others where there is room\n", json: "{\n  \"node\": \"b\",\n  \"done\": \"removed\"\n}\n",
		},
		{
			name: "transfer", args: "node|transfer-leader|3|b", method: "TransferLeadership",
			request: &adminpb.TransferLeadershipRequest{Group: 3, To: "b"}, answer: &adminpb.TransferLeadershipResponse{},
			table: "node b leads group 3\n", json: "{\n  \"group\": \"3\",\n  \"leader\": \"b\"\n}\n",
		},
		{
			name: "transfer of meta", args: "node|transfer-leader|meta|b", method: "TransferLeadership",
			request: &adminpb.TransferLeadershipRequest{To: "b"}, answer: &adminpb.TransferLeadershipResponse{},
			table: "node b leads group meta\n", json: "{\n  \"group\": \"meta\",\n  \"leader\": \"b\"\n}\n",
		},
		{
			name: "join", args: "node|join|--seed|a:1,b:2|--seed|c:3|--token|T|--replace", method: "JoinCluster",
			request: &adminpb.JoinClusterRequest{Seeds: []string{"a:1", "b:2", "c:3"}, Token: "T", Replace: true}, answer: &adminpb.JoinClusterResponse{},
			table: "the node at 127.0.0.1:8080 has joined; `mayfly node status` shows how it gets its replicas\n",
			json:  "{\n  \"server\": \"127.0.0.1:8080\",\n  \"done\": \"joined\"\n}\n",
		},
	}
}

// script answers calls by their names, one after the other, and the last of a
// name for ever.
func script(answers map[string][]proto.Message) func(string, proto.Message, string) (proto.Message, error) {
	return func(method string, _ proto.Message, _ string) (proto.Message, error) {
		list := answers[method]
		if len(list) == 0 {
			return nil, nil
		}
		if len(list) > 1 {
			answers[method] = list[1:]
		}
		return list[0], nil
	}
}

func statusOf(change func(*clusterpb.Status)) proto.Message {
	st := three()
	change(st)
	return &adminpb.ClusterStatusResponse{Status: st}
}

func TestJoinToken(t *testing.T) {
	answers := func() map[string][]proto.Message {
		return map[string][]proto.Message{
			"ClusterStatus":   {&adminpb.ClusterStatusResponse{Status: three()}},
			"CreateJoinToken": {&adminpb.CreateJoinTokenResponse{Token: "TTT", ValidUntil: 1800000000}},
		}
	}
	for args, want := range map[string]struct {
		seconds uint64
		command string
	}{
		"cluster|join-token":               {3600, "mayfly server --join 10.0.0.1:7600,10.0.0.2:7600 --join-token TTT"},
		"cluster|join-token|--valid|10m":   {600, "mayfly server --join 10.0.0.1:7600,10.0.0.2:7600 --join-token TTT"},
		"node|replace|c":                   {3600, "mayfly server --node-name c --join 10.0.0.1:7600,10.0.0.2:7600 --join-token TTT --replace"},
		"node|replace|c|--valid|1d|-ojson": {86400, "mayfly server --node-name c --join 10.0.0.1:7600,10.0.0.2:7600 --join-token TTT --replace"},
	} {
		b := (&broker{answer: script(answers())}).start(t)
		got := invocation{broker: b}.run(t, strings.Split(args, "|")...)
		calls := b.took()
		if got.code != ExitOK || !strings.Contains(got.stdout, want.command) || !strings.Contains(got.stdout, "2027-01-15") {
			t.Errorf("%s: %+v", args, got)
		}
		if len(calls) != 2 || !proto.Equal(calls[1].request, &adminpb.CreateJoinTokenRequest{ValidForSeconds: want.seconds}) {
			t.Errorf("%s: asked %v", args, calls)
		}
	}
}

// A disk is not given up while it is used, nor that of a stranger.
func TestReplaceRefused(t *testing.T) {
	for node, want := range map[string]string{"a": "node a is live", "z": "there is no node z in the cluster; there are: a, b, c"} {
		b := (&broker{answer: always(&adminpb.ClusterStatusResponse{Status: three()})}).start(t)
		got := invocation{broker: b}.run(t, "node", "replace", node)
		if calls := b.took(); got.code != ExitFailure || !strings.Contains(got.stderr, want) || len(calls) != 1 {
			t.Errorf("%+v after %v", got, calls)
		}
	}
}

func TestLeaveWaitsUntilTheNodeIsGone(t *testing.T) {
	b := (&broker{answer: script(map[string][]proto.Message{
		"LeaveNode": {&adminpb.LeaveNodeResponse{}},
		"ClusterStatus": {
			statusOf(func(*clusterpb.Status) {}),
			&adminpb.ClusterStatusResponse{Status: headless()}, // an election; nothing is known for a moment
			statusOf(func(st *clusterpb.Status) { st.Nodes[1].Replicas, st.Held = 1, nil }),
			statusOf(func(st *clusterpb.Status) { st.Nodes[1].Replicas, st.Nodes[1].Retired, st.Held = 0, 0, nil }),
			statusOf(func(st *clusterpb.Status) { st.Nodes = st.Nodes[:1] }),
		},
	})}).start(t)
	got := invocation{broker: b}.run(t, "node", "leave", "b", "--fewer")
	want := "0 of 4 replicas moved; waiting: one node is away\n2 of 4 replicas moved\n4 of 4 replicas moved\n"
	if got.code != ExitOK || got.stderr != want || !strings.Contains(got.stdout, "node b has left") {
		t.Errorf("%+v", got)
	}
	if calls := b.took(); !proto.Equal(calls[0].request, &adminpb.LeaveNodeRequest{Node: "b", Fewer: true}) || len(calls) != 6 {
		t.Errorf("asked %v", calls)
	}
}

func TestDrainWaitsUntilNothingIsLed(t *testing.T) {
	b := (&broker{answer: script(map[string][]proto.Message{
		"DrainNode": {&adminpb.DrainNodeResponse{}},
		"ClusterStatus": {
			statusOf(func(st *clusterpb.Status) { st.Held = nil }),
			statusOf(func(st *clusterpb.Status) { st.Nodes[1].Leaders = 0 }),
		},
	})}).start(t)
	got := invocation{broker: b}.run(t, "node", "drain", "b", "-ojson")
	if got.code != ExitOK || got.stderr != "0 of 1 leaderships moved\n1 of 1 leaderships moved\n" || got.stdout != "{\n  \"node\": \"b\",\n  \"done\": \"drained\"\n}\n" {
		t.Errorf("%+v", got)
	}
}

// A rotation is watched until it is done, over an election too.
func TestRotationIsWatched(t *testing.T) {
	at := func(serial uint64, stage string, waiting ...string) proto.Message {
		return statusOf(func(st *clusterpb.Status) {
			st.Rotation = &clusterpb.Rotation{Serial: serial, Stage: stage, Waiting: waiting}
		})
	}
	b := (&broker{answer: script(map[string][]proto.Message{
		"RotateKeys": {&adminpb.RotateKeysResponse{}},
		"ClusterStatus": {
			at(4, ""), at(4, ""), at(5, "spreading", "b", "c"), at(5, "spreading", "b", "c"),
			&adminpb.ClusterStatusResponse{Status: headless()}, at(6, "switching"), at(7, "", "c"), at(7, ""),
		},
	})}).start(t)
	got := invocation{broker: b}.run(t, "cluster", "rotate-key", "--authority", "-ojson")
	want := "settled\nrotating, spreading; waiting for b, c\nrotating, switching\nsettled; waiting for c\n"
	if got.code != ExitOK || got.stderr != want || !strings.Contains(got.stdout, `"serial": 7`) {
		t.Errorf("%+v", got)
	}
	if calls := b.took(); !proto.Equal(calls[1].request, &adminpb.RotateKeysRequest{Authority: true}) || len(calls) != 9 {
		t.Errorf("asked %v", calls)
	}
	b = (&broker{answer: fails(codes.FailedPrecondition, "a rotation of keys is spreading")}).start(t)
	if got := (invocation{broker: b}).run(t, "cluster", "rotate-key"); got.code != ExitFailure || !strings.Contains(got.stderr, "is spreading") {
		t.Errorf("while another is under way: %+v", got)
	}
}

// Who stops watching is told that the work goes on.
func TestInterruptedLeaveGoesOn(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	b := &broker{}
	looks := 0
	b.answer = func(method string, _ proto.Message, _ string) (proto.Message, error) {
		if method == "LeaveNode" {
			return &adminpb.LeaveNodeResponse{}, nil
		}
		if looks++; looks == 2 {
			interrupt()
		}
		return statusOf(func(*clusterpb.Status) {}), nil
	}
	got := invocation{broker: b.start(t)}.runContext(ctx, "node", "leave", "b")
	if got.code != ExitFailure || !strings.Contains(got.stderr, "interrupted: node b goes on leaving; `mayfly node status b` shows how far it is, `mayfly node resume b` takes it back") {
		t.Errorf("%+v", got)
	}
}

// A node that is asked how it leaves itself ends before it can say that it has
// left.
func TestLeavingNodeIsAskedItself(t *testing.T) {
	b := &broker{}
	looks := 0
	b.answer = func(method string, request proto.Message, credential string) (proto.Message, error) {
		if method == "LeaveNode" {
			return &adminpb.LeaveNodeResponse{}, nil
		}
		if looks++; looks > 2 {
			return fails(codes.Unavailable, "stopping")(method, request, credential)
		}
		return statusOf(func(st *clusterpb.Status) { st.Nodes[1].Replicas, st.Nodes[1].Retired, st.Held = 1, 0, nil }), nil
	}
	got := invocation{broker: b.start(t)}.run(t, "node", "leave", "b")
	if got.code != ExitOK || !strings.Contains(got.stderr, "It had given everything away") || !strings.Contains(got.stdout, "node b has left") {
		t.Errorf("%+v", got)
	}
}

// What the cluster refuses is shown with its groups, and nothing is waited for.
func TestRefusedWishes(t *testing.T) {
	const why = "leave of node b refused: they have no majority (groups meta, 3)"
	for _, args := range []string{"node|leave|b", "node|drain|b", "node|remove|b|--force", "node|transfer-leader|3|b"} {
		b := (&broker{answer: fails(codes.FailedPrecondition, why)}).start(t)
		got := invocation{broker: b}.run(t, strings.Split(args, "|")...)
		if calls := b.took(); got.code != ExitFailure || !strings.Contains(got.stderr, "refused: "+why) || len(calls) != 1 {
			t.Errorf("%s: %+v after %v", args, got, calls)
		}
	}
}

func TestWaitingEndsWhenItIsPointless(t *testing.T) {
	b := &broker{}
	b.answer = func(method string, request proto.Message, credential string) (proto.Message, error) {
		if method == "LeaveNode" {
			return &adminpb.LeaveNodeResponse{}, nil
		}
		return fails(codes.PermissionDenied, "no")(method, request, credential)
	}
	got := invocation{broker: b.start(t)}.run(t, "node", "leave", "b")
	if got.code != ExitFailure || !strings.Contains(got.stderr, "not allowed") || !strings.Contains(got.stderr, "ask another one with --server") {
		t.Errorf("%+v", got)
	}
}

func TestStatusWithoutLeaderSaysSo(t *testing.T) {
	for _, args := range []string{"node|list", "node|status", "node|status|a", "cluster|status"} {
		b := (&broker{answer: always(&adminpb.ClusterStatusResponse{Status: headless()})}).start(t)
		got := invocation{broker: b}.run(t, strings.Split(args, "|")...)
		if got.code != ExitOK || !strings.Contains(got.stderr, "No node that leads the meta group answers.") || !strings.Contains(got.stdout, "suspect") && args != "cluster|status" {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func TestClusterUsage(t *testing.T) {
	b := (&broker{answer: fails(codes.Internal, "not to be asked")}).start(t)
	for args, want := range map[string]string{
		"node|join|--token|t":           "--seed is missing",
		"node|join|--seed|a:1":          "--token is missing",
		"node|transfer-leader|x|b":      "GROUP is \"x\"",
		"node|transfer-leader|0|b":      "GROUP is \"0\"",
		"node|transfer-leader|3":        "NODE is missing",
		"node|leave":                    "NODE is missing",
		"cluster|join-token|--valid|x":  "--valid",
		"cluster|join-token|--valid|1x": "--valid",
	} {
		got := invocation{broker: b}.run(t, strings.Split(args, "|")...)
		if got.code != ExitUsage || !strings.Contains(got.stderr, want) || len(b.took()) != 0 {
			t.Errorf("%s: %+v", args, got)
		}
	}
}
