package api

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/mayfly-broker/mayfly/fanout"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// What is written by hand must be what the generated code would write.
func TestEncodeItemIsTheGeneratedMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := fanout.Position{Page: rapid.Uint64().Draw(t, "page"), Sequence: rapid.Uint64().Draw(t, "sequence")}
		m := route.Message{PublisherID: rapid.String().Draw(t, "publisher")}
		value := &pubsubpb.TopicValue{}
		if m.Text = rapid.Bool().Draw(t, "text"); m.Text {
			text := rapid.String().Draw(t, "value")
			m.Value = []byte(text)
			value.Kind = &pubsubpb.TopicValue_Text{Text: text}
		} else {
			m.Value = rapid.SliceOf(rapid.Byte()).Draw(t, "value")
			value.Kind = &pubsubpb.TopicValue_Binary{Binary: m.Value}
		}
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(&pubsubpb.SubscribeResponse{
			Kind: &pubsubpb.SubscribeResponse_Item{Item: &pubsubpb.TopicItem{
				TopicSequenceNumber: at.Sequence, SequencePage: at.Page, Value: value, PublisherId: m.PublisherID,
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := EncodeItem(at, m); !bytes.Equal(got, want) {
			t.Fatalf("encoded %x, want %x", got, want)
		} else if cap(got)-len(got) > 48 {
			t.Fatalf("%d bytes take room for %d", len(got), cap(got))
		}
	})
}

func TestEncodeDiscontinuityIsTheGeneratedMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := fanout.Discontinuity{
			Last: rapid.Uint64().Draw(t, "last"), New: rapid.Uint64().Draw(t, "new"), Page: rapid.Uint64().Draw(t, "page"),
		}
		want, err := proto.Marshal(&pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Discontinuity{
			Discontinuity: &pubsubpb.Discontinuity{LastTopicSequence: d.Last, NewTopicSequence: d.New, NewSequencePage: d.Page},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got := encodeDiscontinuity(d); !bytes.Equal(got, want) {
			t.Fatalf("encoded %x, want %x", got, want)
		}
	})
}

func TestHeartbeatIsTheGeneratedMessage(t *testing.T) {
	want, err := proto.Marshal(&pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Heartbeat{Heartbeat: &pubsubpb.Heartbeat{}}})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encodedHeartbeat, want) {
		t.Fatalf("encoded %x, want %x", encodedHeartbeat, want)
	}
}
