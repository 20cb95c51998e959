package echo

import (
	"context"
	"net"

	"google.golang.org/grpc"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

// Serve answers Get and Set on the listener until ctx ends. A Get is answered
// with size bytes.
func Serve(ctx context.Context, listener net.Listener, size int) error {
	server := grpc.NewServer()
	cachepb.RegisterScsServer(server, &scs{
		hit:  &cachepb.GetResponse{Result: cachepb.ECacheResult_Hit, CacheBody: make([]byte, size)},
		done: &cachepb.SetResponse{Result: cachepb.ECacheResult_Ok},
	})
	defer context.AfterFunc(ctx, server.Stop)()
	return server.Serve(listener)
}

type scs struct {
	cachepb.UnimplementedScsServer
	hit  *cachepb.GetResponse
	done *cachepb.SetResponse
}

// Get implements Scs.
func (s *scs) Get(context.Context, *cachepb.GetRequest) (*cachepb.GetResponse, error) {
	return s.hit, nil
}

// Set implements Scs.
func (s *scs) Set(context.Context, *cachepb.SetRequest) (*cachepb.SetResponse, error) {
	return s.done, nil
}
