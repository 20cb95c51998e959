package web

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/api"
)

// pollTime is how long a poll waits for something to happen: below the patience of
// common proxies.
const pollTime = 30 * time.Second

// pollEvents is how many events one answer holds at most, and pollBytes from how many
// bytes of them on it is enough: an answer is in memory as a whole, several times.
const (
	pollEvents = 256
	pollBytes  = 1 << 20
)

// listen answers with what is published to a topic, in the form that is asked for.
func (s *Server) listen(w http.ResponseWriter, r *http.Request) {
	switch {
	case asksForSocket(r):
		s.socket(w, r)
	case strings.Contains(r.Header.Get("Accept"), eventStream):
		s.events(w, r)
	default:
		s.poll(w, r)
	}
}

// publish publishes the body.
func (s *Server) publish(w http.ResponseWriter, r *http.Request) {
	md, ok := caller(w, r)
	if !ok {
		return
	}
	x := newExchange(w, r)
	if s.do(w, r, pubsubpb.Pubsub_Publish_FullMethodName, md, &plainCall{func(max int) (proto.Message, error) {
		body, err := x.body(max)
		if err != nil {
			return nil, err
		}
		message := &pubsubpb.PublishRequest{CacheName: r.PathValue("cache"), Topic: r.PathValue("topic")}
		if isBinary(r) {
			message.Value = &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Binary{Binary: body}}
			return message, nil
		}
		if !utf8.Valid(body) {
			return nil, errNoText
		}
		message.Value = &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: string(body)}}
		return message, nil
	}, new(pubsubpb.PublishResponse)}) {
		w.WriteHeader(http.StatusNoContent)
	}
}

var errNoText = errors.New("the body is no text in UTF-8; send it as application/octet-stream")

// isBinary reports whether the body of a request is said to be bytes. Whoever sends
// no type of its own, as curl does, sends text.
func isBinary(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == "application/octet-stream"
}

// subscription returns what to subscribe to, from where the query says.
func subscription(r *http.Request) (*pubsubpb.SubscribeRequest, error) {
	request := &pubsubpb.SubscribeRequest{CacheName: r.PathValue("cache"), Topic: r.PathValue("topic")}
	query := r.URL.Query()
	var err error
	if request.ResumeAtTopicSequenceNumber, err = number(query, "sequence_number"); err != nil {
		return nil, err
	}
	request.SequencePage, err = number(query, "sequence_page")
	return request, err
}

// number reads a number of a query; 0 when it is not there.
func number(query url.Values, name string) (uint64, error) {
	text := query.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, errors.New(name + " is not a whole number")
	}
	return n, nil
}

// poll answers with what has happened since a place in the topic, as soon as
// something has.
func (s *Server) poll(w http.ResponseWriter, r *http.Request) {
	request, err := subscription(r)
	if err != nil {
		badRequest(w, "%v", err)
		return
	}
	md, ok := caller(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pollTime)
	defer cancel()
	collected := &collection{plainCall: plainCall{request: just(request)}, events: []event{}}
	end, trailer := s.call(ctx, api.Call{Method: pubsubpb.Pubsub_Subscribe_FullMethodName, Header: md}, collected)
	quiet := end.Code() == codes.DeadlineExceeded && collected.placed
	if end.Code() != codes.OK && !quiet && len(collected.events) == 0 {
		failed(w, end, trailer)
		return
	}
	// The answer has its own time, whatever the poll took.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)) // fails only on a connection that is dead
	answerJSON(w, http.StatusOK, struct {
		Items []event `json:"items"`
	}{collected.events})
}

// collection takes the first events of a subscription that come together.
type collection struct {
	plainCall
	// placed: the subscription stands, which the first message says.
	placed bool
	events []event
	bytes  int // of the messages of the events
}

// Send implements api.Exchange.
func (c *collection) Send(message []byte) error {
	c.placed = true
	e, ok, err := decodeEvent(message)
	if err != nil || !ok {
		return err
	}
	c.events, c.bytes = append(c.events, e), c.bytes+len(message)
	if len(c.events) >= pollEvents || c.bytes >= pollBytes {
		return api.ErrEnough
	}
	return nil
}

// Flush implements api.Exchange.
func (c *collection) Flush() error {
	if len(c.events) > 0 {
		return api.ErrEnough
	}
	return nil
}

// event is an item or a discontinuity as JSON.
type event struct {
	Item          *item          `json:"item,omitempty"`
	Discontinuity *discontinuity `json:"discontinuity,omitempty"`
}

type item struct {
	Sequence  uint64 `json:"topic_sequence_number"`
	Page      uint64 `json:"sequence_page"`
	Value     value  `json:"value"`
	Publisher string `json:"publisher_id,omitempty"`
}

// value is one of the two.
type value struct {
	Text   *string `json:"text,omitempty"`
	Binary *[]byte `json:"binary,omitempty"` // base64
}

type discontinuity struct {
	Last uint64 `json:"last_topic_sequence"`
	New  uint64 `json:"new_topic_sequence"`
	Page uint64 `json:"new_sequence_page"`
}

// decodeEvent turns a message of a subscription into an event; ok is false for a
// heartbeat, which is none.
func decodeEvent(message []byte) (e event, ok bool, err error) {
	var m pubsubpb.SubscribeResponse
	if err := proto.Unmarshal(message, &m); err != nil {
		return event{}, false, err
	}
	switch kind := m.GetKind().(type) {
	case *pubsubpb.SubscribeResponse_Item:
		e.Item = &item{
			Sequence:  kind.Item.GetTopicSequenceNumber(),
			Page:      kind.Item.GetSequencePage(),
			Publisher: kind.Item.GetPublisherId(),
		}
		switch v := kind.Item.GetValue().GetKind().(type) {
		case *pubsubpb.TopicValue_Text:
			e.Item.Value.Text = &v.Text
		case *pubsubpb.TopicValue_Binary:
			b := append([]byte{}, v.Binary...) // nil would become null
			e.Item.Value.Binary = &b
		}
	case *pubsubpb.SubscribeResponse_Discontinuity:
		d := kind.Discontinuity
		e.Discontinuity = &discontinuity{d.GetLastTopicSequence(), d.GetNewTopicSequence(), d.GetNewSequencePage()}
	default:
		return event{}, false, nil
	}
	return e, true, nil
}
