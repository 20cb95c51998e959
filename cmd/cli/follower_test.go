package cli

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

type stream = grpc.ServerStreamingServer[pubsubpb.SubscribeResponse]

func heartbeat() *pubsubpb.SubscribeResponse {
	return &pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Heartbeat{Heartbeat: &pubsubpb.Heartbeat{}}}
}

func item(page, sequence uint64, publisher, text string) *pubsubpb.SubscribeResponse {
	return &pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Item{Item: &pubsubpb.TopicItem{
		TopicSequenceNumber: sequence, SequencePage: page, PublisherId: publisher,
		Value: topicValue([]byte(text), false),
	}}}
}

func discontinuity(last, next, page uint64) *pubsubpb.SubscribeResponse {
	return &pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Discontinuity{Discontinuity: &pubsubpb.Discontinuity{
		LastTopicSequence: last, NewTopicSequence: next, NewSequencePage: page,
	}}}
}

// act is what the broker does with one subscription.
type act struct {
	next, page uint64 // where the subscription must begin
	messages   []*pubsubpb.SubscribeResponse
	end        error // nil is an end in order
}

// play serves the acts one after the other.
func play(t *testing.T, acts ...act) *broker {
	var turn atomic.Int32
	return (&broker{subscribe: func(request *pubsubpb.SubscribeRequest, s stream) error {
		i := int(turn.Add(1)) - 1
		if i >= len(acts) {
			t.Errorf("subscribed %d times", i+1)
			return status.Error(codes.NotFound, "the play is over")
		}
		if request.GetResumeAtTopicSequenceNumber() != acts[i].next || request.GetSequencePage() != acts[i].page {
			t.Errorf("act %d began with %v, want %d of page %d", i+1, request, acts[i].next, acts[i].page)
		}
		for _, m := range acts[i].messages {
			if err := s.Send(m); err != nil {
				return err
			}
		}
		return acts[i].end
	}}).start(t)
}

var aTime = regexp.MustCompile(`\d\d:\d\d:\d\d\.\d\d\d|\d{4}-\d\d-\d\dT[0-9:.]+Z`)

func TestSubscriptionSurvivesRestarts(t *testing.T) {
	b := play(t,
		act{0, 0, []*pubsubpb.SubscribeResponse{heartbeat(), item(3, 7, "alice", "a"), item(3, 8, "", "b\tc")}, nil},
		act{9, 3, nil, status.Error(codes.Unavailable, "draining")},
		act{9, 3, []*pubsubpb.SubscribeResponse{heartbeat(), discontinuity(8, 20, 4)}, status.Error(codes.Internal, "a bug")},
		act{21, 4, []*pubsubpb.SubscribeResponse{item(4, 21, "a very long token id", "\xff"), item(4, 22, "", "too much")}, nil},
	)
	got := invocation{broker: b}.run(t, "topic", "subscribe", "chat", "room", "--count", "3")
	want := `TIME           PAGE   SEQUENCE  TOKEN ID      VALUE
T      3          7  alice         a
T      3          8  -             "b\tc"
T      4         21  a very long token id  "\xff"
`
	text := aTime.ReplaceAllString(got.stdout, "T")
	if got.code != ExitOK || text != want {
		t.Errorf("exit code %d, got\n%s\nwant\n%s", got.code, text, want)
	}
	remarks := `mayfly: connection lost (the server ended the stream), reconnecting
mayfly: connected again, resuming at item 9
mayfly: items may be missing: after item 8 the topic goes on with item 21 of page 4
mayfly: connection lost (the server failed (Internal): a bug; its log says more), reconnecting
mayfly: connected again, resuming at item 21
`
	if got.stderr != remarks {
		t.Errorf("got remarks\n%s\nwant\n%s", got.stderr, remarks)
	}
}

func TestSubscribeForms(t *testing.T) {
	messages := []*pubsubpb.SubscribeResponse{heartbeat(), item(3, 7, "alice", "<a>"), discontinuity(7, 0, 4), item(4, 1, "", "\xff")}
	tests := []struct {
		args           string
		stdout, stderr string
	}{
		{"-o json", `{"type":"item","time":"T","page":3,"sequence":7,"token_id":"alice","text":"<a>"}
{"type":"discontinuity","time":"T","page":4,"sequence":0,"last_sequence":7}
{"type":"item","time":"T","page":4,"sequence":1,"token_id":"","base64":"/w=="}
`, ""},
		{"-o json -v", `{"type":"heartbeat","time":"T"}
{"type":"item","time":"T","page":3,"sequence":7,"token_id":"alice","text":"<a>"}
{"type":"discontinuity","time":"T","page":4,"sequence":0,"last_sequence":7}
{"type":"item","time":"T","page":4,"sequence":1,"token_id":"","base64":"/w=="}
`, ""},
		{"--raw", "<a>\n\xff\n", "mayfly: items may be missing: after item 7 the topic goes on with item 1 of page 4\n"},
		{"--raw -v", "<a>\n\xff\n", "mayfly: heartbeat\nmayfly: items may be missing: after item 7 the topic goes on with item 1 of page 4\n"},
		{"", "TIME           PAGE   SEQUENCE  TOKEN ID      VALUE\nT      3          7  alice         <a>\nT      4          1  -             \"\\xff\"\n",
			"mayfly: items may be missing: after item 7 the topic goes on with item 1 of page 4\n"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			b := play(t, act{5, 2, messages, nil})
			args := append(strings.Fields("topic subscribe chat room --count 2 --resume-at 5 --resume-page 2"), strings.Fields(tt.args)...)
			got := invocation{broker: b}.run(t, args...)
			if text := aTime.ReplaceAllString(got.stdout, "T"); got.code != ExitOK || text != tt.stdout || got.stderr != tt.stderr {
				t.Errorf("exit code %d\ngot  %q\nwant %q\ngot  %q\nwant %q", got.code, text, tt.stdout, got.stderr, tt.stderr)
			}
		})
	}
}

func TestSubscriptionsThatCannotGoOn(t *testing.T) {
	began := []*pubsubpb.SubscribeResponse{heartbeat()}
	for _, code := range []codes.Code{codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument} {
		for name, acts := range map[string][]act{
			"at once":     {{0, 0, nil, status.Error(code, "no more")}},
			"later":       {{0, 0, began, status.Error(code, "no more")}},
			"after a gap": {{0, 0, began, nil}, {0, 0, nil, status.Error(code, "no more")}},
		} {
			got := invocation{broker: play(t, acts...)}.run(t, "topic", "subscribe", "chat", "room")
			if got.code != ExitFailure || !strings.Contains(got.stderr, "no more") {
				t.Errorf("%s, %s: got %+v", code, name, got)
			}
		}
	}
	// What may pass later is no reason to wait before anything worked.
	got := invocation{broker: play(t, act{0, 0, nil, status.Error(codes.ResourceExhausted, "too many subscribers")})}.run(t, "topic", "subscribe", "chat", "room")
	if got.code != ExitFailure || !strings.Contains(got.stderr, "too many subscribers") {
		t.Errorf("got %+v", got)
	}
}

func TestSubscriptionWithoutItemsSaysWhatIsLost(t *testing.T) {
	b := play(t,
		act{0, 0, []*pubsubpb.SubscribeResponse{heartbeat()}, nil},
		act{0, 0, []*pubsubpb.SubscribeResponse{heartbeat(), item(1, 5, "", "x")}, nil},
	)
	got := invocation{broker: b}.run(t, "topic", "subscribe", "chat", "room", "--count=1")
	if !strings.Contains(got.stderr, "connected again, no item had come yet, so what was published in between is not shown\n") {
		t.Errorf("got %s", got.stderr)
	}
}

func TestSubscriptionEndsWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	b := (&broker{subscribe: func(_ *pubsubpb.SubscribeRequest, s stream) error {
		if err := s.Send(heartbeat()); err != nil {
			return err
		}
		cancel()
		<-s.Context().Done()
		close(gone)
		return nil
	}}).start(t)
	if got := (invocation{broker: b}).runContext(ctx, "topic", "subscribe", "chat", "room"); got.code != ExitOK || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
	<-gone // the server is told
}

func TestSilentServer(t *testing.T) {
	b := (&broker{subscribe: func(_ *pubsubpb.SubscribeRequest, s stream) error {
		<-s.Context().Done()
		return nil
	}}).start(t)
	got := invocation{broker: b}.run(t, "topic", "subscribe", "chat", "room", "--timeout", "20ms")
	if got.code != ExitFailure || !strings.Contains(got.stderr, "no answer from 127.0.0.1:8080 within 20ms") {
		t.Errorf("got %+v", got)
	}
}

// closedPipe is a standard output whose reader has gone.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestClosedOutputEndsTheSubscription(t *testing.T) {
	b := play(t, act{0, 0, []*pubsubpb.SubscribeResponse{item(1, 1, "", "x")}, nil})
	var stderr strings.Builder
	p := Program{Name: "mayfly", Stdin: strings.NewReader(""), Stdout: closedPipe{}, Stderr: &stderr}
	p.Dial = invocation{broker: b}.dialer()
	if code := p.Run(t.Context(), []string{"topic", "subscribe", "chat", "room"}); code != ExitFailure || stderr.String() != "mayfly: broken pipe\n" {
		t.Errorf("exit code %d, %q", code, stderr.String())
	}
}
