package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/mayfly-broker/mayfly/fanout"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/h2"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// listener is a subscription as a client sees it.
type listener struct {
	t      testing.TB
	stream grpc.ServerStreamingClient[pubsubpb.SubscribeResponse]
	stop   context.CancelFunc
}

// listen subscribes to topic "t" of cache "c", from a position and with headers,
// and takes the first heartbeat.
func (w *world) listen(t testing.TB, from fanout.Position, headers ...string) *listener {
	t.Helper()
	l := w.knock(t, from, headers...)
	if got := l.next(); got != "heartbeat" {
		t.Fatalf("the first message is %s", got)
	}
	return l
}

// knock subscribes and takes nothing.
func (w *world) knock(t testing.TB, from fanout.Position, headers ...string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(context.Background(), headers...))
	t.Cleanup(cancel)
	return w.knockIn(t, ctx, cancel, from)
}

func (w *world) knockIn(t testing.TB, ctx context.Context, stop context.CancelFunc, from fanout.Position) *listener {
	t.Helper()
	stream, err := w.topic.Subscribe(ctx, &pubsubpb.SubscribeRequest{
		CacheName: "c", Topic: "t", SequencePage: from.Page, ResumeAtTopicSequenceNumber: from.Sequence,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &listener{t: t, stream: stream, stop: stop}
}

// next is the next message in words.
func (l *listener) next() string {
	l.t.Helper()
	m, err := l.stream.Recv()
	if err != nil {
		return "end: " + err.Error()
	}
	switch m := m.GetKind().(type) {
	case *pubsubpb.SubscribeResponse_Heartbeat:
		return "heartbeat"
	case *pubsubpb.SubscribeResponse_Discontinuity:
		d := m.Discontinuity
		return fmt.Sprintf("gap %d to %d on %d", d.GetLastTopicSequence(), d.GetNewTopicSequence(), d.GetNewSequencePage()-firstPage)
	case *pubsubpb.SubscribeResponse_Item:
		return fmt.Sprintf("%d %s", m.Item.GetTopicSequenceNumber(), value(m.Item))
	default:
		return "nothing"
	}
}

func value(i *pubsubpb.TopicItem) string {
	switch v := i.GetValue().GetKind().(type) {
	case *pubsubpb.TopicValue_Text:
		return v.Text
	case *pubsubpb.TopicValue_Binary:
		return fmt.Sprintf("%x", v.Binary)
	default:
		return "no value"
	}
}

// expect fails unless these are the next messages.
func (l *listener) expect(want ...string) {
	l.t.Helper()
	for _, w := range want {
		if got := l.next(); got != w {
			l.t.Fatalf("got %q, want %q", got, w)
		}
	}
}

// ends fails unless the stream ends now with that code.
func (l *listener) ends(code codes.Code) {
	l.t.Helper()
	_, err := l.stream.Recv()
	if code == codes.OK {
		if err != io.EOF {
			l.t.Errorf("ends with %v, want a clean end", err)
		}
		return
	}
	wants(l.t, err, code)
}

func (w *world) say(t testing.TB, values ...string) {
	t.Helper()
	for _, v := range values {
		ok[*pubsubpb.PublishResponse](t)(w.topic.Publish(context.Background(), text("c", "t", v)))
	}
}

func TestSubscribe(t *testing.T) {
	w := newWorld(t, settings{})
	w.say(t, "before")
	l := w.listen(t, fanout.Position{})
	w.say(t, "a", "")
	ok[*pubsubpb.PublishResponse](t)(w.topic.Publish(t.Context(), &pubsubpb.PublishRequest{
		CacheName: "c", Topic: "t", Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Binary{Binary: []byte{1, 2}}},
	}))
	l.expect("2 a", "3 ", "4 0102")
}

func TestPublisherIsWhoTheCredentialSays(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	l := w.listen(t, fanout.Position{}, "authorization", w.rootText(t))
	publisher := w.disposable(t, time.Hour, "ada", topicStatement(permissionpb.TopicRole_TopicWriteOnly, "t"))
	key, _ := w.key(t, &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}})
	for credential, want := range map[string]string{publisher: "ada", key: "keyholder", w.rootText(t): ""} {
		ok[*pubsubpb.PublishResponse](t)(w.topic.Publish(in(t.Context(), "authorization", credential), text("c", "t", "x")))
		m := ok[*pubsubpb.SubscribeResponse](t)(l.stream.Recv())
		if got := m.GetItem().GetPublisherId(); got != want {
			t.Errorf("publisher is %q, want %q", got, want)
		}
	}
}

// Whatever forbids a subscription is the status of a stream without messages.
func TestRefusedSubscriptions(t *testing.T) {
	w := newWorld(t, settings{config: Config{Limits: Limits{Subscriptions: 1}}})
	for name, test := range map[string]struct {
		cache, topic string
		want         codes.Code
	}{
		"missing cache":      {"none", "t", codes.NotFound},
		"empty cache":        {"", "t", codes.InvalidArgument},
		"empty topic":        {"c", "", codes.InvalidArgument},
		"blank topic":        {"c", " \n", codes.InvalidArgument},
		"control characters": {"c", "a\x00b", codes.InvalidArgument},
		"a long topic":       {"c", string(make([]byte, 256)), codes.InvalidArgument},
		"cache beyond ASCII": {"ç", "t", codes.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			wants(t, drain(w.topic.Subscribe(t.Context(), &pubsubpb.SubscribeRequest{CacheName: test.cache, Topic: test.topic})), test.want)
			wants(t, second(w.topic.Publish(t.Context(), text(test.cache, test.topic, "x"))), test.want)
		})
	}
	w.listen(t, fanout.Position{})
	_, err := w.knock(t, fanout.Position{}).stream.Recv()
	limitedBy(t, err, "topic_subscriptions_limit_exceeded")
}

func TestPlacesAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{config: Config{Limits: Limits{Subscriptions: 1}}})
		for range 3 {
			l := w.listen(t, fanout.Position{})
			l.stop()
			synctest.Wait()
			if n := w.server.Streams(); n != 0 {
				t.Fatalf("%d streams are left after the client went away", n)
			}
		}
		if n := w.topics.Stats().Subscriptions; n != 0 {
			t.Errorf("%d subscriptions are open", n)
		}
	})
}

func TestPublishArguments(t *testing.T) {
	w := newWorld(t, settings{config: Config{Limits: Limits{MessageBytes: 10}}})
	wants(t, second(w.topic.Publish(t.Context(), &pubsubpb.PublishRequest{CacheName: "c", Topic: "t"})), codes.InvalidArgument)
	wants(t, second(w.topic.Publish(t.Context(), &pubsubpb.PublishRequest{CacheName: "c", Topic: "t", Value: &pubsubpb.TopicValue{}})), codes.InvalidArgument)
	wants(t, second(w.topic.Publish(t.Context(), text("c", "t", "0123456789"))), codes.OK)
	limitedBy(t, second(w.topic.Publish(t.Context(), text("c", "t", "0123456789a"))), "request_size_limit_exceeded")
}

// A client that has seen the heartbeat may publish at once, and gets that item.
func TestHeartbeatMeansSubscribed(t *testing.T) {
	w := newWorld(t, settings{})
	for range 200 {
		l := w.listen(t, fanout.Position{})
		w.say(t, "x")
		if got := l.next(); got == "heartbeat" {
			t.Fatal("the item is lost")
		}
		l.stop()
	}
}

func TestResume(t *testing.T) {
	page := uint64(firstPage)
	for _, test := range []struct {
		name string
		from fanout.Position
		want []string
	}{
		{"from now on", fanout.Position{}, []string{"6 x"}},
		{"within the log", fanout.Position{Page: page, Sequence: 4}, []string{"4 d", "5 e", "6 x"}},
		{"the next number", fanout.Position{Page: page, Sequence: 6}, []string{"6 x"}},
		{"before the log", fanout.Position{Page: page, Sequence: 2}, []string{"gap 1 to 2 on 0", "3 c", "4 d", "5 e", "6 x"}},
		{"another page", fanout.Position{Page: 7, Sequence: 9}, []string{"gap 8 to 2 on 0", "3 c", "4 d", "5 e", "6 x"}},
		{"beyond the counter", fanout.Position{Page: page, Sequence: 100}, []string{"gap 99 to 5 on 0", "6 x"}},
		{"an absurd number", fanout.Position{Page: page, Sequence: math.MaxUint64}, nil},
		{"an absurd page", fanout.Position{Page: math.MaxUint64, Sequence: 1}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, settings{fanout: fanout.Config{TopicItems: 3}})
			w.say(t, "a", "b", "c", "d", "e")
			l := w.listen(t, test.from)
			if test.want == nil {
				return
			}
			replay := len(test.want) - 1
			l.expect(test.want[:replay]...)
			w.say(t, "x")
			l.expect(test.want[replay])
		})
	}
}

func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{config: Config{Heartbeat: 4 * time.Second}})
		start := time.Now()
		l := w.listen(t, fanout.Position{})
		if time.Since(start) != 0 {
			t.Errorf("the first heartbeat came after %v", time.Since(start))
		}
		for range 3 {
			before := time.Now()
			l.expect("heartbeat")
			if quiet := time.Since(before); quiet < 3500*time.Millisecond || quiet > 4*time.Second {
				t.Errorf("a heartbeat after %v of quiet, want about 4s", quiet)
			}
		}
		// Items stand in for heartbeats.
		for range 10 {
			time.Sleep(3 * time.Second)
			w.say(t, "x")
			if got := l.next(); got == "heartbeat" {
				t.Error("a heartbeat on a stream that was not quiet")
			}
		}
		before := time.Now()
		l.expect("heartbeat")
		if quiet := time.Since(before); quiet < 3500*time.Millisecond || quiet > 4*time.Second {
			t.Errorf("a heartbeat after %v of quiet, want about 4s", quiet)
		}
	})
}

func TestExpiryEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		start := time.Now()
		token := w.disposable(t, 7*time.Second, "", topicStatement(permissionpb.TopicRole_TopicReadWrite, "t"))
		quiet := w.listen(t, fanout.Position{}, "authorization", token)
		quiet.expect("heartbeat")
		quiet.ends(codes.Unauthenticated)
		if lived := time.Since(start); lived != 7*time.Second {
			t.Errorf("lived %v, want 7s", lived)
		}
		wants(t, second(w.topic.Publish(in(t.Context(), "authorization", token), text("c", "t", "late"))), codes.Unauthenticated)
	})
}

// A stream that is never quiet ends just as exactly, and gets nothing later.
func TestExpiryEndsBusyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		start := time.Now()
		token := w.disposable(t, time.Second, "", topicStatement(permissionpb.TopicRole_TopicReadOnly, "t"))
		l := w.listen(t, fanout.Position{}, "authorization", token)
		publish, root := make(chan struct{}), w.rootText(t)
		go func() {
			defer close(publish)
			for time.Since(start) < 1100*time.Millisecond {
				time.Sleep(7 * time.Millisecond)
				_, _ = w.topic.Publish(in(context.Background(), "authorization", root), text("c", "t", "x"))
			}
		}()
		for {
			if _, err := l.stream.Recv(); err != nil {
				wants(t, err, codes.Unauthenticated)
				break
			}
		}
		if lived := time.Since(start); lived != time.Second {
			t.Errorf("lived %v, want 1s", lived)
		}
		<-publish
	})
}

func TestRevocationEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		key, id := w.superKey(t)
		other, _ := w.superKey(t)
		revoked := w.listen(t, fanout.Position{}, "authorization", key)
		untouched := w.listen(t, fanout.Position{}, "authorization", other)
		time.Sleep(time.Second)
		start := time.Now()
		if err := w.RevokeAPIKey(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		revoked.ends(codes.Unauthenticated)
		if took := time.Since(start); took > time.Second {
			t.Errorf("a revoked credential lived on for %v", took)
		}
		ok[*pubsubpb.PublishResponse](t)(w.topic.Publish(in(t.Context(), "authorization", other), text("c", "t", "x")))
		untouched.expect("1 x")
	})
}

// The first API key ends open mode, for streams too.
func TestSecuringEndsAnonymousStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{})
		l := w.listen(t, fanout.Position{})
		w.superKey(t)
		l.ends(codes.Unauthenticated)
	})
}

func TestDeletedCacheEndsStreams(t *testing.T) {
	w := newWorld(t, settings{})
	l := w.listen(t, fanout.Position{})
	if err := w.Delete(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	l.ends(codes.NotFound)
}

// What moves elsewhere ends cleanly, after what was still to be read.
func TestMovedTopicsEndStreams(t *testing.T) {
	w := newWorld(t, settings{})
	l := w.listen(t, fanout.Position{})
	w.say(t, "a", "b")
	w.topics.Abandon(partition)
	l.expect("1 a", "2 b")
	l.ends(codes.OK)
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{config: Config{DrainSpread: 2 * time.Second}})
		start := time.Now()
		ended := make(chan time.Duration)
		for range 8 {
			l := w.listen(t, fanout.Position{})
			go func() {
				l.ends(codes.OK)
				ended <- time.Since(start)
			}()
		}
		synctest.Wait() // all are served by now, not just greeted
		drained := make(chan error)
		go func() { drained <- w.server.Drain(t.Context()) }()
		early := 0
		for range 8 {
			if at := <-ended; at < time.Second {
				early++
			} else if at > 2*time.Second {
				t.Errorf("a stream ended after %v", at)
			}
		}
		if early != 4 {
			t.Errorf("%d of 8 streams ended in the first half, want 4", early)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
		wants(t, second(w.topic.Publish(t.Context(), text("c", "t", "x"))), codes.Unavailable)
		_, err := w.knock(t, fanout.Position{}).stream.Recv()
		wants(t, err, codes.Unavailable)
	})
}

func TestStopEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{})
		l := w.listen(t, fanout.Position{})
		stopped := make(chan error)
		go func() { stopped <- w.server.Stop(t.Context()) }()
		l.ends(codes.OK)
		if err := <-stopped; err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
}

// A call that hangs is cut when the time to stop is over.
func TestStopCutsWhatHangs(t *testing.T) {
	w := newWorld(t, settings{})
	entered, leave := make(chan struct{}), make(chan struct{})
	w.failWith(func(string) error { close(entered); <-leave; return nil })
	published := make(chan error)
	go func() { published <- second(w.topic.Publish(context.Background(), text("c", "t", "x"))) }()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stopped := make(chan error)
	go func() { stopped <- w.server.Stop(ctx) }()
	wants(t, <-published, codes.Unavailable)
	close(leave)
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("Stop: %v", err)
	}
}

func TestHandOver(t *testing.T) {
	const node = "grpc-node-js/1.13.0"
	for name, test := range map[string]struct {
		agent    string
		patience time.Duration // 0: no deadline
		say      bool
		want     []string
		code     codes.Code
	}{
		"node, quiet":              {node, 5 * time.Second, false, []string{"gap 0 to 1 on 0"}, codes.OK},
		"node, an item went out":   {node, 5 * time.Second, true, []string{"2 x"}, codes.OK},
		"node, little patience":    {node, 100 * time.Millisecond, false, []string{"gap 0 to 1 on 0"}, codes.OK},
		"python, quiet":            {"grpc-python/1.46 grpc-c/24", 5 * time.Second, false, nil, codes.DeadlineExceeded},
		"go with a deadline":       {"grpc-go/1.85.0", 3 * time.Second, false, nil, codes.DeadlineExceeded},
		"node, second stream":      {node, 0, false, []string{"heartbeat", "heartbeat"}, codes.Canceled},
		"go, as it always is":      {"grpc-go/1.85.0", 0, false, []string{"heartbeat", "heartbeat"}, codes.Canceled},
		"node behind another name": {"app/1.0 " + node, 5 * time.Second, false, []string{"gap 0 to 1 on 0"}, codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, settings{
					config: Config{Heartbeat: 6 * time.Second}, // not when a deadline is
					dial:   []grpc.DialOption{grpc.WithUserAgent(test.agent)},
				})
				w.say(t, "before")
				ctx, cancel := context.WithCancel(context.Background())
				if test.patience > 0 {
					ctx, cancel = context.WithTimeout(ctx, test.patience)
				}
				defer cancel()
				start := time.Now()
				l := w.knockIn(t, ctx, cancel, fanout.Position{})
				l.expect("heartbeat")
				if test.say {
					w.say(t, "x")
				}
				l.expect(test.want...)
				if test.patience == 0 {
					cancel()
				}
				l.ends(test.code)
				if lived := time.Since(start); test.code == codes.OK && (lived >= test.patience || lived < test.patience*8/10) {
					t.Errorf("handed over after %v of %v", lived, test.patience)
				}
			})
		})
	}
}

// The next stream of a handed-over subscription misses nothing.
func TestHandOverLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{dial: []grpc.DialOption{grpc.WithUserAgent("grpc-node-js/1.13.0")}})
		w.say(t, "before")
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		l := w.knockIn(t, ctx, cancel, fanout.Position{})
		l.expect("heartbeat")
		var anchor *pubsubpb.Discontinuity
		for anchor == nil {
			anchor = ok[*pubsubpb.SubscribeResponse](t)(l.stream.Recv()).GetDiscontinuity()
		}
		l.ends(codes.OK)
		w.say(t, "in between")
		next := w.listen(t, fanout.Position{Page: anchor.GetNewSequencePage(), Sequence: anchor.GetNewTopicSequence() + 1})
		next.expect("2 in between")
	})
}

// smallWindows keep a client from taking in more than it reads.
var smallWindows = []grpc.DialOption{grpc.WithInitialWindowSize(1 << 16), grpc.WithInitialConnWindowSize(1 << 20)}

// An idle stream, and who sent for it, hold on to nothing that was sent.
func TestSentItemsAreLetGo(t *testing.T) {
	m := newMemory(fanout.Config{})
	sub := ok[Subscription](t)(m.Subscribe(t.Context(), "c", "t", fanout.Position{}))
	s := &stream{sub: sub}
	for range 3 {
		if err := m.Publish(t.Context(), "c", "t", route.Message{Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	turn := &h2.Turn{Now: time.Now(), Messages: make([][]byte, 4)}
	if n, over := s.Next(turn); n != 3 || over {
		t.Fatalf("%d messages, over %v; want 3 and more to come", n, over)
	}
	for i, e := range turn.Scratch.(*batch) {
		if item, _ := e.Item(); item.Encoded != nil {
			t.Errorf("event %d still holds item %d", i, item.Sequence)
		}
	}
}

// A reader that reads nothing is in nobody's way, is told once what it missed,
// and loses its stream in the end.
func TestSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{fanout: fanout.Config{TopicItems: 64}, config: Config{Stall: time.Hour}, dial: smallWindows})
		slow, quick := w.listen(t, fanout.Position{}), w.listen(t, fanout.Position{})
		big := string(make([]byte, 4000))
		const items = 1000
		for i := range items {
			w.say(t, big)
			m := ok[*pubsubpb.SubscribeResponse](t)(quick.stream.Recv())
			if got := m.GetItem().GetTopicSequenceNumber(); got != uint64(i+1) {
				t.Fatalf("the quick reader got %d, want %d", got, i+1)
			}
			synctest.Wait() // the slow one is held up by its client, not by this test
		}
		gaps, last := 0, uint64(0)
		for last < items {
			m := ok[*pubsubpb.SubscribeResponse](t)(slow.stream.Recv())
			if d := m.GetDiscontinuity(); d != nil {
				gaps++
				if d.GetLastTopicSequence() != last || d.GetNewTopicSequence() <= last {
					t.Errorf("after %d: %v", last, d)
				}
				last = d.GetNewTopicSequence()
				continue
			}
			if got := m.GetItem().GetTopicSequenceNumber(); got != last+1 {
				t.Fatalf("%d follows %d without a word", got, last)
			}
			last++
		}
		if gaps != 1 {
			t.Errorf("%d discontinuities, want 1", gaps)
		}
	})
}

func TestStalledReadersAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{})
		stalled := w.listen(t, fanout.Position{})
		for range 200 {
			w.say(t, string(make([]byte, 4000)))
		}
		start := time.Now()
		for w.server.Streams() > 0 {
			time.Sleep(100 * time.Millisecond)
			if time.Since(start) > time.Minute {
				t.Fatal("a client that reads nothing keeps its stream")
			}
		}
		if took := time.Since(start); took < 25*time.Second || took > 45*time.Second {
			t.Errorf("let go after %v, want about 30s", took)
		}
		// When it wakes up it gets what was on its way, and a clean end.
		for {
			if _, err := stalled.stream.Recv(); err != nil {
				if err != io.EOF {
					t.Errorf("ends with %v, want a clean end", err)
				}
				return
			}
		}
	})
}

// A reader that is slow and reads all the same keeps its stream.
func TestSlowIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{fanout: fanout.Config{TopicItems: 1000, TopicBytes: 8 << 20, Retention: time.Hour}, dial: smallWindows})
		l := w.listen(t, fanout.Position{})
		for range 500 {
			w.say(t, string(make([]byte, 4000)))
		}
		for i := range 100 {
			time.Sleep(2 * time.Second)
			m := ok[*pubsubpb.SubscribeResponse](t)(l.stream.Recv())
			if got := m.GetItem().GetTopicSequenceNumber(); got != uint64(i+1) {
				t.Fatalf("got %d, want %d", got, i+1)
			}
		}
	})
}

// A credential revoked while its subscription is being placed is noticed, though
// the watch has been there already.
func TestRevokedWhilePlacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		key, id := w.superKey(t)
		w.failWith(func(call string) error {
			if call == "Subscribe" {
				w.failWith(nil)
				if err := w.RevokeAPIKey(context.Background(), id); err != nil {
					t.Error(err)
				}
				time.Sleep(500 * time.Millisecond)
			}
			return nil
		})
		l := w.listen(t, fanout.Position{}, "authorization", key)
		l.ends(codes.Unauthenticated)
	})
}

// A subscription that takes long to be placed must not cost the client its
// patience.
func TestSlowPlacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{})
		w.failWith(func(call string) error {
			if call == "Subscribe" {
				time.Sleep(3 * time.Second)
			}
			return nil
		})
		start := time.Now()
		l := w.listen(t, fanout.Position{})
		if took := time.Since(start); took != greetingPatience {
			t.Errorf("the first heartbeat came after %v, want %v", took, greetingPatience)
		}
		time.Sleep(3 * time.Second)
		w.say(t, "x")
		l.expect("1 x")
	})
}
