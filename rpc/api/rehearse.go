package api

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// Identify returns the caller whom a credential proves, as every call finds it out;
// an empty one is that of a caller who sends none. It fails with an error that wraps
// auth.ErrUnauthenticated.
func (s *Server) Identify(ctx context.Context, credential string) (auth.Principal, error) {
	return s.door.who(ctx, credential)
}

// Rehearse answers whether a call would be let through the door, and does nothing:
// the same look at the credential, the permission, the names and the cache, by the
// same code, with the status that its caller would be told. What only the handler
// finds out, such as a size, is not part of it. The cache is the one that calls name
// in their header. A method that is not known, or whose message carries the
// credential itself, is codes.Unimplemented.
func (s *Server) Rehearse(ctx context.Context, credential, name, cache string, message proto.Message) *status.Status {
	known, ok := rules[name]
	if !ok || known.need == ownCredential {
		return status.New(codes.Unimplemented, "there is no such method to be tried")
	}
	header := metadata.MD{}
	if credential != "" {
		header.Set("authorization", credential)
	}
	if cache != "" {
		header.Set("cache", cache)
	}
	c := &call{Context: metadata.NewIncomingContext(ctx, header), door: s.door, method: &method{rule: known, name: name}}
	err := c.rehearse(message)
	return status.Convert(c.told(err, nil))
}

func (c *call) rehearse(message proto.Message) error {
	if err := c.identify(); err != nil {
		return err
	}
	return c.authorize(message)
}
