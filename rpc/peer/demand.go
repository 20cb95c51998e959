package peer

import (
	"context"
	"fmt"
	"math"

	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/quota"
)

// maxUses bounds what one node tells: all caches and all API keys that there can be.
const maxUses = 20_000

// Demand implements peerv1.PeerServer.
func (s *Server) Demand(ctx context.Context, in *peerv1.DemandRequest) (*peerv1.DemandResponse, error) {
	uses := new(peerv1.DemandResponse_Uses)
	refusal := s.serve(ctx, in, func(context.Context) error {
		if s.config.Demand == nil {
			return absent("account of its limits")
		}
		for _, u := range s.config.Demand() {
			uses.All = append(uses.GetAll(), wireUse(u))
		}
		return nil
	})
	if refusal != nil {
		return &peerv1.DemandResponse{Outcome: &peerv1.DemandResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.DemandResponse{Outcome: &peerv1.DemandResponse_Uses_{Uses: uses}}, nil
}

// Demand asks the node what its clients want of limits that all nodes share.
func (c *Client) Demand(ctx context.Context) ([]quota.Use, error) {
	in, out := &peerv1.DemandRequest{Origin: new(peerv1.Origin)}, new(peerv1.DemandResponse)
	if err := c.ask(ctx, peerv1.Peer_Demand_FullMethodName, in, out, question); err != nil {
		return nil, err
	}
	told, err := present(c, out.GetUses(), question)
	if err != nil {
		return nil, err
	}
	if len(told.GetAll()) > maxUses {
		return nil, fmt.Errorf("peer: node %s tells of %d subjects with limits, there are at most %d", c.node, len(told.GetAll()), maxUses)
	}
	uses := make([]quota.Use, 0, len(told.GetAll()))
	for _, wire := range told.GetAll() {
		if u, ok := useOf(wire); ok {
			uses = append(uses, u)
		}
	}
	return uses, nil
}

var sorts = map[quota.Sort]peerv1.DemandResponse_Sort{
	quota.Cache: peerv1.DemandResponse_SORT_CACHE,
	quota.Key:   peerv1.DemandResponse_SORT_KEY,
}

func wireUse(u quota.Use) *peerv1.DemandResponse_Use {
	return &peerv1.DemandResponse_Use{
		Sort: sorts[u.Subject.Sort], Name: u.Subject.Name,
		Operations: u.Demand[quota.Operations], Publishes: u.Demand[quota.Publishes], Bytes: u.Demand[quota.Bytes],
		Held: uint64(u.Held), Missed: uint64(u.Missed), Keys: u.Keys,
	}
}

// useOf reads a use. ok is false for a sort of subject that this node does not know.
func useOf(wire *peerv1.DemandResponse_Use) (u quota.Use, ok bool) {
	for sort, word := range sorts {
		if word == wire.GetSort() {
			u.Subject = quota.Subject{Sort: sort, Name: wire.GetName()}
			ok = true
		}
	}
	u.Demand = quota.Rates{
		quota.Operations: demandOf(wire.GetOperations()), quota.Publishes: demandOf(wire.GetPublishes()), quota.Bytes: demandOf(wire.GetBytes()),
	}
	u.Held, u.Missed = int(min(wire.GetHeld(), math.MaxInt32)), int(min(wire.GetMissed(), math.MaxInt32))
	u.Keys = min(wire.GetKeys(), math.MaxInt64/(1<<10))
	return u, ok
}

// demandOf is a demand that can be calculated with.
func demandOf(d float64) float64 {
	if !(d > 0) { // nor NaN
		return 0
	}
	return min(d, 1e15)
}
