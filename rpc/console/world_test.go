package console

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/usage"
)

// keyless is a cluster that has no keys; secured says whether it wants one.
type keyless struct{ secured bool }

func (keyless) CurrentSigningKey() (auth.SigningKey, bool) { return auth.SigningKey{}, false }
func (keyless) SigningKey(string) (auth.SigningKey, bool)  { return auth.SigningKey{}, false }
func (keyless) APIKey(string) (auth.APIKey, bool)          { return auth.APIKey{}, false }
func (keyless) TokenDenial(string) auth.Denial             { return auth.Denial{} }
func (k keyless) Secured() bool                            { return k.secured }
func (keyless) Revision() uint64                           { return 0 }

// broker answers what it was told to, and remembers what it was asked.
type broker struct {
	status  steward.Status
	err     error
	topic   Topic
	looked  []string
	usage   map[string][]usage.Sample
	missing map[string]bool
}

func (b *broker) Status(context.Context) (steward.Status, error) { return b.status, b.err }
func (b *broker) Versions() map[string]string                    { return map[string]string{"n1": "v1.2.3"} }
func (b *broker) Nodes() []string                                { return []string{"n1", "n2", "n3"} }

func (b *broker) Look(cache, topic string) Topic {
	b.looked = []string{cache, topic}
	return b.topic
}

func (b *broker) Usage(_ context.Context, node string) ([]usage.Sample, error) {
	if b.missing[node] {
		return nil, errors.New("down")
	}
	return b.usage[node], nil
}

// calls lets "root" operate, and lets everybody else do nothing. What it was asked
// to rehearse last stays there.
type calls struct {
	method, cache string
	message       proto.Message
	principal     auth.Principal
	identified    error
}

func (c *calls) Identify(context.Context, string) (auth.Principal, error) {
	return c.principal, c.identified
}

func (c *calls) Rehearse(_ context.Context, credential, method, cache string, message proto.Message) *status.Status {
	c.method, c.cache, c.message = method, cache, message
	switch credential {
	case "root":
		return status.New(codes.OK, "")
	case "":
		return status.New(codes.Unauthenticated, auth.ErrMissing.Error())
	default:
		return status.New(codes.PermissionDenied, "permission denied: this call needs a super user API key or the admin credential")
	}
}

func newTestConsole(t *testing.T, b *broker, c *calls, secured bool) *Console {
	t.Helper()
	v, err := auth.NewVerifier(auth.VerifierConfig{ClusterID: "test", Keys: keyless{secured}})
	if err != nil {
		t.Fatal(err)
	}
	made, err := New(Config{Version: "v1.2.3", Node: "n1", Cluster: "test", Gate: auth.NewGate(v, true), Broker: b})
	if err != nil {
		t.Fatal(err)
	}
	if c != nil {
		made.Open(c)
	}
	return made
}

// someStatus is a cluster of two nodes, of which one does not answer.
func someStatus() steward.Status {
	on := func(node string) cluster.Replica { return cluster.Replica{Node: cluster.NodeID(node), Number: 1} }
	return steward.Status{
		Leading: true, At: time.UnixMilli(5000), PlacementVersion: 9,
		Nodes: []steward.NodeStatus{
			{Member: cluster.Member{Node: "n1", Store: "s1", PeerAddr: "n1:7947", Zone: "a", State: cluster.Active}, Health: cluster.Live, Heard: time.UnixMilli(4000), Leaders: 2, Replicas: 2},
			{Member: cluster.Member{Node: "n2", Store: "s2", PeerAddr: "n2:7947", State: cluster.Draining, Leaving: true}, Health: cluster.Down, Note: "silent"},
		},
		Groups: []steward.GroupStatus{
			{Group: 0, Leader: on("n1"), Term: 3, Replicas: []steward.ReplicaStatus{
				{Replica: on("n1"), Role: cluster.RoleVoter, Answered: true}, {Replica: on("n2"), Role: cluster.RoleLearner, Answered: true, Lag: 7},
			}},
			{Group: 1, Moving: true, Step: &cluster.Step{Kind: cluster.StepPromote, Group: 1, Replica: on("n2")}, Replicas: []steward.ReplicaStatus{
				{Replica: on("n2"), Role: cluster.RoleVoter, Lost: true},
			}},
			{Group: 2, Moving: true},
		},
		Held: []cluster.Hold{{Group: 2, Why: "n2 is down"}},
	}
}
