package peer

import (
	"context"
	"fmt"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	clusterv1 "github.com/mayfly-broker/mayfly/proto/cluster/v1"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/convert"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Office is what operators ask for. The steward of the node that leads the meta
// group carries it out; on all others every wish is a steward.ErrNotLeading or a
// route.NotLeaderError. Client is the office of another node.
//
// What would do harm now is a *cluster.Refusal, what the state does not allow a
// cluster.ErrRefused, and a cluster.ErrConflict may be asked again: the state
// changed while it was looked at.
type Office interface {
	// Drain has a node give its leaderships away and take nothing new.
	Drain(ctx context.Context, node cluster.NodeID) error
	// Resume ends a drain, and takes a leave back as far as it is not done.
	Resume(ctx context.Context, node cluster.NodeID) error
	// Leave has a node give away all that it has, after which it is removed. With
	// fewer also when less than three nodes remain.
	Leave(ctx context.Context, node cluster.NodeID, fewer bool) error
	// Remove removes a node for ever: one that has left or, with force, one that
	// is down. With fewer also when less than three nodes remain.
	Remove(ctx context.Context, node cluster.NodeID, force, fewer bool) error
	// Transfer hands the leadership of a group to its voter on a node.
	Transfer(ctx context.Context, group cluster.GroupID, to cluster.NodeID) error
	// Announce tells what a restart has changed about a member.
	Announce(ctx context.Context, member cluster.Member) error
	// Admit lets a new node in and spends its join token. Repeating it for the
	// same node and store is harmless. It returns the settings of the cluster and
	// its members, the new one among them.
	// With replace the node is a member whose disk was lost, with an empty one.
	Admit(ctx context.Context, digest cluster.Digest, member cluster.Member, replace bool) (cluster.Settings, []cluster.Member, error)
	// AddToken makes a join token usable.
	AddToken(ctx context.Context, token cluster.Token) error
	// RotateKeys begins to replace the key of gossip and, with authority, what issues
	// the nodes' certificates. The node that is asked makes the new ones.
	RotateKeys(ctx context.Context, authority bool) error
	// Status tells how the cluster is, as the steward of the node that leads knows
	// it.
	Status(ctx context.Context) (steward.Status, error)
}

var _ Office = (*Client)(nil)

// Operate implements peerv1.PeerServer.
func (s *Server) Operate(ctx context.Context, in *peerv1.OperateRequest) (*peerv1.OperateResponse, error) {
	granted := new(peerv1.OperateResponse_Granted)
	refusal := s.serve(ctx, in, func(ctx context.Context) (err error) {
		if s.config.Office == nil {
			return absent("steward")
		}
		if admit, ok := in.GetWish().(*peerv1.OperateRequest_Admit_); ok {
			granted, err = s.admitMember(ctx, admit.Admit)
		} else {
			err = s.operate(ctx, in)
		}
		return hinted(cluster.MetaGroup, err)
	})
	if refusal != nil {
		return &peerv1.OperateResponse{Outcome: &peerv1.OperateResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.OperateResponse{Outcome: &peerv1.OperateResponse_Granted_{Granted: granted}}, nil
}

// operate carries out a wish that is answered with nothing.
func (s *Server) operate(ctx context.Context, in *peerv1.OperateRequest) error {
	office := s.config.Office
	switch wish := in.GetWish().(type) {
	case *peerv1.OperateRequest_Drain_:
		return named(wish.Drain.GetNode(), func(n cluster.NodeID) error { return office.Drain(ctx, n) })
	case *peerv1.OperateRequest_Resume_:
		return named(wish.Resume.GetNode(), func(n cluster.NodeID) error { return office.Resume(ctx, n) })
	case *peerv1.OperateRequest_Leave_:
		return named(wish.Leave.GetNode(), func(n cluster.NodeID) error { return office.Leave(ctx, n, wish.Leave.GetFewer()) })
	case *peerv1.OperateRequest_Remove_:
		return named(wish.Remove.GetNode(), func(n cluster.NodeID) error {
			return office.Remove(ctx, n, wish.Remove.GetForce(), wish.Remove.GetFewer())
		})
	case *peerv1.OperateRequest_Transfer_:
		return named(wish.Transfer.GetTo(), func(n cluster.NodeID) error {
			return office.Transfer(ctx, cluster.GroupID(wish.Transfer.GetGroup()), n)
		})
	case *peerv1.OperateRequest_Announce_:
		return introducedAs(wish.Announce.GetMember(), func(m cluster.Member) error { return office.Announce(ctx, m) })
	case *peerv1.OperateRequest_AddToken_:
		digest, err := digestOf(wish.AddToken.GetDigest())
		if err != nil {
			return err
		}
		return office.AddToken(ctx, cluster.Token{Digest: digest, ExpiresMs: wish.AddToken.GetExpiresMs()})
	case *peerv1.OperateRequest_Rotate_:
		return office.RotateKeys(ctx, wish.Rotate.GetAuthority())
	default: // of a newer node, perhaps; an upgraded leader knows what to do
		return fmt.Errorf("%w: this node does not know what is asked for", route.ErrNotExecuted)
	}
}

func (s *Server) admitMember(ctx context.Context, wish *peerv1.OperateRequest_Admit) (*peerv1.OperateResponse_Granted, error) {
	digest, err := digestOf(wish.GetDigest())
	if err != nil {
		return nil, err
	}
	var granted *peerv1.OperateResponse_Granted
	err = introducedAs(wish.GetMember(), func(m cluster.Member) error {
		settings, members, err := s.config.Office.Admit(ctx, digest, m, wish.GetReplace())
		granted = &peerv1.OperateResponse_Granted{
			ClusterId: settings.ClusterID, Groups: uint32(settings.Groups), Level: settings.Level, Members: wireMembers(members),
		}
		return err
	})
	return granted, err
}

// Status implements peerv1.PeerServer. A status that is not the leader's is not
// handed out: it may be late without saying so.
func (s *Server) Status(ctx context.Context, in *peerv1.StatusRequest) (*peerv1.StatusResponse, error) {
	var answer *clusterv1.Status
	refusal := s.serve(ctx, in, func(ctx context.Context) error {
		if s.config.Office == nil {
			return absent("steward")
		}
		st, err := s.config.Office.Status(ctx)
		switch {
		case err != nil:
			return hinted(cluster.MetaGroup, err)
		case !st.Leading:
			return &route.NotLeaderError{Group: cluster.MetaGroup}
		}
		answer = convert.Status(st)
		return nil
	})
	if refusal != nil {
		return &peerv1.StatusResponse{Outcome: &peerv1.StatusResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.StatusResponse{Outcome: &peerv1.StatusResponse_Status{Status: answer}}, nil
}

// named runs do for a node whose name is well-formed.
func named(name string, do func(cluster.NodeID) error) error {
	node, err := cluster.ParseNodeID(name)
	if err != nil {
		return fmt.Errorf("%w: %w", route.ErrInvalid, err)
	}
	return do(node)
}

// introducedAs runs do for a member that is well-formed.
func introducedAs(wire *peerv1.Member, do func(cluster.Member) error) error {
	m, err := newcomerOf(wire)
	if err != nil {
		return fmt.Errorf("%w: %w", route.ErrInvalid, err)
	}
	return do(m)
}

func digestOf(wire []byte) (d cluster.Digest, err error) {
	if len(wire) != len(d) {
		return d, fmt.Errorf("%w: a digest of %d bytes, it has %d", route.ErrInvalid, len(wire), len(d))
	}
	return cluster.Digest(wire), nil
}

// Drain implements Office.
func (c *Client) Drain(ctx context.Context, node cluster.NodeID) error {
	return c.wish(ctx, &peerv1.OperateRequest{Wish: &peerv1.OperateRequest_Drain_{Drain: &peerv1.OperateRequest_Drain{Node: string(node)}}})
}

// Resume implements Office.
func (c *Client) Resume(ctx context.Context, node cluster.NodeID) error {
	return c.wish(ctx, &peerv1.OperateRequest{Wish: &peerv1.OperateRequest_Resume_{Resume: &peerv1.OperateRequest_Resume{Node: string(node)}}})
}

// Leave implements Office.
func (c *Client) Leave(ctx context.Context, node cluster.NodeID, fewer bool) error {
	return c.wish(ctx, &peerv1.OperateRequest{Wish: &peerv1.OperateRequest_Leave_{
		Leave: &peerv1.OperateRequest_Leave{Node: string(node), Fewer: fewer},
	}})
}

// Remove implements Office.
func (c *Client) Remove(ctx context.Context, node cluster.NodeID, force, fewer bool) error {
	return c.wish(ctx, &peerv1.OperateRequest{Wish: &peerv1.OperateRequest_Remove_{
		Remove: &peerv1.OperateRequest_Remove{Node: string(node), Force: force, Fewer: fewer},
	}})
}

// Transfer implements Office.
func (c *Client) Transfer(ctx context.Context, group cluster.GroupID, to cluster.NodeID) error {
	return c.wish(ctx, &peerv1.OperateRequest{Wish: &peerv1.OperateRequest_Transfer_{
		Transfer: &peerv1.OperateRequest_Transfer{Group: uint32(group), To: string(to)},
	}})
}

// Announce implements Office.
func (c *Client) Announce(ctx context.Context, member cluster.Member) error {
	return c.wish(ctx, &peerv1.OperateRequest{Wish: &peerv1.OperateRequest_Announce_{
		Announce: &peerv1.OperateRequest_Announce{Member: wireMember(member)},
	}})
}

// AddToken implements Office.
func (c *Client) AddToken(ctx context.Context, token cluster.Token) error {
	return c.wish(ctx, &peerv1.OperateRequest{Wish: &peerv1.OperateRequest_AddToken_{
		AddToken: &peerv1.OperateRequest_AddToken{Digest: token.Digest[:], ExpiresMs: token.ExpiresMs},
	}})
}

// RotateKeys implements Office.
func (c *Client) RotateKeys(ctx context.Context, authority bool) error {
	return c.wish(ctx, &peerv1.OperateRequest{Wish: &peerv1.OperateRequest_Rotate_{Rotate: &peerv1.OperateRequest_Rotate{Authority: authority}}})
}

// Admit implements Office.
func (c *Client) Admit(ctx context.Context, digest cluster.Digest, member cluster.Member, replace bool) (cluster.Settings, []cluster.Member, error) {
	granted, err := c.operate(ctx, &peerv1.OperateRequest{Wish: &peerv1.OperateRequest_Admit_{
		Admit: &peerv1.OperateRequest_Admit{Digest: digest[:], Member: wireMember(member), Replace: replace},
	}})
	if err != nil {
		return cluster.Settings{}, nil, err
	}
	settings := cluster.Settings{ClusterID: granted.GetClusterId(), Groups: int(granted.GetGroups()), Level: granted.GetLevel()}
	members, err := membersOf(granted.GetMembers())
	if err == nil {
		err = settings.Check()
	}
	if err != nil {
		return cluster.Settings{}, nil, fmt.Errorf("%w: the answer of node %s: %w", route.ErrUnknownOutcome, c.node, err)
	}
	return settings, members, nil
}

// Status implements Office.
func (c *Client) Status(ctx context.Context) (steward.Status, error) {
	in, out := &peerv1.StatusRequest{Origin: new(peerv1.Origin)}, new(peerv1.StatusResponse)
	if err := c.ask(ctx, peerv1.Peer_Status_FullMethodName, in, out, question); err != nil {
		return steward.Status{}, err
	}
	wire, err := present(c, out.GetStatus(), question)
	if err != nil {
		return steward.Status{}, err
	}
	st, err := convert.StatusOf(wire)
	if err != nil {
		return steward.Status{}, fmt.Errorf("peer: the status that node %s tells: %w", c.node, err)
	}
	return st, nil
}

// wish asks for what is answered with nothing.
func (c *Client) wish(ctx context.Context, in *peerv1.OperateRequest) error {
	_, err := c.operate(ctx, in)
	return err
}

func (c *Client) operate(ctx context.Context, in *peerv1.OperateRequest) (*peerv1.OperateResponse_Granted, error) {
	in.Origin = new(peerv1.Origin)
	out := new(peerv1.OperateResponse)
	if err := c.ask(ctx, peerv1.Peer_Operate_FullMethodName, in, out, change); err != nil {
		return nil, err
	}
	return present(c, out.GetGranted(), change)
}
