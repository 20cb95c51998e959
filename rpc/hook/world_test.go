package hook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a network without addresses: every dial reaches the one server that
// listens. It is made of pipes, so that time in it is a bubble's own.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// receivers is a poster whose posts all reach the handler.
func receivers(t *testing.T, handle http.HandlerFunc) *poster {
	t.Helper()
	network := newPipes()
	server := &http.Server{Handler: handle, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(network)
	}()
	p := newPoster(guard(t))
	p.client.Transport.(*http.Transport).DialContext = network.dial
	t.Cleanup(func() {
		p.close()
		_ = network.Close()
		_ = server.Shutdown(context.Background()) // waits for its handlers
		<-served
	})
	return p
}

// desk is a node with one group of topics, which it leads or not.
type desk struct {
	topics *fanout.Broker

	mu             sync.Mutex
	hooks          []*storev1.Webhook
	changed, moved chan struct{}

	follows bool           // this node may lead when another does
	heard   cluster.NodeID // another node that lives
}

func newDesk(t *testing.T, config fanout.Config) *desk {
	t.Helper()
	topics, err := fanout.New(config, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{topics: topics, changed: make(chan struct{}), moved: make(chan struct{})}
	d.own(t, 1)
	t.Cleanup(topics.Close)
	return d
}

func (d *desk) own(t *testing.T, term uint64) {
	t.Helper()
	d.ownAfter(t, term)
}

// ownAfter begins to lead after a leader of the term before, of which the others
// have seen that it numbered these texts in the room.
func (d *desk) ownAfter(t *testing.T, term uint64, texts ...string) {
	t.Helper()
	d.inherit(t, term, nil, texts...)
}

// inherit is ownAfter for a leader that has also left a note for webhook "a".
func (d *desk) inherit(t *testing.T, term uint64, left *note, texts ...string) {
	t.Helper()
	survey := d.topics.NewSurvey(0)
	before, _ := fanout.Page{Term: term - 1}.Number()
	for i, text := range texts {
		at := fanout.Position{Page: before, Sequence: uint64(100 + i)}
		seen := fanout.Seen{Key: fanout.Key{Cache: "c", Topic: "room"}, Last: at, Items: []fanout.Item{{Position: at, Encoded: []byte(text)}}}
		if err := survey.Adopt(seen); err != nil {
			t.Fatal(err)
		}
	}
	if left != nil {
		value, err := json.Marshal(left)
		if err != nil {
			t.Fatal(err)
		}
		at := fanout.Position{Page: before, Sequence: 7}
		key := beside(fanout.Key{Cache: "c", Topic: "room"}, "a")
		if err := survey.Adopt(fanout.Seen{Key: key, Last: at, Items: []fanout.Item{{Position: at, Encoded: value}}}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := fanout.Page{Term: term}.Number()
	if err == nil {
		err = survey.Own(page)
	}
	if err != nil {
		t.Fatal(err)
	}
	d.tell(&d.moved)
}

func (d *desk) tell(whom *chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(*whom)
	*whom = make(chan struct{})
}

// put replaces all webhooks.
func (d *desk) put(hooks ...*storev1.Webhook) {
	d.mu.Lock()
	d.hooks = hooks
	d.mu.Unlock()
	d.tell(&d.changed)
}

func (d *desk) Webhooks() []*storev1.Webhook {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hooks
}
func (d *desk) Numbers(string, string) uint64 { return d.topics.Base(0) }
func (d *desk) Changed() <-chan struct{}      { d.mu.Lock(); defer d.mu.Unlock(); return d.changed }
func (d *desk) Moved() <-chan struct{}        { d.mu.Lock(); defer d.mu.Unlock(); return d.moved }

func (d *desk) Self() cluster.NodeID { return "self" }

func (d *desk) Follows(string, string) bool { return d.topics.Base(0) == 0 && d.follows }

func (d *desk) Heard(_, _ string, node cluster.NodeID) bool { return node == "self" || node == d.heard }

func (d *desk) Note(topic fanout.Key, name string, value []byte) error {
	_, err := d.topics.Publish(0, beside(topic, name), time.Now(), func(fanout.Position) []byte { return value })
	return err
}

func beside(topic fanout.Key, name string) fanout.Key {
	return fanout.Key{Cache: topic.Cache, Topic: "\x00" + name + "\x00" + topic.Topic}
}

func (d *desk) ReadNotes(topic fanout.Key, name string, from fanout.Position) (*fanout.Subscription, error) {
	return d.Read(beside(topic, name), from)
}

func (d *desk) Read(topic fanout.Key, from fanout.Position) (*fanout.Subscription, error) {
	s, err := d.topics.Subscribe(0, topic, from, time.Now())
	if errors.Is(err, fanout.ErrNotOwner) {
		return nil, route.ErrNotExecuted
	}
	return s, err
}

func (d *desk) publish(t *testing.T, topic string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := d.topics.Publish(0, fanout.Key{Cache: "c", Topic: topic}, time.Now(), func(fanout.Position) []byte { return []byte(text) }); err != nil {
			t.Fatal(err)
		}
	}
}

// hookTo is a webhook whose receiver is known by a name.
func hookTo(name, topic string) *storev1.Webhook {
	return &storev1.Webhook{Cache: "c", Name: name, Topic: topic, Url: "http://" + name + ".test/", Secret: "secret of " + name}
}

// world is a deliverer with its desk, and receivers that write down what they are
// sent and answer what they are told to.
type world struct {
	*desk
	deliverer *Deliverer
	logged    *lockedText

	mu     sync.Mutex
	got    map[string][]string // by receiver, in order of arrival; guarded by mu
	bodies []map[string]any    // guarded by mu
	sizes  map[string]int      // of what each receiver was sent; guarded by mu
	count  map[string]int      // what the deliverer has counted, by webhook; guarded by mu
	answer func(receiver, text string, w http.ResponseWriter, r *http.Request)
}

type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// inWorld runs a story in fake time. The deliverer runs when run is called.
func inWorld(t *testing.T, tuning Tuning, config fanout.Config, story func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{desk: newDesk(t, config), logged: new(lockedText), got: make(map[string][]string), sizes: make(map[string]int), count: make(map[string]int)}
		deliverer, err := New(Config{
			Desk: w.desk, Guard: guard(t), Tuning: tuning, Logger: slog.New(slog.NewTextHandler(w.logged, nil)),
			Count: func(hook *storev1.Webhook, size int) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.count[hook.GetName()] += size
			},
			Decode: func(encoded []byte) (route.Message, error) {
				if string(encoded) == "garbage" {
					return route.Message{}, errors.New("garbage")
				}
				return route.Message{Text: true, Value: encoded}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		deliverer.poster = receivers(t, w.receive)
		w.deliverer = deliverer
		story(t, w)
	})
}

func (w *world) receive(writer http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	receiver := strings.TrimSuffix(r.Host, ".test")
	var body map[string]any
	if err != nil || json.Unmarshal(raw, &body) != nil || r.Method != http.MethodPost ||
		r.Header.Get(SignatureHeader) != Sign("secret of "+receiver, raw) {
		writer.WriteHeader(http.StatusTeapot) // which is told
		return
	}
	text, _ := body["text"].(string)
	w.mu.Lock()
	w.got[receiver] = append(w.got[receiver], text)
	w.bodies = append(w.bodies, body)
	w.sizes[receiver] += len(raw)
	answer := w.answer
	w.mu.Unlock()
	if answer != nil {
		answer(receiver, text, writer, r)
	}
}

// run runs the deliverer until the story ends.
func (w *world) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go w.deliverer.Run(ctx)
	t.Cleanup(func() {
		cancel()
		<-w.deliverer.done
	})
	synctest.Wait()
}

// after lets time pass, and returns what a receiver has been sent so far.
func (w *world) after(d time.Duration, receiver string) []string {
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.got[receiver]...)
}

// stats are the deliverer's when nothing moves any more.
func (w *world) stats() Stats {
	synctest.Wait()
	return w.deliverer.Stats()
}
