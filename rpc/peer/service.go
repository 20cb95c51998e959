package peer

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/store"
)

// Apply implements peerv1.PeerServer.
func (s *Server) Apply(ctx context.Context, in *peerv1.ApplyRequest) (*peerv1.ApplyResponse, error) {
	var result *storev1.Result
	refusal := s.serve(ctx, in, func(ctx context.Context) error {
		command, err := store.DecodeCommand(in.GetCommand())
		if err != nil {
			return unreadable(err)
		}
		result, err = s.config.Node.Apply(ctx, cluster.GroupID(in.GetGroup()), command)
		return err
	})
	if refusal != nil {
		return &peerv1.ApplyResponse{Outcome: &peerv1.ApplyResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.ApplyResponse{Outcome: &peerv1.ApplyResponse_Result{Result: result}}, nil
}

// View implements peerv1.PeerServer.
func (s *Server) View(ctx context.Context, in *peerv1.ViewRequest) (*peerv1.ViewResponse, error) {
	var result *storev1.Result
	refusal := s.serve(ctx, in, func(ctx context.Context) (err error) {
		if in.GetQuery() == nil {
			return fmt.Errorf("%w: there is no query in it", route.ErrInvalid)
		}
		result, err = s.config.Node.View(ctx, cluster.GroupID(in.GetGroup()), in.GetQuery(), in.GetRelaxed())
		if err == nil && proto.Size(result) > maxAnswer-maxHeaders {
			return fmt.Errorf("%w: the answer has %d bytes, nodes hand over at most %d; ask for a part of it",
				route.ErrLimit, proto.Size(result), maxAnswer-maxHeaders)
		}
		return err
	})
	if refusal != nil {
		return &peerv1.ViewResponse{Outcome: &peerv1.ViewResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.ViewResponse{Outcome: &peerv1.ViewResponse_Result{Result: result}}, nil
}

// ApplyCatalog implements peerv1.PeerServer.
func (s *Server) ApplyCatalog(ctx context.Context, in *peerv1.ApplyCatalogRequest) (*peerv1.ApplyCatalogResponse, error) {
	var result *storev1.CatalogResult
	var index uint64
	refusal := s.serve(ctx, in, func(ctx context.Context) error {
		command, err := store.DecodeCatalogCommand(in.GetCommand())
		if err != nil {
			return unreadable(err)
		}
		result, index, err = s.config.Catalog.ApplyCatalog(ctx, command)
		return err
	})
	if refusal != nil {
		return &peerv1.ApplyCatalogResponse{Outcome: &peerv1.ApplyCatalogResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.ApplyCatalogResponse{Outcome: &peerv1.ApplyCatalogResponse_Result{Result: result}, Index: index}, nil
}

// unreadable says what is to be done about a command that cannot be decoded: one
// of a newer node finds an upgraded leader later, anything else is malformed.
func unreadable(err error) error {
	if errors.Is(err, store.ErrVersion) {
		return fmt.Errorf("%w: %w", route.ErrNotExecuted, err)
	}
	return fmt.Errorf("%w: %w", route.ErrInvalid, err)
}

// Publish implements peerv1.PeerServer.
func (s *Server) Publish(ctx context.Context, in *peerv1.PublishRequest) (*peerv1.PublishResponse, error) {
	var at fanout.Position
	refusal := s.serve(ctx, in, func(ctx context.Context) (err error) {
		if in.GetTopic().GetCache() == "" || in.GetTopic().GetName() == "" {
			return fmt.Errorf("%w: a topic needs a cache and a name", route.ErrInvalid)
		}
		at, err = s.config.Node.Publish(ctx, cluster.GroupID(in.GetGroup()), keyOf(in.GetTopic()),
			route.Message{Text: in.GetText(), Value: in.GetValue(), PublisherID: in.GetPublisherId()})
		return err
	})
	if refusal != nil {
		return &peerv1.PublishResponse{Outcome: &peerv1.PublishResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.PublishResponse{Outcome: &peerv1.PublishResponse_Position{Position: wirePosition(at)}}, nil
}

// Terms implements peerv1.PeerServer.
func (s *Server) Terms(ctx context.Context, in *peerv1.TermsRequest) (*peerv1.TermsResponse, error) {
	var terms []uint64
	refusal := s.serve(ctx, in, func(context.Context) error {
		if len(in.GetReplicas()) > maxReplicas {
			return fmt.Errorf("%w: %d replicas asked for, a node has at most %d", route.ErrInvalid, len(in.GetReplicas()), maxReplicas)
		}
		refs := make([]replica.Ref, len(in.GetReplicas()))
		for i, r := range in.GetReplicas() {
			refs[i] = replica.Ref{Group: cluster.GroupID(r.GetGroup()), Number: r.GetNumber()}
		}
		terms = s.config.Terms.Terms(refs)
		return nil
	})
	return &peerv1.TermsResponse{Terms: terms, Refusal: refusal}, nil
}

func keyOf(topic *peerv1.Topic) fanout.Key {
	return fanout.Key{Cache: topic.GetCache(), Topic: topic.GetName()}
}

func wireTopic(key fanout.Key) *peerv1.Topic { return &peerv1.Topic{Cache: key.Cache, Name: key.Topic} }

func positionOf(at *peerv1.Position) fanout.Position {
	return fanout.Position{Page: at.GetPage(), Sequence: at.GetSequence()}
}

func wirePosition(at fanout.Position) *peerv1.Position {
	return &peerv1.Position{Page: at.Page, Sequence: at.Sequence}
}
