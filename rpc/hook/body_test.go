package hook

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// protocol.md 9.2.
func TestGoldenSignature(t *testing.T) {
	const want = "b43f72787eb66410ff110295b036ef828e5686af21b414ce092f02c05deea3da"
	if got := Sign("1234567890", []byte(`{"text":"some text", "another_field": "another field" }`)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestBody(t *testing.T) {
	topic, at := fanout.Key{Cache: "chat", Topic: "room <1>"}, fanout.Position{Page: 4194304, Sequence: 7}
	published, now := time.UnixMilli(1000), time.UnixMilli(2500)
	for want, m := range map[string]route.Message{
		`{"cache":"chat","topic":"room <1>","event_timestamp":1000,"publish_timestamp":2500,"topic_sequence_number":7,"topic_sequence_page":4194304,"token_id":"ann","text":"a & \"b\""}`: {
			Text: true, Value: []byte(`a & "b"`), PublisherID: "ann",
		},
		`{"cache":"chat","topic":"room <1>","event_timestamp":1000,"publish_timestamp":2500,"topic_sequence_number":7,"topic_sequence_page":4194304,"token_id":"","text":""}`: {Text: true},
		`{"cache":"chat","topic":"room <1>","event_timestamp":1000,"publish_timestamp":2500,"topic_sequence_number":7,"topic_sequence_page":4194304,"token_id":"","binary":"AP8="}`: {
			Value: []byte{0, 255},
		},
		`{"cache":"chat","topic":"room <1>","event_timestamp":1000,"publish_timestamp":2500,"topic_sequence_number":7,"topic_sequence_page":4194304,"token_id":"","binary":""}`: {},
	} {
		got, err := encode(topic, at, published, now, m)
		if err != nil || string(got) != want || !json.Valid(got) {
			t.Errorf("got  %s, %v\nwant %s", got, err, want)
		}
	}
}
