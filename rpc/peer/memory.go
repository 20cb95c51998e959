package peer

import (
	"context"
	"fmt"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/store"
)

// Memory implements peerv1.PeerServer.
func (s *Server) Memory(ctx context.Context, in *peerv1.MemoryRequest) (*peerv1.MemoryResponse, error) {
	var account *peerv1.MemoryResponse_Account
	refusal := s.serve(ctx, in, func(context.Context) error {
		if s.config.Memory == nil {
			return absent("account of its memory")
		}
		account = wireAccount(s.config.Memory(in.GetAllCaches()))
		return nil
	})
	if refusal != nil {
		return &peerv1.MemoryResponse{Outcome: &peerv1.MemoryResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.MemoryResponse{Outcome: &peerv1.MemoryResponse_Account_{Account: account}}, nil
}

// Memory asks the node what the items of the groups that it leads take, of the
// caches that have a budget or of all. A node of a release without budgets refuses
// with route.ErrNotExecuted.
func (c *Client) Memory(ctx context.Context, allCaches bool) (route.MemoryReport, error) {
	in, out := &peerv1.MemoryRequest{Origin: new(peerv1.Origin), AllCaches: allCaches}, new(peerv1.MemoryResponse)
	if err := c.ask(ctx, peerv1.Peer_Memory_FullMethodName, in, out, question); err != nil {
		return route.MemoryReport{}, err
	}
	account, err := present(c, out.GetAccount(), question)
	if err != nil {
		return route.MemoryReport{}, err
	}
	if n := len(account.GetGroups()); n > cluster.MaxGroups {
		return route.MemoryReport{}, fmt.Errorf("peer: node %s tells of the memory of %d groups, there are %d at most", c.node, n, cluster.MaxGroups)
	}
	return accountOf(account), nil
}

func wireAccount(r route.MemoryReport) *peerv1.MemoryResponse_Account {
	wire := &peerv1.MemoryResponse_Account{Budget: r.Budget, Pressed: r.Pressed}
	for _, g := range r.Groups {
		group := &peerv1.MemoryResponse_Group{Group: uint32(g.Group), Term: g.Term, Bytes: g.Bytes}
		for _, c := range g.Caches {
			group.Caches = append(group.Caches, &peerv1.MemoryResponse_Cache{
				Cache: c.Cache, Generation: c.Generation, Items: uint64(c.Items), Bytes: c.Bytes,
				EvictedItems: c.EvictedItems, EvictedBytes: c.EvictedBytes,
			})
		}
		wire.Groups = append(wire.Groups, group)
	}
	return wire
}

func accountOf(wire *peerv1.MemoryResponse_Account) route.MemoryReport {
	r := route.MemoryReport{Budget: wire.GetBudget(), Pressed: wire.GetPressed()}
	for _, g := range wire.GetGroups() {
		group := route.GroupMemory{Group: cluster.GroupID(g.GetGroup()), Term: g.GetTerm(), Bytes: g.GetBytes()}
		for _, c := range g.GetCaches() {
			group.Caches = append(group.Caches, store.Held{
				Cache: c.GetCache(), Generation: c.GetGeneration(), Items: int(c.GetItems()), Bytes: c.GetBytes(),
				EvictedItems: c.GetEvictedItems(), EvictedBytes: c.GetEvictedBytes(),
			})
		}
		r.Groups = append(r.Groups, group)
	}
	return r
}
