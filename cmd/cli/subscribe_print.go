package cli

import (
	"fmt"
	"time"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// subscribeForm is how the messages of a subscription are shown.
type subscribeForm struct {
	heartbeats, raw bool
}

// event is one message in JSON. Time is when it arrived here; the server sends
// none.
type event struct {
	Type     string    `json:"type"`
	Time     time.Time `json:"time"`
	Page     *uint64   `json:"page,omitempty"`
	Sequence *uint64   `json:"sequence,omitempty"`
	// Last is the last sequence number before a discontinuity.
	Last    *uint64 `json:"last_sequence,omitempty"`
	TokenID *string `json:"token_id,omitempty"`
	value
}

// printer returns the function that shows one message.
func (form *subscribeForm) printer(s *session) func(*pubsubpb.SubscribeResponse) error {
	switch {
	case form.raw:
		return form.rawPrinter(s)
	case s.out.json:
		return form.jsonPrinter(s)
	default:
		return form.textPrinter(s)
	}
}

func (form *subscribeForm) jsonPrinter(s *session) func(*pubsubpb.SubscribeResponse) error {
	return func(message *pubsubpb.SubscribeResponse) error {
		now := time.Now().UTC()
		switch kind := message.GetKind().(type) {
		case *pubsubpb.SubscribeResponse_Item:
			i := kind.Item
			return s.out.line(event{
				Type: "item", Time: now, Page: &i.SequencePage, Sequence: &i.TopicSequenceNumber,
				TokenID: &i.PublisherId, value: topicValueJSON(i.GetValue()),
			})
		case *pubsubpb.SubscribeResponse_Discontinuity:
			d := kind.Discontinuity
			return s.out.line(event{
				Type: "discontinuity", Time: now, Page: &d.NewSequencePage, Sequence: &d.NewTopicSequence, Last: &d.LastTopicSequence,
			})
		case *pubsubpb.SubscribeResponse_Heartbeat:
			if form.heartbeats {
				return s.out.line(event{Type: "heartbeat", Time: now})
			}
		}
		return nil
	}
}

// columns of the lines for people; the page and the sequence number together
// are an item's position.
const (
	itemHeader = "TIME           PAGE   SEQUENCE  TOKEN ID      VALUE\n"
	itemLine   = "%-12s %6d %10d  %-12s  %s\n"
)

func (form *subscribeForm) textPrinter(s *session) func(*pubsubpb.SubscribeResponse) error {
	header := itemHeader
	return func(message *pubsubpb.SubscribeResponse) (err error) {
		now := time.Now().Format("15:04:05.000")
		switch kind := message.GetKind().(type) {
		case *pubsubpb.SubscribeResponse_Item:
			i := kind.Item
			publisher := "-"
			if i.GetPublisherId() != "" {
				publisher = printable(i.GetPublisherId())
			}
			_, err = fmt.Fprintf(s.out.w, header+itemLine, now, i.GetSequencePage(), i.GetTopicSequenceNumber(), publisher, printable(topicBytes(i.GetValue())))
			header = ""
		default:
			form.remark(s, message)
		}
		return err
	}
}

func (form *subscribeForm) rawPrinter(s *session) func(*pubsubpb.SubscribeResponse) error {
	return func(message *pubsubpb.SubscribeResponse) error {
		item := message.GetItem()
		if item == nil {
			form.remark(s, message)
			return nil
		}
		_, err := s.out.w.Write(append(topicBytes(item.GetValue()), '\n'))
		return err
	}
}

// remark tells people on standard error what is no item.
func (form *subscribeForm) remark(s *session, message *pubsubpb.SubscribeResponse) {
	switch kind := message.GetKind().(type) {
	case *pubsubpb.SubscribeResponse_Discontinuity:
		d := kind.Discontinuity
		s.program.remark("mayfly: items may be missing: after item %d the topic goes on with item %d of page %d",
			d.GetLastTopicSequence(), d.GetNewTopicSequence()+1, d.GetNewSequencePage())
	case *pubsubpb.SubscribeResponse_Heartbeat:
		if form.heartbeats {
			s.program.remark("mayfly: heartbeat")
		}
	}
}

func topicBytes(v *pubsubpb.TopicValue) []byte {
	if text, ok := v.GetKind().(*pubsubpb.TopicValue_Text); ok {
		return []byte(text.Text)
	}
	return v.GetBinary()
}

// topicValueJSON keeps the member the item was published with.
func topicValueJSON(v *pubsubpb.TopicValue) value {
	if text, ok := v.GetKind().(*pubsubpb.TopicValue_Text); ok {
		return asText(text.Text)
	}
	return value{Base64: v.GetBinary()}
}
