package load

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// script is a broker that says the same to every subscriber: a heartbeat, two
// items of the sizes given and a discontinuity. A size of 0 says nothing.
type script struct {
	pubsubpb.UnimplementedPubsubServer
	size int
}

func (s script) Subscribe(r *pubsubpb.SubscribeRequest, stream grpc.ServerStreamingServer[pubsubpb.SubscribeResponse]) error {
	if r.CacheName != Cache || r.Topic != "topic" {
		return errors.New("not what was asked for")
	}
	if s.size == 0 {
		return nil
	}
	if err := stream.Send(&pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Heartbeat{Heartbeat: &pubsubpb.Heartbeat{}}}); err != nil {
		return err
	}
	for n := range uint64(2) {
		item := &pubsubpb.TopicItem{TopicSequenceNumber: n + 1, SequencePage: 1,
			Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: string(payload(n+1, s.size))}}}
		if err := stream.Send(&pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Item{Item: item}}); err != nil {
			return err
		}
	}
	return stream.Send(&pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Discontinuity{Discontinuity: &pubsubpb.Discontinuity{}}})
}

// subscribed runs two subscriptions on one connection against the script until
// something is wrong, and returns what.
func subscribed(t *testing.T, s script, readers ...*reader) error {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pubsubpb.RegisterPubsubServer(server, s)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	conn, err := dialH2(context.Background(), listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, r := range readers {
		if err := conn.subscribe("topic", follow(r)); err != nil {
			t.Fatal(err)
		}
	}
	return conn.receive()
}

// The sizes are: within a frame, beyond a frame, and beyond the windows.
func TestH2AgainstGRPC(t *testing.T) {
	for _, size := range []int{100, 20_000, 2 * connectionWindow} {
		var done int
		readers := []*reader{{want: 2, done: func() { done++ }}, {want: 2, done: func() { done++ }}}
		err := subscribed(t, script{size: size}, readers...)
		if err == nil || !strings.Contains(err.Error(), "discontinuity after item 2") {
			t.Errorf("%d bytes: got %v, want the discontinuity", size, err)
		}
		if done == 0 || readers[0].count+readers[1].count < 2 {
			t.Errorf("%d bytes: nobody got both items", size)
		}
	}
}

func TestH2NoticesTheEnd(t *testing.T) {
	err := subscribed(t, script{}, &reader{})
	if err == nil || !strings.Contains(err.Error(), "ended a subscription") {
		t.Errorf("got %v, want the end of the subscription", err)
	}
}
