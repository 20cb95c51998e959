package api

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	"github.com/mayfly-broker/mayfly/rpc/convert"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Bounds of what operators may ask of a cluster.
const (
	// defaultTokenLife is how long a join token can be used unless asked
	// otherwise: long enough to set up a machine.
	defaultTokenLife = time.Hour
	// maxTokenLife keeps forgotten tokens from being a danger for ever.
	maxTokenLife = 30 * 24 * time.Hour
	// maxToken is longer than any join token, in bytes.
	maxToken = 1024
	// maxAddress is the longest host:port, in bytes.
	maxAddress = 255 + len(":65535")
)

// Cluster is what operators ask of the cluster, whichever node leads its meta
// group. Errors are those of rpc/route, a *cluster.Refusal for what would do harm
// now, and what wraps cluster.ErrRefused for what the state does not allow.
type Cluster interface {
	// Status tells how the cluster is, as the node that leads the meta group knows
	// it; when none answers, as far as this node's own copy of the record goes,
	// with Leading unset.
	Status(ctx context.Context) (steward.Status, error)
	// Drain has a node give its leaderships away.
	Drain(ctx context.Context, node cluster.NodeID) error
	// Resume ends a drain, and takes a leave back as far as it is not done.
	Resume(ctx context.Context, node cluster.NodeID) error
	// Leave has a node give away all it has, after which it is removed. With fewer
	// also when less than three nodes remain.
	Leave(ctx context.Context, node cluster.NodeID, fewer bool) error
	// Remove removes a node for ever: one that has left or, with force, one that
	// is down. fewer is as in Leave.
	Remove(ctx context.Context, node cluster.NodeID, force, fewer bool) error
	// Transfer hands the leadership of a group to its voter on a node.
	Transfer(ctx context.Context, group cluster.GroupID, to cluster.NodeID) error
	// JoinToken makes a token with which one node may join within that time.
	JoinToken(ctx context.Context, valid time.Duration) (text string, expires time.Time, err error)
	// RotateKeys begins to replace the secrets by which nodes know each other: the
	// key of gossip and, with authority, what issues their certificates.
	RotateKeys(ctx context.Context, authority bool) error
	// Join has this node give up its own cluster, which is empty and has no other
	// node, and join the one of the seeds. With replace it takes the place of a
	// member of its name whose disk was lost.
	Join(ctx context.Context, seeds []string, token string, replace bool) error
}

var errAlone = &refusal{
	code: codes.FailedPrecondition, outcome: outcomeNone,
	text: "this broker runs alone, in memory and outside of any cluster; `mayfly server` runs one that nodes can join",
}

// asked runs what is asked of the cluster, and says what came of it in words of
// the cluster.
func (s *admin) asked(do func(Cluster) error) error {
	if s.cluster == nil {
		return errAlone
	}
	err := do(s.cluster)
	if errors.Is(err, route.ErrNotExecuted) {
		return errHeadless
	}
	return err
}

// errHeadless is route.ErrNotExecuted for an operator, who can do something about
// it.
var errHeadless = &refusal{
	code: codes.Unavailable, outcome: outcomeNone,
	text: "not done: no node that leads the meta group answers; look whether most of the nodes are up and reach each other, and try again",
}

// ofNode runs do for a node that is named well.
func (s *admin) ofNode(name string, do func(Cluster, cluster.NodeID) error) error {
	node, err := cluster.ParseNodeID(name)
	if err != nil {
		return invalid("%s", strings.TrimPrefix(err.Error(), "cluster: "))
	}
	return s.asked(func(c Cluster) error { return do(c, node) })
}

func (s *admin) ClusterStatus(ctx context.Context, _ *adminv1.ClusterStatusRequest) (*adminv1.ClusterStatusResponse, error) {
	answer := new(adminv1.ClusterStatusResponse)
	return answer, s.asked(func(c Cluster) error {
		st, err := c.Status(ctx)
		answer.Status = convert.Status(st)
		return err
	})
}

func (s *admin) DrainNode(ctx context.Context, r *adminv1.DrainNodeRequest) (*adminv1.DrainNodeResponse, error) {
	return &adminv1.DrainNodeResponse{}, s.ofNode(r.GetNode(), func(c Cluster, n cluster.NodeID) error { return c.Drain(ctx, n) })
}

func (s *admin) ResumeNode(ctx context.Context, r *adminv1.ResumeNodeRequest) (*adminv1.ResumeNodeResponse, error) {
	return &adminv1.ResumeNodeResponse{}, s.ofNode(r.GetNode(), func(c Cluster, n cluster.NodeID) error { return c.Resume(ctx, n) })
}

func (s *admin) LeaveNode(ctx context.Context, r *adminv1.LeaveNodeRequest) (*adminv1.LeaveNodeResponse, error) {
	return &adminv1.LeaveNodeResponse{}, s.ofNode(r.GetNode(), func(c Cluster, n cluster.NodeID) error { return c.Leave(ctx, n, r.GetFewer()) })
}

func (s *admin) RemoveNode(ctx context.Context, r *adminv1.RemoveNodeRequest) (*adminv1.RemoveNodeResponse, error) {
	return &adminv1.RemoveNodeResponse{}, s.ofNode(r.GetNode(), func(c Cluster, n cluster.NodeID) error {
		return c.Remove(ctx, n, r.GetForce(), r.GetFewer())
	})
}

func (s *admin) TransferLeadership(ctx context.Context, r *adminv1.TransferLeadershipRequest) (*adminv1.TransferLeadershipResponse, error) {
	if r.GetGroup() > cluster.MaxGroups {
		return nil, invalid("there is no group %d in any cluster, they count to %d at most; 0 is the meta group", r.GetGroup(), cluster.MaxGroups)
	}
	return &adminv1.TransferLeadershipResponse{}, s.ofNode(r.GetTo(), func(c Cluster, n cluster.NodeID) error {
		return c.Transfer(ctx, cluster.GroupID(r.GetGroup()), n)
	})
}

func (s *admin) CreateJoinToken(ctx context.Context, r *adminv1.CreateJoinTokenRequest) (*adminv1.CreateJoinTokenResponse, error) {
	if r.GetValidForSeconds() > uint64(maxTokenLife/time.Second) {
		return nil, invalid("the join token would be valid for %d s, the most is %d s; make a new one when it is needed", r.GetValidForSeconds(), maxTokenLife/time.Second)
	}
	life := time.Duration(r.GetValidForSeconds()) * time.Second
	life = cmp.Or(life, defaultTokenLife)
	answer := new(adminv1.CreateJoinTokenResponse)
	return answer, s.asked(func(c Cluster) error {
		text, expires, err := c.JoinToken(ctx, life)
		answer.Token, answer.ValidUntil = text, uint64(max(0, expires.Unix()))
		return err
	})
}

func (s *admin) RotateKeys(ctx context.Context, r *adminv1.RotateKeysRequest) (*adminv1.RotateKeysResponse, error) {
	return &adminv1.RotateKeysResponse{}, s.asked(func(c Cluster) error { return c.RotateKeys(ctx, r.GetAuthority()) })
}

func (s *admin) JoinCluster(ctx context.Context, r *adminv1.JoinClusterRequest) (*adminv1.JoinClusterResponse, error) {
	switch {
	case len(r.GetSeeds()) == 0:
		return nil, invalid("there is no seed; name the peer address of a node of the cluster to join, host:port")
	case len(r.GetSeeds()) > cluster.MaxMembers:
		return nil, invalid("%d seeds, a cluster has at most %d nodes", len(r.GetSeeds()), cluster.MaxMembers)
	case r.GetToken() == "":
		return nil, invalid("there is no join token; `mayfly cluster join-token` makes one, on a node of the cluster to join")
	case len(r.GetToken()) > maxToken:
		return nil, invalid("a join token of %d bytes, no real one has more than %d", len(r.GetToken()), maxToken)
	}
	for _, seed := range r.GetSeeds() {
		if err := checkSeed(seed); err != nil {
			return nil, err
		}
	}
	return &adminv1.JoinClusterResponse{}, s.asked(func(c Cluster) error {
		return c.Join(ctx, r.GetSeeds(), r.GetToken(), r.GetReplace())
	})
}

// checkSeed requires host:port. Whether anybody is there is found out later.
func checkSeed(seed string) error {
	if len(seed) > maxAddress {
		return invalid("a seed of %d bytes, addresses have at most %d", len(seed), maxAddress)
	}
	host, port, err := net.SplitHostPort(seed)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" {
		return invalid("the seed %q is not host:port", seed)
	}
	return nil
}
