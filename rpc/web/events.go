package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/api"
)

const eventStream = "text/event-stream"

// eventStreamAge is when a stream of events ends, so that its client, which comes
// back by itself, may find a better node.
const eventStreamAge = 6 * time.Hour

// events serves a topic as server-sent events: items as messages, discontinuities
// under their own name, each with an id from which a browser resumes by itself.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	s.turnAway()
	request, err := subscription(r)
	if last := r.Header.Get("Last-Event-ID"); err == nil && last != "" {
		err = resume(request, last)
	}
	if err != nil {
		badRequest(w, "%v", err)
		return
	}
	md, ok := caller(w, r)
	if !ok {
		return
	}
	x := &eventExchange{exchange: newExchange(w, r), request: request, texts: s.eventTexts}
	end, trailer := s.call(r.Context(), api.Call{
		Method: pubsubpb.Pubsub_Subscribe_FullMethodName, Header: md, MaxAge: eventStreamAge,
	}, x)
	switch {
	case !x.begun && end.Code() == codes.Unavailable:
		// A browser would never come back after any status but 200.
		if x.begin() == nil {
			_ = x.write([]byte(": not at this moment, come back\n\n"))
		}
	case !x.begun && end.Code() != codes.OK:
		failed(w, end, trailer)
	case x.begun:
		_ = x.Flush() // what was said last; the client may have gone
	}
}

// eventID names a place in a topic, resume asks for what comes behind it.
func eventID(page, sequence uint64) string { return fmt.Sprintf("%d-%d", page, sequence) }

func resume(request *pubsubpb.SubscribeRequest, id string) error {
	page, sequence, _ := strings.Cut(id, "-")
	var errs [2]error
	request.SequencePage, errs[0] = strconv.ParseUint(page, 10, 64)
	last, err := strconv.ParseUint(sequence, 10, 63)
	if errs[1] = err; errors.Join(errs[:]...) != nil {
		return errors.New("Last-Event-ID is none of ours")
	}
	request.ResumeAtTopicSequenceNumber = last + 1
	return nil
}

// eventExchange carries a subscription as server-sent events.
type eventExchange struct {
	exchange
	request *pubsubpb.SubscribeRequest
	texts   *encodings
	begun   bool
}

// Receive implements api.Exchange.
func (x *eventExchange) Receive(int) ([]byte, error) { return proto.Marshal(x.request) }

// Send implements api.Exchange.
func (x *eventExchange) Send(message []byte) error { return x.send(eventText(message)) }

// SendShared implements api.SharedSender.
func (x *eventExchange) SendShared(message []byte) error { return x.send(x.texts.of(message)) }

func (x *eventExchange) send(text []byte, err error) error {
	if err != nil {
		return err
	}
	if !x.begun {
		if err := x.begin(); err != nil {
			return err
		}
	}
	return x.write(text)
}

// begin begins the answer, which says how soon to come back after its end.
func (x *eventExchange) begin() error {
	x.begun = true
	h := x.w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold back what is streamed
	return x.write([]byte("retry: 1000\n\n"))
}

// eventText is a message of a subscription as an event. JSON has no line breaks, so
// its data is one line.
func eventText(message []byte) ([]byte, error) {
	e, ok, err := decodeEvent(message)
	if err != nil {
		return nil, err
	}
	var (
		name, id string
		data     any
	)
	switch {
	case !ok:
		return []byte(": heartbeat\n\n"), nil
	case e.Item != nil:
		id, data = eventID(e.Item.Page, e.Item.Sequence), e.Item
	default:
		name, id, data = "event: discontinuity\n", eventID(e.Discontinuity.Page, e.Discontinuity.New), e.Discontinuity
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%sid: %s\ndata: %s\n\n", name, id, text), nil
}
