package api

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	"github.com/mayfly-broker/mayfly/rpc/convert"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// fleet stands for a cluster: it remembers what it was asked, and answers what
// it was told to.
type fleet struct {
	asked  []any
	err    error
	status steward.Status
}

func (f *fleet) ask(what ...any) error { f.asked = what; return f.err }

func (f *fleet) Status(context.Context) (steward.Status, error)          { return f.status, f.ask("status") }
func (f *fleet) Drain(_ context.Context, n cluster.NodeID) error         { return f.ask("drain", n) }
func (f *fleet) Resume(_ context.Context, n cluster.NodeID) error        { return f.ask("resume", n) }
func (f *fleet) Leave(_ context.Context, n cluster.NodeID, b bool) error { return f.ask("leave", n, b) }

func (f *fleet) Remove(_ context.Context, n cluster.NodeID, force, fewer bool) error {
	return f.ask("remove", n, force, fewer)
}

func (f *fleet) Transfer(_ context.Context, g cluster.GroupID, to cluster.NodeID) error {
	return f.ask("transfer", g, to)
}

func (f *fleet) JoinToken(_ context.Context, valid time.Duration) (string, time.Time, error) {
	return "the-token", time.Unix(1_700_000_000, 0), f.ask("token", valid)
}

func (f *fleet) RotateKeys(_ context.Context, authority bool) error {
	return f.ask("rotate", authority)
}

func (f *fleet) Join(_ context.Context, seeds []string, token string, replace bool) error {
	return f.ask("join", seeds, token, replace)
}

// wishes are the calls about a cluster, and what they ask of it.
var wishes = map[string]struct {
	call func(context.Context, adminv1.AdminClient) error
	want []any
}{
	"status": {func(ctx context.Context, c adminv1.AdminClient) error {
		return second(c.ClusterStatus(ctx, &adminv1.ClusterStatusRequest{}))
	}, []any{"status"}},
	"drain": {func(ctx context.Context, c adminv1.AdminClient) error {
		return second(c.DrainNode(ctx, &adminv1.DrainNodeRequest{Node: "a"}))
	}, []any{"drain", cluster.NodeID("a")}},
	"resume": {func(ctx context.Context, c adminv1.AdminClient) error {
		return second(c.ResumeNode(ctx, &adminv1.ResumeNodeRequest{Node: "a"}))
	}, []any{"resume", cluster.NodeID("a")}},
	"leave": {func(ctx context.Context, c adminv1.AdminClient) error {
		return second(c.LeaveNode(ctx, &adminv1.LeaveNodeRequest{Node: "a", Fewer: true}))
	}, []any{"leave", cluster.NodeID("a"), true}},
	"remove": {func(ctx context.Context, c adminv1.AdminClient) error {
		return second(c.RemoveNode(ctx, &adminv1.RemoveNodeRequest{Node: "a", Force: true}))
	}, []any{"remove", cluster.NodeID("a"), true, false}},
	"transfer": {func(ctx context.Context, c adminv1.AdminClient) error {
		return second(c.TransferLeadership(ctx, &adminv1.TransferLeadershipRequest{Group: 3, To: "a"}))
	}, []any{"transfer", cluster.GroupID(3), cluster.NodeID("a")}},
	"token": {func(ctx context.Context, c adminv1.AdminClient) error {
		return second(c.CreateJoinToken(ctx, &adminv1.CreateJoinTokenRequest{ValidForSeconds: 90}))
	}, []any{"token", 90 * time.Second}},
	"token of the usual life": {func(ctx context.Context, c adminv1.AdminClient) error {
		return second(c.CreateJoinToken(ctx, &adminv1.CreateJoinTokenRequest{}))
	}, []any{"token", time.Hour}},
	"rotate": {func(ctx context.Context, c adminv1.AdminClient) error {
		return second(c.RotateKeys(ctx, &adminv1.RotateKeysRequest{Authority: true}))
	}, []any{"rotate", true}},
	"join": {func(ctx context.Context, c adminv1.AdminClient) error {
		return second(c.JoinCluster(ctx, &adminv1.JoinClusterRequest{Seeds: []string{"a:1", "[::1]:2"}, Token: "t", Replace: true}))
	}, []any{"join", []string{"a:1", "[::1]:2"}, "t", true}},
}

func TestWishesOfOperators(t *testing.T) {
	f := &fleet{status: steward.Status{Leading: true, Term: 3, Held: []cluster.Hold{{Group: 2, Why: "wait"}}}}
	w := newWorld(t, settings{cluster: f})
	for name, wish := range wishes {
		if err := wish.call(t.Context(), w.admin); err != nil || !reflect.DeepEqual(f.asked, wish.want) {
			t.Errorf("%s: asked %v, %v, want %v", name, f.asked, err, wish.want)
		}
	}
	st := ok[*adminv1.ClusterStatusResponse](t)(w.admin.ClusterStatus(t.Context(), &adminv1.ClusterStatusRequest{}))
	if !proto.Equal(st.GetStatus(), convert.Status(f.status)) {
		t.Errorf("the status came as %v", st)
	}
	token := ok[*adminv1.CreateJoinTokenResponse](t)(w.admin.CreateJoinToken(t.Context(), &adminv1.CreateJoinTokenRequest{}))
	if token.GetToken() != "the-token" || token.GetValidUntil() != 1_700_000_000 {
		t.Errorf("the token came as %v", token)
	}
}

// Only the admin credential, or a super user's key, moves nodes.
func TestWishesNeedTheAdmin(t *testing.T) {
	f := new(fleet)
	w := newWorld(t, settings{cluster: f, secured: true})
	key, _ := w.key(t, anyItem())
	for name, wish := range wishes {
		wants(t, wish.call(t.Context(), w.admin), codes.Unauthenticated)
		wants(t, wish.call(in(t.Context(), "authorization", key), w.admin), codes.PermissionDenied)
		if f.asked != nil {
			t.Fatalf("%s was asked of the cluster", name)
		}
		wants(t, wish.call(in(t.Context(), "authorization", w.rootText(t)), w.admin), codes.OK)
		f.asked = nil
	}
}

// What is refused is told whole; what to do next is in it.
func TestWishesRefused(t *testing.T) {
	f := new(fleet)
	w := newWorld(t, settings{cluster: f})
	for name, test := range map[string]struct {
		err  error
		code codes.Code
		text string
	}{
		"harm":         {&cluster.Refusal{What: "leave", Node: "a", Why: "it would lose data", Groups: []cluster.GroupID{0, 3}}, codes.FailedPrecondition, "leave of node a refused: it would lose data (groups meta, 3)"},
		"rules":        {fmt.Errorf("%w: node a is joining", cluster.ErrRefused), codes.FailedPrecondition, "node a is joining"},
		"conflict":     {cluster.ErrConflict, codes.Unavailable, "try again"},
		"headless":     {&route.NotLeaderError{}, codes.Unavailable, "no node that leads the meta group answers"},
		"not leading":  {steward.ErrNotLeading, codes.Unavailable, "no node that leads the meta group answers"},
		"unknown":      {route.ErrUnknownOutcome, codes.Aborted, "look before you repeat it"},
		"group's word": {fmt.Errorf("%w: it leads already", replica.ErrRefused), codes.FailedPrecondition, "it leads already"},
		"bug":          {errors.New("disk on fire"), codes.Internal, "internal error"},
	} {
		f.err = fmt.Errorf("on the way: %w", test.err)
		for call, wish := range wishes {
			err := wish.call(t.Context(), w.admin)
			if status.Code(err) != test.code || !strings.Contains(status.Convert(err).Message(), test.text) {
				t.Errorf("%s of %s: %v", name, call, err)
			}
		}
	}
}

// What is malformed does not reach the cluster.
func TestWishesThatAreNone(t *testing.T) {
	f := new(fleet)
	w := newWorld(t, settings{cluster: f})
	ctx, c := t.Context(), w.admin
	join := func(seeds []string, token string) error {
		return second(c.JoinCluster(ctx, &adminv1.JoinClusterRequest{Seeds: seeds, Token: token}))
	}
	for name, err := range map[string]error{
		"drain of nobody":       second(c.DrainNode(ctx, &adminv1.DrainNodeRequest{})),
		"resume of no name":     second(c.ResumeNode(ctx, &adminv1.ResumeNodeRequest{Node: "a/b"})),
		"leave of no name":      second(c.LeaveNode(ctx, &adminv1.LeaveNodeRequest{Node: strings.Repeat("x", 64)})),
		"removal of no name":    second(c.RemoveNode(ctx, &adminv1.RemoveNodeRequest{Node: "-a"})),
		"transfer to nobody":    second(c.TransferLeadership(ctx, &adminv1.TransferLeadershipRequest{Group: 1})),
		"transfer of no group":  second(c.TransferLeadership(ctx, &adminv1.TransferLeadershipRequest{Group: cluster.MaxGroups + 1, To: "a"})),
		"a token for ever":      second(c.CreateJoinToken(ctx, &adminv1.CreateJoinTokenRequest{ValidForSeconds: 1 << 63})),
		"join of nothing":       join(nil, "t"),
		"join without token":    join([]string{"a:1"}, ""),
		"join with a novel":     join([]string{"a:1"}, strings.Repeat("x", maxToken+1)),
		"join of too many":      join(make([]string, cluster.MaxMembers+1), "t"),
		"join of no port":       join([]string{"a"}, "t"),
		"join of no such port":  join([]string{"a:1", "a:70000"}, "t"),
		"join of no host":       join([]string{":1"}, "t"),
		"join of a long host":   join([]string{strings.Repeat("x", 300) + ":1"}, "t"),
		"join of a port called": join([]string{"a:http"}, "t"),
	} {
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f.asked != nil {
		t.Errorf("asked: %v", f.asked)
	}
}

func TestWishesOfABrokerThatRunsAlone(t *testing.T) {
	w := newWorld(t, settings{})
	for name, wish := range wishes {
		err := wish.call(t.Context(), w.admin)
		if status.Code(err) != codes.FailedPrecondition || !strings.Contains(status.Convert(err).Message(), "this broker runs alone") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
