package peer

import (
	"context"
	"fmt"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/usage"
)

// Usage implements peerv1.PeerServer.
func (s *Server) Usage(ctx context.Context, in *peerv1.UsageRequest) (*peerv1.UsageResponse, error) {
	history := new(peerv1.UsageResponse_History)
	refusal := s.serve(ctx, in, func(context.Context) error {
		if s.config.Counted != nil {
			if at := s.config.Counted(); !at.IsZero() {
				history.CountedMs = uint64(max(0, at.UnixMilli()))
			}
		}
		switch {
		case in.GetCounted():
			return nil
		case s.config.Usage == nil:
			return absent("history of its usage")
		}
		for _, sample := range s.config.Usage() {
			history.Samples = append(history.Samples, wireSample(sample))
		}
		return nil
	})
	if refusal != nil {
		return &peerv1.UsageResponse{Outcome: &peerv1.UsageResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.UsageResponse{Outcome: &peerv1.UsageResponse_History_{History: history}}, nil
}

// Usage asks the node what it did in the last hour. A node of a release that does
// not count refuses with route.ErrNotExecuted.
func (c *Client) Usage(ctx context.Context) ([]usage.Sample, error) {
	in, out := &peerv1.UsageRequest{Origin: new(peerv1.Origin)}, new(peerv1.UsageResponse)
	if err := c.ask(ctx, peerv1.Peer_Usage_FullMethodName, in, out, question); err != nil {
		return nil, err
	}
	history, err := present(c, out.GetHistory(), question)
	if err != nil {
		return nil, err
	}
	if len(history.GetSamples()) > usage.Samples {
		return nil, fmt.Errorf("peer: the usage that node %s tells has %d samples, an hour has %d", c.node, len(history.GetSamples()), usage.Samples)
	}
	samples := make([]usage.Sample, len(history.GetSamples()))
	for i, wire := range history.GetSamples() {
		samples[i] = sampleOf(wire)
	}
	return samples, nil
}

// Counted asks the node up to when everything that clients used there is in the reports
// of usage. It is zero if the node does not know, as one of a release that does not say.
func (c *Client) Counted(ctx context.Context) (time.Time, error) {
	in, out := &peerv1.UsageRequest{Origin: new(peerv1.Origin), Counted: true}, new(peerv1.UsageResponse)
	if err := c.ask(ctx, peerv1.Peer_Usage_FullMethodName, in, out, question); err != nil {
		return time.Time{}, err
	}
	history, err := present(c, out.GetHistory(), question)
	if err != nil || history.GetCountedMs() == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(int64(min(history.GetCountedMs(), cluster.MaxAtMs))), nil
}

func wireSample(s usage.Sample) *peerv1.UsageResponse_Sample {
	return &peerv1.UsageResponse_Sample{
		Step: s.Step, Operations: s.Operations, Errors: s.Errors, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Hits: s.Hits, Misses: s.Misses, Published: s.Published, Delivered: s.Delivered, Subscriptions: s.Subscriptions,
	}
}

func sampleOf(wire *peerv1.UsageResponse_Sample) usage.Sample {
	return usage.Sample{Step: wire.GetStep(), Counters: usage.Counters{
		Operations: wire.GetOperations(), Errors: wire.GetErrors(), BytesIn: wire.GetBytesIn(), BytesOut: wire.GetBytesOut(),
		Hits: wire.GetHits(), Misses: wire.GetMisses(), Published: wire.GetPublished(), Delivered: wire.GetDelivered(),
		Subscriptions: wire.GetSubscriptions(),
	}}
}
