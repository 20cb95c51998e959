package api

import (
	"context"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

// ping answers whoever asks whether the node is there.
type ping struct {
	cachepb.UnimplementedPingServer
}

func (ping) Ping(context.Context, *cachepb.PingRequest) (*cachepb.PingResponse, error) {
	return &cachepb.PingResponse{}, nil
}
