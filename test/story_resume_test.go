package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// Whoever comes back to a topic gets what is kept from the number it asks for,
// and is told exactly once when something is missing.
func TestResume(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	const published = 1000 // of 2 KB: twice what a topic keeps
	publish(t, server, "busy", numbered(strings.Repeat("item ", 400), published))
	newest := resume(t, server, "busy", published, 0)
	newest.wants(t, "the newest item", 0, published, published)
	page := newest.page

	oldest := resume(t, server, "busy", 1, page)
	oldest.wants(t, "everything from the first", 1, 0, published)
	kept := oldest.first
	if kept < 2 || kept > published-100 {
		t.Fatalf("the oldest kept item is %d; this story needs one between 2 and %d", kept, published-100)
	}
	resume(t, server, "busy", kept, page).wants(t, "all that is kept", 0, kept, published)
	resume(t, server, "busy", kept+50, page).wants(t, "a part of what is kept", 0, kept+50, published)
	resume(t, server, "busy", published-9, 0).wants(t, "the last ten without a page", 0, published-9, published)
	resume(t, server, "busy", 2, page-1).wants(t, "a page that is over", 1, kept, published)
	resume(t, server, "busy", published+1, page).wants(t, "the next item", 0, published+1, published+1)
	resume(t, server, "busy", published+5000, page).wants(t, "a number that is not reached", 1, published+2, published+2)
}

// resumed is what a subscription heard: from first to last, told of so many
// discontinuities before the first item.
type resumed struct {
	server          *harness.Server
	stream          grpc.ServerStreamingClient[pubsubpb.SubscribeResponse]
	first, page     uint64
	discontinuities int
}

func resume(t *testing.T, server *harness.Server, topic string, number, page uint64) *resumed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	t.Cleanup(cancel)
	stream, err := pubsubpb.NewPubsubClient(server.Conn(t)).Subscribe(ctx, &pubsubpb.SubscribeRequest{
		CacheName: "story", Topic: topic, ResumeAtTopicSequenceNumber: number, SequencePage: page,
	})
	if err != nil {
		t.Fatal(err)
	}
	message, err := stream.Recv()
	if err != nil || message.GetHeartbeat() == nil {
		t.Fatalf("the first message is %v, %v; want a heartbeat", message, err)
	}
	return &resumed{server: server, stream: stream}
}

// wants reads up to the item with the last number and demands that the items
// come without a gap, from the first number on if it is not 0, after so many
// discontinuities. When nothing that is published already can satisfy it, one
// more item is published.
func (r *resumed) wants(t *testing.T, what string, discontinuities int, first, last uint64) {
	t.Helper()
	if first > 1000 {
		publish(t, r.server, "busy", []string{"one more"})
	}
	for next := uint64(0); next <= last; {
		message, err := r.stream.Recv()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		switch {
		case message.GetDiscontinuity() != nil && next == 0:
			r.discontinuities++
		case message.GetDiscontinuity() != nil:
			t.Fatalf("%s: %v in the middle", what, message)
		case message.GetItem() != nil:
			item := message.GetItem()
			if next == 0 {
				r.first, next = item.GetTopicSequenceNumber(), item.GetTopicSequenceNumber()
			}
			if item.GetTopicSequenceNumber() != next {
				t.Fatalf("%s: item %d where %d was due", what, item.GetTopicSequenceNumber(), next)
			}
			next++
			r.page = item.GetSequencePage()
		}
	}
	if r.discontinuities != discontinuities {
		t.Errorf("%s: told of %d discontinuities, want %d", what, r.discontinuities, discontinuities)
	}
	if first != 0 && r.first != first {
		t.Errorf("%s: begins with item %d, want %d", what, r.first, first)
	}
}

// A reader that sleeps while far more is published than a topic keeps misses
// some of it, and is told of every gap it meets, with the right numbers.
func TestGapsAreAnnounced(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	sleeper := resume(t, server, "torrent", 0, 0)
	const published = 3000
	filler := make([]byte, 4096)
	values := make([]string, published)
	for i := range values {
		values[i] = fmt.Sprintf("%06d%x", i, filler)
	}
	publish(t, server, "torrent", values)
	gaps, missed, last := 0, uint64(0), uint64(0)
	told := false // the item that comes next was announced by a discontinuity
	for last < published {
		message, err := sleeper.stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case message.GetDiscontinuity() != nil:
			d := message.GetDiscontinuity()
			if told || d.GetLastTopicSequence() != last || d.GetNewTopicSequence() < last {
				t.Fatalf("after item %d: %v", last, d)
			}
			told = true
		case message.GetItem() != nil:
			n := message.GetItem().GetTopicSequenceNumber()
			if gap := n - last - 1; gap > 0 != told || n <= last {
				t.Fatalf("item %d after %d, discontinuity announced: %t", n, last, told)
			} else if gap > 0 {
				gaps, missed = gaps+1, missed+gap
			}
			told, last = false, n
		}
	}
	t.Logf("missed %d of %d items in %d gaps", missed, published, gaps)
	if gaps == 0 {
		t.Error("nothing was missed: this story needs a reader that is too slow")
	}
}

// A broker that is asked to stop ends its subscriptions as ended, not as
// failed, so that SDKs come back at once.
func TestStopEndsSubscriptionsWell(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	var streams []grpc.ServerStreamingClient[pubsubpb.SubscribeResponse]
	for range 20 {
		streams = append(streams, resume(t, server, "quiet", 0, 0).stream)
	}
	stopsInTime(t, server)
	for i, stream := range streams {
		err := error(nil)
		for err == nil {
			_, err = stream.Recv()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("subscription %d ended with %v, want OK", i, err)
		}
	}
}

// Whoever watches the broker's health is told that it stops, and holds up
// nothing.
func TestStopTellsWhoWatches(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	health, err := grpc_health_v1.NewHealthClient(server.Conn(t)).Watch(harness.Bounded(t), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := health.Recv(); err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Fatalf("health is %v, %v; want SERVING", answer, err)
	}
	stopsInTime(t, server)
	if answer, err := health.Recv(); err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health while stopping is %v, %v; want NOT_SERVING", answer, err)
	}
}

// A client that does not read its socket is not waited for.
func TestStopDoesNotWaitForTheDeaf(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	deaf := dialRude(t, server)
	for range 50 {
		deaf.must(t, deaf.subscribe("torrent"))
	}
	publish(t, server, "torrent", slices.Repeat([]string{strings.Repeat("x", 100_000)}, 200))
	stopsInTime(t, server)
}

// stopsInTime demands that a broker with nothing to finish stops with code 0
// well before the time that a stop may take at most.
func stopsInTime(t *testing.T, server *harness.Server) {
	t.Helper()
	stopping := time.Now()
	server.Stop(t)
	if took := time.Since(stopping); took > 9*time.Second {
		t.Errorf("stopping took %s, though there was nothing to wait for", took)
	}
}

// Tools that know nothing of us find the services by reflection.
func TestReflection(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	stream, err := grpc_reflection_v1.NewServerReflectionClient(server.Conn(t)).ServerReflectionInfo(harness.Bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, service := range answer.GetListServicesResponse().GetService() {
		found[service.GetName()] = true
	}
	for _, name := range []string{
		"cache_client.Scs", "cache_client.pubsub.Pubsub", "cache_client.Ping", "control_client.ScsControl",
		"auth.Auth", "token.Token", "grpc.health.v1.Health",
	} {
		if !found[name] {
			t.Errorf("reflection does not list %s, only %v", name, found)
		}
	}
}
