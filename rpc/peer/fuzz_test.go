package peer

import (
	"fmt"
	"log/slog"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route/nodetest"
	"github.com/mayfly-broker/mayfly/store"
)

// rawCodec sends and receives bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) { return v.([]byte), nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("decoding into %T", v)
	}
	*into = append([]byte(nil), data...)
	return nil
}

var discard = slog.New(slog.DiscardHandler)

func mustMarshal(m proto.Message) []byte {
	encoded, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return encoded
}

// seeds puts a good and some odd requests of each kind into the corpus.
func seeds(f *testing.F) {
	command := func(c *storev1.Command) []byte {
		encoded, err := store.EncodeCommand(nil, c)
		if err != nil {
			f.Fatal(err)
		}
		return encoded
	}
	catalog, err := store.EncodeCatalogCommand(nil, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_CreateCache{CreateCache: &storev1.CreateCache{Name: "chat"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	change, err := cluster.Change{Op: &cluster.AddToken{Token: cluster.Token{ExpiresMs: 1}}}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	for method, requests := range [][]proto.Message{
		{
			&peerv1.ApplyRequest{Group: 1, Command: command(nodetest.Add("k", &storev1.RequestId{Gateway: nodetest.Gateway(), Sequence: 1, DoneBelow: 1}))},
			&peerv1.ApplyRequest{Group: 1, Command: command(&storev1.Command{})},
			&peerv1.ApplyRequest{Group: 1<<32 - 1, Command: command(&storev1.Command{Op: &storev1.Command_Retire{}})},
			&peerv1.ApplyRequest{Group: 1, Command: command(&storev1.Command{Request: &storev1.RequestId{Sequence: 1 << 63, DoneBelow: 1<<64 - 1}, Op: &storev1.Command_Sweep{}})},
		},
		{
			&peerv1.ViewRequest{Group: 1, Query: nodetest.Get("k")},
			&peerv1.ViewRequest{Group: 1, Query: &storev1.Query{Op: &storev1.Query_ListFetch_{}}},
			&peerv1.ViewRequest{Group: 1},
		},
		{&peerv1.ApplyCatalogRequest{Command: catalog}, &peerv1.ApplyCatalogRequest{}},
		{
			&peerv1.PublishRequest{Group: 1, Topic: &peerv1.Topic{Cache: "chat", Name: "room"}, Value: []byte("hello")},
			&peerv1.PublishRequest{Group: 1},
		},
		{&peerv1.TermsRequest{Replicas: []*peerv1.TermsRequest_Replica{{Group: 1, Number: 1}, {Group: 1<<32 - 1}, nil}}},
		{&peerv1.SurveyRequest{Group: 1, Term: 1<<64 - 1}, &peerv1.SurveyRequest{Group: 1, Term: 1, Page: 1<<64 - 1}},
		{
			&peerv1.MirrorRequest{Changes: []*peerv1.MirrorRequest_Change{
				changeOf(fanout.Request{Partition: 1, Key: fanout.Key{Cache: "chat", Topic: "room"}, Handle: 1, Replay: true}),
				changeOf(fanout.Request{Partition: 1, Key: fanout.Key{Cache: "chat", Topic: "room"}, Shut: true}),
			}},
			&peerv1.MirrorRequest{Changes: []*peerv1.MirrorRequest_Change{
				changeOf(fanout.Request{Partition: 1<<32 - 1, Key: fanout.Key{Cache: "chat", Topic: "room"}, Handle: 1<<32 - 1}),
				changeOf(fanout.Request{Partition: 1, Key: fanout.Key{Cache: "chat", Topic: "room"}, Handle: 1, Seen: fanout.Position{Page: 1<<64 - 1, Sequence: 1<<64 - 1}, Replay: true}),
			}},
			&peerv1.MirrorRequest{Changes: []*peerv1.MirrorRequest_Change{nil}},
		},
		{&peerv1.ObserveRequest{}},
		{wireStep(someStep), &peerv1.StepRequest{Kind: "transfer"}},
		{&peerv1.StartRequest{Group: 1, Number: 1}, &peerv1.StartRequest{}},
		{&peerv1.ReleaseRequest{Group: 1, Number: 1}, &peerv1.ReleaseRequest{}},
		{&peerv1.ChangeRequest{Change: change}, &peerv1.ChangeRequest{Change: []byte(`{"format":2}`)}},
		{&peerv1.ConfirmRequest{Group: 1<<32 - 1}},
		{
			&peerv1.OperateRequest{Wish: &peerv1.OperateRequest_Drain_{}},
			&peerv1.OperateRequest{Wish: &peerv1.OperateRequest_Announce_{Announce: &peerv1.OperateRequest_Announce{Member: wireMember(someMember("d"))}}},
			&peerv1.OperateRequest{Wish: &peerv1.OperateRequest_Admit_{Admit: &peerv1.OperateRequest_Admit{Digest: make([]byte, 32)}}},
		},
		{&peerv1.StatusRequest{}},
	} {
		for _, r := range requests {
			f.Add(uint8(method), mustMarshal(r), true)
			f.Add(uint8(method), mustMarshal(r), false)
		}
	}
	f.Add(uint8(0), []byte{0xff, 0xff, 0xff}, true)
}
