package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/api"
)

// maxID is the longest id that a message may be given, in bytes.
const maxID = 64

// wish is what a client sends on a socket: one of them, and a name for the answer.
type wish struct {
	ID          string       `json:"id"`
	Token       *string      `json:"token"`
	Publish     *publication `json:"publish"`
	Subscribe   *position    `json:"subscribe"`
	Unsubscribe *position    `json:"unsubscribe"`
}

type publication struct {
	Topic string `json:"topic"`
	Value value  `json:"value"`
}

// position is a place in a topic.
type position struct {
	Topic    string `json:"topic"`
	Sequence uint64 `json:"sequence_number"`
	Page     uint64 `json:"sequence_page"`
}

// reply is what a client is told, beside items.
type reply struct {
	ID        string    `json:"id,omitempty"`
	Topic     string    `json:"topic,omitempty"`
	OK        bool      `json:"ok,omitempty"`
	Heartbeat *struct{} `json:"heartbeat,omitempty"`
	Error     *problem  `json:"error,omitempty"`
}

// parseWish reads what a client sent.
func parseWish(raw []byte) (m wish, err error) {
	if !utf8.Valid(raw) { // the library would mend it
		return m, errors.New("the message is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return wish{}, fmt.Errorf("the message is not understood: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, errors.New("the message goes on behind its end")
	}
	wishes := 0
	for _, is := range []bool{m.Token != nil, m.Publish != nil, m.Subscribe != nil, m.Unsubscribe != nil} {
		if is {
			wishes++
		}
	}
	switch {
	case wishes != 1:
		return m, errors.New("a message holds one of token, publish, subscribe and unsubscribe")
	case len(m.ID) > maxID:
		return m, fmt.Errorf("the id has %d bytes, the most is %d", len(m.ID), maxID)
	case m.Publish != nil && (m.Publish.Value.Text == nil) == (m.Publish.Value.Binary == nil):
		return m, errors.New("a value is one of text and binary")
	}
	return m, nil
}

// handle does what a message asks for.
func (k *socket) handle(raw []byte) {
	m, err := parseWish(raw)
	switch {
	case err != nil:
		k.complain(m.ID, "", codes.InvalidArgument, err.Error())
		k.temper.fault(k.ctx)
	case m.Token != nil:
		k.complain(m.ID, "", codes.FailedPrecondition, "this socket has its credential; open another one for another")
	case m.Publish != nil:
		k.publish(m.ID, m.Publish)
	case m.Subscribe != nil:
		k.subscribe(m.ID, &pubsubpb.SubscribeRequest{
			CacheName: k.cache, Topic: k.named(m.Subscribe.Topic),
			ResumeAtTopicSequenceNumber: m.Subscribe.Sequence, SequencePage: m.Subscribe.Page,
		})
	default:
		k.unsubscribe(m.ID, k.named(m.Unsubscribe.Topic))
	}
}

// named is the topic that a message means.
func (k *socket) named(topic string) string {
	if topic == "" {
		return k.topic
	}
	return topic
}

// publish publishes a value. The next message waits for it, so that the order stays.
func (k *socket) publish(id string, p *publication) {
	request := &pubsubpb.PublishRequest{CacheName: k.cache, Topic: k.named(p.Topic), Value: new(pubsubpb.TopicValue)}
	if p.Value.Text != nil {
		request.Value.Kind = &pubsubpb.TopicValue_Text{Text: *p.Value.Text}
	} else {
		request.Value.Kind = &pubsubpb.TopicValue_Binary{Binary: *p.Value.Binary}
	}
	end, _ := k.server.call(k.ctx, api.Call{Method: pubsubpb.Pubsub_Publish_FullMethodName, Header: k.header},
		&plainCall{func(max int) (proto.Message, error) {
			if proto.Size(request) > max {
				return nil, api.ErrTooLarge
			}
			return request, nil
		}, new(pubsubpb.PublishResponse)})
	if end.Code() == codes.OK {
		k.done(id)
		return
	}
	k.failed(id, "", end)
}

// failed tells the client how a call ended. Without a good credential there is
// nothing more for it to do here.
func (k *socket) failed(id, topic string, end *status.Status) {
	message := end.Message()
	switch end.Code() {
	case codes.Unauthenticated:
		k.leave(unauthorized(message))
		return
	case codes.NotFound:
		message = "Cache Not Found"
	}
	k.complain(id, topic, end.Code(), message)
}

// done says that all is well to a client that wants to know.
func (k *socket) done(id string) {
	if id != "" {
		k.tell(reply{ID: id, OK: true})
	}
}

// complain says what is wrong. With a topic it says that the client does not listen
// to that topic, or no longer.
func (k *socket) complain(id, topic string, code codes.Code, message string) {
	k.tell(reply{ID: id, Topic: topic, Error: &problem{codeName(code), message}})
}

// tell sends a reply. What comes of it, its reader finds out.
func (k *socket) tell(r reply) {
	text, err := json.Marshal(r)
	if err == nil {
		err = k.write(text)
	}
	if err != nil {
		k.cut()
	}
}

// write sends a message, or fails after a while.
func (k *socket) write(text []byte) error {
	ctx, cancel := context.WithTimeout(k.ctx, writeTime)
	defer cancel()
	return k.conn.Write(ctx, websocket.MessageText, text)
}
