package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// letter is an exchange in memory.
type letter struct {
	message []byte
	wrong   error // instead of the message

	mu       sync.Mutex
	received bool
	pending  [][]byte
	flushed  chan []byte
	flushes  int
	cut      chan struct{}
	deaf     bool // its client reads nothing
}

func newLetter(t *testing.T, message proto.Message) *letter {
	t.Helper()
	raw, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return &letter{message: raw, flushed: make(chan []byte, 1000), cut: make(chan struct{})}
}

func (l *letter) Receive(max int) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.received {
		return nil, errors.New("asked twice for one message")
	}
	l.received = true
	if len(l.message) > max {
		return nil, ErrTooLarge
	}
	return l.message, l.wrong
}

func (l *letter) Send(message []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, slices.Clone(message))
	return nil
}

func (l *letter) Flush() error {
	l.mu.Lock()
	l.flushes++
	deaf := l.deaf && len(l.pending) > 0
	for _, m := range l.pending {
		l.flushed <- m
	}
	l.pending = nil
	l.mu.Unlock()
	if deaf {
		<-l.cut
		return errors.New("cut")
	}
	return nil
}

func (l *letter) Cut() { close(l.cut) }

// next returns the next message that went out.
func (l *letter) next(t *testing.T) *pubsubpb.SubscribeResponse {
	t.Helper()
	select {
	case raw := <-l.flushed:
		m := new(pubsubpb.SubscribeResponse)
		if err := proto.Unmarshal(raw, m); err != nil {
			t.Fatal(err)
		}
		return m
	case <-time.After(5 * time.Second):
		t.Fatal("nothing is sent")
		return nil
	}
}

// post has the server serve a call.
func (w *world) post(ctx context.Context, method string, l *letter, header ...string) (*status.Status, metadata.MD) {
	return w.server.Call(ctx, Call{Method: method, Header: metadata.Pairs(header...)}, l)
}

func TestForeignCalls(t *testing.T) {
	w := newWorld(t, settings{})
	w.set(t, "k", "value")
	get := &cachepb.GetRequest{CacheKey: []byte("k")}

	l := newLetter(t, get)
	end, md := w.post(t.Context(), cachepb.Scs_Get_FullMethodName, l, "cache", "c")
	var answer cachepb.GetResponse
	if end.Code() != codes.OK || len(md) > 0 || len(l.pending) != 1 || proto.Unmarshal(l.pending[0], &answer) != nil || string(answer.GetCacheBody()) != "value" {
		t.Errorf("get: %v %v %q", end, md, l.pending)
	}

	l = newLetter(t, &cachepb.GetBatchRequest{Items: []*cachepb.GetRequest{get, get, get}})
	if end, _ := w.post(t.Context(), cachepb.Scs_GetBatch_FullMethodName, l, "cache", "c"); end.Code() != codes.OK || len(l.flushed) != 3 {
		t.Errorf("a batch: %v, %d answers", end, len(l.flushed))
	}

	for name, test := range map[string]struct {
		method string
		letter *letter
		cache  string
		code   codes.Code
		err    string
	}{
		"no such cache":   {cachepb.Scs_Get_FullMethodName, newLetter(t, get), "other", codes.NotFound, ""},
		"no cache":        {cachepb.Scs_Get_FullMethodName, newLetter(t, get), "", codes.InvalidArgument, ""},
		"no such method":  {"/cache_client.Scs/Nothing", newLetter(t, get), "c", codes.Unimplemented, ""},
		"no method":       {"", newLetter(t, get), "c", codes.Unimplemented, ""},
		"many messages":   {reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName, newLetter(t, get), "c", codes.Unimplemented, ""},
		"garbage":         {cachepb.Scs_Get_FullMethodName, &letter{message: []byte{0xff}}, "c", codes.InvalidArgument, ""},
		"broken envelope": {cachepb.Scs_Get_FullMethodName, &letter{wrong: errors.New("not base64")}, "c", codes.InvalidArgument, ""},
		"too large":       {cachepb.Scs_Get_FullMethodName, &letter{wrong: ErrTooLarge}, "c", codes.ResourceExhausted, "request_size_limit_exceeded"},
		"item too large": {
			cachepb.Scs_Set_FullMethodName,
			newLetter(t, &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: make([]byte, 5_100_000), TtlMilliseconds: minute}),
			"c", codes.ResourceExhausted, "item_size_limit_exceeded",
		},
	} {
		end, md := w.post(t.Context(), test.method, test.letter, "cache", test.cache)
		if got := strings.Join(md.Get(errTrailer), " "); end.Code() != test.code || got != test.err {
			t.Errorf("%s: %v, err %q, want %v and %q", name, end, got, test.code, test.err)
		}
		if len(test.letter.pending)+len(test.letter.flushed) > 0 {
			t.Errorf("%s: answered all the same", name)
		}
	}
	if n := w.server.door.budget.used.Load(); n != 0 {
		t.Errorf("%d bytes are still counted as in flight", n)
	}
}

// Who may not call is told so before any of the body is read.
func TestForeignCallersAreChecked(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	key, _ := w.superKey(t)
	for name, test := range map[string]struct {
		header []string
		code   codes.Code
		reads  bool
	}{
		"nobody":   {nil, codes.Unauthenticated, false},
		"a forger": {[]string{"authorization", key + "x"}, codes.Unauthenticated, false},
		"a holder": {[]string{"authorization", key}, codes.OK, true},
	} {
		l := newLetter(t, &cachepb.GetRequest{CacheKey: []byte("k")})
		end, _ := w.post(t.Context(), cachepb.Scs_Get_FullMethodName, l, append(test.header, "cache", "c")...)
		if end.Code() != test.code || l.received != test.reads {
			t.Errorf("%s: %v, body read: %v", name, end, l.received)
		}
	}
}

func TestForeignPanic(t *testing.T) {
	w := newWorld(t, settings{})
	w.failWith(func(string) error { panic("boom") })
	if end, _ := w.post(t.Context(), cachepb.Scs_Get_FullMethodName, newLetter(t, &cachepb.GetRequest{CacheKey: []byte("k")}), "cache", "c"); end.Code() != codes.Internal {
		t.Errorf("%v", end)
	}
	w.failWith(nil)
}

// subscribeBy subscribes over an exchange and returns how that ends.
func (w *world) subscribeBy(ctx context.Context, l *letter, call Call) <-chan codes.Code {
	call.Method = pubsubpb.Pubsub_Subscribe_FullMethodName
	ended := make(chan codes.Code, 1)
	go func() {
		end, _ := w.server.Call(ctx, call, l)
		ended <- end.Code()
	}()
	return ended
}

// finished waits for the end of a call.
func finished(t *testing.T, ended <-chan codes.Code) codes.Code {
	t.Helper()
	select {
	case code := <-ended:
		return code
	case <-time.After(10 * time.Second):
		t.Fatal("the call does not end")
		return 0
	}
}

func (w *world) publishText(t *testing.T, text string) {
	t.Helper()
	if err := w.Publish(t.Context(), "c", "t", route.Message{Text: true, Value: []byte(text)}); err != nil {
		t.Fatal(err)
	}
}

func TestForeignSubscription(t *testing.T) {
	w := newWorld(t, settings{})
	ctx, cancel := context.WithCancel(t.Context())
	l := newLetter(t, &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})
	ended := w.subscribeBy(ctx, l, Call{})
	if l.next(t).GetHeartbeat() == nil {
		t.Error("no heartbeat comes first")
	}
	for i := range 40 {
		w.publishText(t, strings.Repeat("x", i+1))
	}
	for i := range 40 {
		if item := l.next(t).GetItem(); len(item.GetValue().GetText()) != i+1 || item.GetTopicSequenceNumber() != uint64(i+1) {
			t.Fatalf("item %d is %v", i+1, item)
		}
	}
	cancel()
	if code := finished(t, ended); code != codes.Canceled {
		t.Errorf("ended with %v", code)
	}

	// What is there already goes out together.
	ctx, cancel = context.WithCancel(t.Context())
	l = newLetter(t, &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t", ResumeAtTopicSequenceNumber: 1})
	ended = w.subscribeBy(ctx, l, Call{})
	for range 41 {
		l.next(t)
	}
	cancel()
	finished(t, ended)
	if l.flushes > 4 {
		t.Errorf("forty items took %d flushes", l.flushes)
	}
}

// A stream that is full, or old, ends cleanly, and its client knows where to go
// on: from the last item, or from the discontinuity when there was none.
func TestForeignSubscriptionsAreRecycled(t *testing.T) {
	w := newWorld(t, settings{})
	for range 3 {
		w.publishText(t, "before")
	}
	l := newLetter(t, &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})
	ended := w.subscribeBy(t.Context(), l, Call{MaxBytes: 100})
	l.next(t)
	w.publishText(t, strings.Repeat("x", 90))
	if code := finished(t, ended); code != codes.OK {
		t.Errorf("a full stream ends with %v", code)
	}
	_ = l.Flush()
	if item := l.next(t).GetItem(); item.GetTopicSequenceNumber() != 4 || len(l.flushed) != 0 {
		t.Errorf("the item is %v, and %d more", item, len(l.flushed))
	}

	l = newLetter(t, &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})
	began := time.Now()
	ended = w.subscribeBy(t.Context(), l, Call{MaxAge: 80 * time.Millisecond})
	l.next(t)
	if code := finished(t, ended); code != codes.OK {
		t.Errorf("an old stream ends with %v", code)
	}
	_ = l.Flush()
	gap := l.next(t).GetDiscontinuity()
	if gap == nil || gap.GetNewTopicSequence() != 4 || gap.GetNewSequencePage() == 0 {
		t.Errorf("before its end an old stream says %v", gap)
	}
	if age := time.Since(began); age < 70*time.Millisecond {
		t.Errorf("it became %v old only", age)
	}

	l = newLetter(t, &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})
	over, end := context.WithCancel(t.Context())
	ended = w.subscribeBy(t.Context(), l, Call{Over: over})
	l.next(t)
	w.publishText(t, "more")
	if item := l.next(t).GetItem(); item.GetTopicSequenceNumber() != 5 {
		t.Errorf("the item is %v", item)
	}
	end()
	if code := finished(t, ended); code != codes.OK {
		t.Errorf("a stream that is over ends with %v", code)
	}
}

// A page that hears nothing for ten minutes comes back from many a stream that has
// become old, and gets the first item of its topic, though that was published while it
// was on its way.
func TestForeignSubscriptionsThatRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{config: Config{Heartbeat: 5 * time.Second}})
		request := &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"}
		streams := 0
		for began := time.Now(); time.Since(began) < 10*time.Minute; streams++ {
			l := newLetter(t, request)
			if code := <-w.subscribeBy(t.Context(), l, Call{MaxAge: time.Minute}); code != codes.OK {
				t.Fatalf("stream %d ends with %v", streams, code)
			}
			_ = l.Flush()
			beats := len(l.flushed) - 1
			if beats < 8 || beats > 12 {
				t.Errorf("%d heartbeats in a minute", beats)
			}
			for range beats {
				if m := l.next(t); m.GetHeartbeat() == nil {
					t.Errorf("%v instead of a heartbeat", m)
				}
			}
			last := l.next(t).GetDiscontinuity()
			if last == nil {
				t.Fatal("an idle stream ends and does not say where")
			}
			request.ResumeAtTopicSequenceNumber, request.SequencePage = last.GetNewTopicSequence()+1, last.GetNewSequencePage()
		}
		if streams < 10 {
			t.Errorf("%d streams in ten minutes", streams)
		}
		w.publishText(t, "at last")
		l := newLetter(t, request)
		ctx, cancel := context.WithCancel(t.Context())
		ended := w.subscribeBy(ctx, l, Call{MaxAge: time.Minute})
		l.next(t)
		if item := l.next(t).GetItem(); item.GetValue().GetText() != "at last" {
			t.Errorf("the first item is %v", item)
		}
		cancel()
		<-ended
	})
}

func TestForeignSubscriptionsAreDrained(t *testing.T) {
	w := newWorld(t, settings{config: Config{DrainSpread: time.Millisecond}})
	l := newLetter(t, &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})
	ended := w.subscribeBy(t.Context(), l, Call{})
	l.next(t)
	if err := w.server.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := finished(t, ended); code != codes.OK {
		t.Errorf("ended with %v", code)
	}
	if end, _ := w.post(t.Context(), cachepb.Scs_Get_FullMethodName, newLetter(t, &cachepb.GetRequest{CacheKey: []byte("k")}), "cache", "c"); end.Code() != codes.Unavailable {
		t.Errorf("a call afterwards: %v", end)
	}
}

// A client that reads nothing is let go of.
func TestForeignClientsThatDoNotRead(t *testing.T) {
	w := newWorld(t, settings{config: Config{Heartbeat: 20 * time.Millisecond, Stall: 50 * time.Millisecond}})
	l := newLetter(t, &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})
	ended := w.subscribeBy(t.Context(), l, Call{})
	l.next(t)
	l.mu.Lock()
	l.deaf = true
	l.mu.Unlock()
	w.publishText(t, "x")
	finished(t, ended)
}
