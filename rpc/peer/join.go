package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
)

// JoinConfig is what a node needs to ask to be let into a cluster. All but Logger
// are needed.
type JoinConfig struct {
	// Seeds are peer addresses, host:port, of members; one that answers is enough.
	Seeds []string
	// Token is the text of a join token. It is told to those seeds that prove to be
	// of the cluster that the token is for, and to no other.
	Token string
	// Self is who this node will be. Its store must be on disk already: a node
	// that repeats the call after a crash is known by its name and store.
	Self cluster.Member
	// Replace: this node is a member of the cluster whose disk was lost, and takes
	// its place with an empty one.
	Replace bool
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Join asks the members of a cluster to let this node in, one after the other and
// again, until one does, refuses for good, or ctx ends. That a node cannot be
// reached, or that the cluster has no leader now, is no refusal.
//
// Join may be repeated, by the same node with the same store, also after it was
// let in. ErrRefused: this node will not be let in; the text says why and what
// would help. When ctx ended the error also tells what came last.
func Join(ctx context.Context, config JoinConfig) (Charter, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	token, err := ParseToken(config.Token)
	if err != nil {
		return Charter{}, err
	}
	config.Self.State, config.Self.Leaving = cluster.Joining, false
	if err := checkNewborn(config.Self, config.Seeds); err != nil {
		return Charter{}, err
	}
	if len(config.Seeds) == 0 {
		return Charter{}, errors.New("peer: no member of the cluster to turn to was named")
	}
	var pause pause
	log := quiet{logger: config.Logger}
	for {
		var last error
		for _, seed := range config.Seeds {
			charter, final, err := joinAt(ctx, config, token, seed)
			switch {
			case err == nil:
				return charter, nil
			case final:
				return Charter{}, fmt.Errorf("%w: the node at %s says: %w", ErrRefused, seed, err)
			case ctx.Err() == nil:
				last = fmt.Errorf("the node at %s: %s", seed, err.Error()) // not an ErrRefused, whatever it was
				log.warn("not let into the cluster yet; trying on", last)
			}
		}
		if !pause.wait(ctx) {
			return Charter{}, fmt.Errorf("peer: not let into the cluster: %w", errors.Join(context.Cause(ctx), last))
		}
	}
}

// joinAt asks one member. final says that nobody else would answer otherwise.
func joinAt(ctx context.Context, config JoinConfig, token Token, seed string) (charter Charter, final bool, err error) {
	hello := &peerv1.Hello{ClusterId: token.ClusterID, Class: peerv1.Hello_CLASS_JOIN}
	in := &peerv1.JoinRequest{Token: config.Token, Member: wireMember(config.Self), Replace: config.Replace}
	out := new(peerv1.JoinResponse)
	name := trust.Name{Cluster: token.ClusterID, Node: string(config.Self.Node), Store: config.Self.Store}
	n := newborn{self: config.Self, speaks: ourVersions, secure: func(ctx context.Context, conn net.Conn) (net.Conn, error) {
		return trust.Knock(ctx, conn, name, token.Pin)
	}}
	if err := n.ask(ctx, seed, hello, in, out, answerTime); err != nil {
		return Charter{}, false, err
	}
	if out.GetRefusal() != nil {
		return Charter{}, isFinal(out.GetRefusal().GetReason()), refused(out.GetRefusal(), false)
	}
	charter, err = charterOf(out.GetCharter())
	switch {
	case err != nil:
		return Charter{}, false, fmt.Errorf("peer: its answer: %w", err)
	case charter.ClusterID != token.ClusterID || !charter.lists(config.Self.Node, config.Self.Store):
		return Charter{}, false, errors.New("peer: its answer is not about this node and the token's cluster")
	}
	return charter, false, nil
}

// isFinal reports whether a refusal stays the same however often it is asked for.
// One that depends on who lives (denied) heals: a lost disk can be replaced once
// nobody believes any more that it answers.
func isFinal(reason peerv1.Refusal_Reason) bool {
	switch reason {
	case peerv1.Refusal_REASON_INVALID, peerv1.Refusal_REASON_LIMIT, peerv1.Refusal_REASON_STATE_REFUSED, peerv1.Refusal_REASON_FOUNDED:
		return true
	default:
		return false
	}
}
