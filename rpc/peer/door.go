package peer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

const (
	// maxAtDoor bounds the newborn nodes that are heard at one moment.
	maxAtDoor = 16
	// Tokens have 130 random bits, which nobody guesses; but every try is a
	// question to the meta group. So a node takes joinBurst at once, and then one
	// every joinEvery.
	joinBurst = 16
	joinEvery = 250 * time.Millisecond
)

// Doorkeeper decides about nodes that want to join.
type Doorkeeper interface {
	// Admit lets a new node in, or says why not: cluster.ErrRefused is for good,
	// other errors in the words of route are not. The member is well-formed. The
	// same node with the same store is let in again and again. The answer must be
	// the same for tokens that are unknown, used or expired.
	//
	// Whoever is admitted learns the secrets of the cluster, so the same node and
	// store must be compared with what the cluster knows, not believed.
	//
	// With replace the node is a member whose disk was lost, with an empty one.
	Admit(ctx context.Context, digest cluster.Digest, member cluster.Member, replace bool) (Charter, error)
}

// door is where newborn nodes knock.
type door struct {
	mux    *Mux
	inside chan struct{} // one token for each that is heard

	mu   sync.Mutex
	left float64 // tries that may be made at once
	at   time.Time
}

func newDoor(m *Mux) *door {
	return &door{mux: m, inside: make(chan struct{}, maxAtDoor), left: joinBurst, at: time.Now()}
}

// take counts a try to join, unless there were too many lately.
func (d *door) take() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.left = min(joinBurst, d.left+float64(now.Sub(d.at))/float64(joinEvery))
	d.at = now
	if d.left < 1 {
		return false
	}
	d.left--
	return true
}

// enter makes room for one more, or refuses. Who entered must leave.
func (d *door) enter() error {
	select {
	case d.inside <- struct{}{}:
		return nil
	default:
		return errors.New("too many new nodes are at the door; try again")
	}
}

func (d *door) leave() { <-d.inside }

// hear serves the one request of a newborn node and closes the connection.
func (d *door) hear(conn net.Conn, hello *peerv1.Hello) {
	defer func() { _ = conn.Close() }()
	if conn.SetReadDeadline(time.Now().Add(helloTime)) != nil {
		return
	}
	var out proto.Message
	if hello.GetClass() == peerv1.Hello_CLASS_JOIN {
		in := new(peerv1.JoinRequest)
		if readFrame(conn, in, maxNewbornRequest) != nil {
			return
		}
		out = d.join(conn, hello, in)
	} else {
		in := new(peerv1.FoundRequest)
		if readFrame(conn, in, maxNewbornRequest) != nil {
			return
		}
		out = d.found(hello, in)
	}
	if conn.SetWriteDeadline(time.Now().Add(helloTime)) == nil {
		_ = writeFrame(conn, out, maxNewbornAnswer)
	}
}

// join answers a node that asks to be let in.
func (d *door) join(conn net.Conn, hello *peerv1.Hello, in *peerv1.JoinRequest) *peerv1.JoinResponse {
	charter, err := d.admit(hello, in)
	log := d.mux.config.Logger.With(slog.String("caller", clip(hello.GetNode())), slog.String("from", conn.RemoteAddr().String()))
	if err == nil {
		log.Info("a new node was let in")
		return &peerv1.JoinResponse{Outcome: &peerv1.JoinResponse_Charter{Charter: wireCharter(charter)}}
	}
	log.Warn("a new node was not let in", slog.Any("err", err))
	refusal, _ := refuse(err)
	return &peerv1.JoinResponse{Outcome: &peerv1.JoinResponse_Refusal{Refusal: refusal}}
}

func (d *door) admit(hello *peerv1.Hello, in *peerv1.JoinRequest) (Charter, error) {
	switch {
	case !d.take():
		return Charter{}, fmt.Errorf("%w: too many nodes tried to join lately", route.ErrOverloaded)
	case hello.GetClusterId() != d.mux.config.Self.ClusterID:
		return Charter{}, fmt.Errorf("%w: the join token is for another cluster than this node's", route.ErrInvalid)
	case d.mux.config.Doorkeeper == nil:
		return Charter{}, fmt.Errorf("%w: this node cannot let others in yet", route.ErrNotExecuted)
	}
	member, err := newcomerOf(in.GetMember())
	if err != nil {
		return Charter{}, fmt.Errorf("%w: %w", route.ErrInvalid, err)
	}
	if err := saysTheSame(hello, member); err != nil {
		return Charter{}, err
	}
	ctx, cancel := context.WithTimeout(d.mux.ctx, maxBudget)
	defer cancel()
	return d.mux.config.Doorkeeper.Admit(ctx, sha256.Sum256([]byte(in.GetToken())), member, in.GetReplace())
}

// found answers a node that looks for others to found a cluster with: if it is
// one of those that this node was born with, it has only missed the decision.
func (d *door) found(hello *peerv1.Hello, in *peerv1.FoundRequest) *peerv1.FoundResponse {
	member, err := newcomerOf(in.GetCandidate().GetSelf())
	if err == nil {
		err = saysTheSame(hello, member)
	}
	if err == nil && d.mux.config.Charter != nil {
		if charter, ok := d.mux.config.Charter(); ok && charter.lists(member.Node, member.Store) {
			return &peerv1.FoundResponse{Charter: wireCharter(charter)}
		}
	}
	refusal, _ := refuse(errFounded)
	return &peerv1.FoundResponse{Refusal: refusal}
}

// saysTheSame requires that a newborn is in its request who it was in its hello.
func saysTheSame(hello *peerv1.Hello, m cluster.Member) error {
	if hello.GetNode() != string(m.Node) || hello.GetStoreId() != m.Store || hello.GetBootId() != m.Boot {
		return fmt.Errorf("%w: the hello and the request are of different nodes", route.ErrInvalid)
	}
	return nil
}
