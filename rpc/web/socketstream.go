package web

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/api"
)

// socketBatch is how many bytes of items come together in one message, or one item
// more: some clients take no more than 32 KiB unless they are told to.
const socketBatch = 16 << 10

// subscribe adds a topic to the socket.
func (k *socket) subscribe(id string, request *pubsubpb.SubscribeRequest) {
	ctx, cancel := context.WithCancel(k.ctx)
	x := &socketExchange{socket: k, end: cancel, id: id, request: request}
	if code, why := k.place(x); code != codes.OK {
		cancel()
		topic := request.GetTopic()
		if code == codes.AlreadyExists {
			topic = "" // which goes on
		}
		k.complain(id, topic, code, why)
		return
	}
	k.busy.Go(func() {
		defer k.ended()
		defer cancel()
		k.listen(ctx, x)
	})
}

// place makes room for a topic, or says why there is none.
func (k *socket) place(x *socketExchange) (codes.Code, string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch topic := x.request.GetTopic(); {
	case k.left:
		return codes.Unavailable, "this socket is being closed"
	case k.subs[topic] != nil:
		return codes.AlreadyExists, "this socket listens to that topic already"
	case len(k.subs) >= socketTopics:
		return codes.ResourceExhausted, fmt.Sprintf("a socket listens to %d topics at most", socketTopics)
	case k.running >= 2*socketTopics:
		return codes.ResourceExhausted, "too many subscriptions of this socket are ending; read what they said last"
	default:
		k.subs[topic] = x
		k.running++
		return codes.OK, ""
	}
}

// ended notes that nothing is left of a subscription.
func (k *socket) ended() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running--
}

// displace takes away the subscription of a topic, if it is that one or any will do,
// and returns it.
func (k *socket) displace(topic string, only *socketExchange) *socketExchange {
	k.mu.Lock()
	defer k.mu.Unlock()
	x := k.subs[topic]
	if x == nil || only != nil && x != only {
		return nil
	}
	delete(k.subs, topic)
	k.settle()
	return x
}

// listen serves one subscription.
func (k *socket) listen(ctx context.Context, x *socketExchange) {
	end, _ := k.server.call(ctx, api.Call{
		Method: pubsubpb.Pubsub_Subscribe_FullMethodName, Header: k.header, Over: k.leaving,
	}, x)
	if ctx.Err() == nil {
		_ = x.Flush() // the client may have gone
	}
	topic := x.request.GetTopic()
	switch {
	case k.displace(topic, x) == nil: // it was unsubscribed
	case ctx.Err() != nil: // the socket is dropped
	case end.Code() == codes.OK, end.Code() == codes.Unavailable:
		k.leave(goingAway)
	default:
		k.failed(x.id, topic, end)
	}
}

// unsubscribe ends a subscription. What is under way may still come.
func (k *socket) unsubscribe(id, topic string) {
	x := k.displace(topic, nil)
	if x == nil {
		k.complain(id, topic, codes.NotFound, "this socket does not listen to that topic")
		return
	}
	x.end()
	k.done(id)
}

// socketExchange carries a subscription on a socket.
type socketExchange struct {
	socket  *socket
	end     context.CancelFunc
	id      string // of the message that asked for it, until that is answered
	request *pubsubpb.SubscribeRequest
	buf     []byte // items that wait for Flush, as a message that lacks its end
}

// Receive implements api.Exchange.
func (x *socketExchange) Receive(int) ([]byte, error) { return proto.Marshal(x.request) }

// Send implements api.Exchange.
func (x *socketExchange) Send(message []byte) error { return x.send(itemText(message)) }

// SendShared implements api.SharedSender.
func (x *socketExchange) SendShared(message []byte) error {
	return x.send(x.socket.server.itemTexts.of(message))
}

// itemText is a message of a subscription as it stands among others; a heartbeat does
// not.
func itemText(message []byte) ([]byte, error) {
	e, ok, err := decodeEvent(message)
	if err != nil || !ok {
		return nil, err
	}
	return json.Marshal(e)
}

func (x *socketExchange) send(text []byte, err error) error {
	if err != nil {
		return err
	}
	x.socket.done(x.id)
	x.id = ""
	if text == nil {
		if err := x.Flush(); err != nil {
			return err
		}
		return x.heartbeat()
	}
	if len(x.buf) == 0 {
		topic, err := json.Marshal(x.request.GetTopic())
		if err != nil {
			return err
		}
		x.buf = fmt.Appendf(x.buf, `{"topic":%s,"items":[`, topic)
	} else {
		x.buf = append(x.buf, ',')
	}
	if x.buf = append(x.buf, text...); len(x.buf) >= socketBatch {
		return x.Flush()
	}
	return nil
}

func (x *socketExchange) heartbeat() error {
	text, err := json.Marshal(reply{Topic: x.request.GetTopic(), Heartbeat: &struct{}{}})
	if err != nil {
		return err
	}
	return x.socket.write(text)
}

// Flush implements api.Exchange.
func (x *socketExchange) Flush() error {
	if len(x.buf) == 0 {
		return nil
	}
	err := x.socket.write(append(x.buf, "]}"...))
	if x.buf = x.buf[:0]; cap(x.buf) > keptBuffer {
		x.buf = nil
	}
	return err
}

// Cut implements api.Exchange.
func (x *socketExchange) Cut() { x.socket.cut() }
