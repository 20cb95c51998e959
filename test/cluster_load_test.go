package test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

const (
	// callTime is the deadline of every call of a load, as the SDKs have one.
	callTime = 5 * time.Second
	// pace is the pause between two values of a writer.
	pace = 20 * time.Millisecond
)

// load is writers that each push numbered values to a list and publish them to
// the topic of the same name, through a node of their own, whatever happens to
// that node. No value is ever sent twice.
type load struct {
	name    string
	end     context.CancelFunc
	writing sync.WaitGroup

	mu        sync.Mutex
	pushes    []attempt
	publishes []attempt
}

// attempt is one value that was sent. A value without an acknowledgement may have
// been taken or not.
type attempt struct {
	value        string
	through      *harness.Node
	begun, ended time.Time
	err          error
}

func (a attempt) acked() bool { return a.err == nil }

// finish ends the load and waits for the calls under way.
func (l *load) finish() {
	l.end()
	l.writing.Wait()
}

func (l *load) write(ctx context.Context, n *harness.Node, conn *grpc.ClientConn, writer string) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for i := 0; ; i++ {
		// What is under way at the end of the load is finished.
		l.send(context.WithoutCancel(ctx), n, conn, fmt.Sprintf("%s-%06d", writer, i), callTime)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// send pushes and publishes one value through a node.
func (l *load) send(ctx context.Context, n *harness.Node, conn *grpc.ClientConn, value string, within time.Duration) {
	l.try(ctx, &l.pushes, n, value, within, func(ctx context.Context) error {
		_, err := cachepb.NewScsClient(conn).ListPushBack(harness.WithCache(ctx, "story"), push(l.name, value))
		return err
	})
	l.try(ctx, &l.publishes, n, value, within, func(ctx context.Context) error {
		_, err := pubsubpb.NewPubsubClient(conn).Publish(ctx, text("story", l.name, value))
		return err
	})
}

// try makes one attempt and writes down what came of it.
func (l *load) try(ctx context.Context, in *[]attempt, n *harness.Node, value string, within time.Duration, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	a := attempt{value: value, through: n, begun: time.Now()}
	a.err = do(ctx)
	a.ended = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	*in = append(*in, a)
}

// of returns the attempts made so far that the condition picks.
func (l *load) of(in *[]attempt, pick func(attempt) bool) (some []attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range *in {
		if pick(a) {
			some = append(some, a)
		}
	}
	return some
}

// ackedSince picks what was begun after a moment and acknowledged, by any node
// or by these.
func ackedSince(moment time.Time, through ...*harness.Node) func(attempt) bool {
	return func(a attempt) bool {
		return a.acked() && a.begun.After(moment) && (len(through) == 0 || slices.Contains(through, a.through))
	}
}

// back tries one new value after the other, without waiting for what became of
// those before, until a push was acknowledged, and returns how long it took.
func (l *load) back(t *testing.T, within time.Duration, through *harness.Node) time.Duration {
	t.Helper()
	now, ctx, conn := time.Now(), harness.Bounded(t), through.Conn(t)
	var trying sync.WaitGroup
	defer trying.Wait()
	tick := time.NewTicker(5 * pace)
	defer tick.Stop()
	for i := 0; time.Since(now) < within; i++ {
		if done := l.of(&l.pushes, ackedSince(now, through)); len(done) > 0 {
			return done[0].ended.Sub(now)
		}
		value := fmt.Sprintf("probe.%d.%d-0", now.UnixNano(), i)
		trying.Go(func() { l.send(ctx, through, conn, value, callTime) })
		<-tick.C
	}
	t.Fatalf("no push through %s was acknowledged within %s", through.Name, within)
	return 0
}

// flows waits until so many pushes and publishes were begun from now on and
// acknowledged, through these nodes or any.
func (l *load) flows(t *testing.T, within time.Duration, many int, through ...*harness.Node) {
	t.Helper()
	now := time.Now()
	harness.Eventually(t, within, fmt.Sprint(many, " acknowledged pushes and publishes"), func() (bool, string) {
		pushed, published := len(l.of(&l.pushes, ackedSince(now, through...))), len(l.of(&l.publishes, ackedSince(now, through...)))
		return pushed >= many && published >= many, fmt.Sprint(pushed, " pushes and ", published, " publishes were")
	})
}

// holds demands that the list, asked for at a node, has every acknowledged value
// once, no value twice or that nobody pushed, and each writer's acknowledged ones
// in their order. What was not acknowledged may come late.
func (l *load) holds(t *testing.T, n *harness.Node) {
	t.Helper()
	pushed := make(map[string]bool) // value to acknowledged
	for _, a := range l.of(&l.pushes, func(attempt) bool { return true }) {
		pushed[a.value] = a.acked()
	}
	last, seen := make(map[string]string), 0
	for _, value := range entries(t, n, l.name) {
		acked, known := pushed[value]
		writer := value[:strings.LastIndexByte(value, '-')]
		switch {
		case !known:
			t.Errorf("%s has %q, which was pushed by nobody or is there twice", n.Name, value)
		case acked && value <= last[writer]:
			t.Errorf("%s has %s after %s", n.Name, value, last[writer])
		case acked:
			last[writer] = value
			seen++
		}
		delete(pushed, value)
	}
	for value, acked := range pushed {
		if acked {
			t.Errorf("%s lacks %s, whose push was acknowledged", n.Name, value)
		}
	}
	if seen == 0 {
		t.Errorf("%s holds nothing that was acknowledged", n.Name)
	}
}

// push puts one value at the end of a list.
func push(list, value string) *cachepb.ListPushBackRequest {
	return &cachepb.ListPushBackRequest{ListName: []byte(list), Value: []byte(value), TtlMilliseconds: 3_600_000, RefreshTtl: true}
}

// entries asks a node for a list, until it answers.
func entries(t *testing.T, n *harness.Node, list string) (values []string) {
	t.Helper()
	lists := cachepb.NewScsClient(n.Conn(t))
	harness.Eventually(t, harness.Patience, "list "+list+" at "+n.Name, func() (bool, string) {
		ctx, cancel := context.WithTimeout(n.InCache(t, "story"), callTime)
		defer cancel()
		answer, err := lists.ListFetch(ctx, &cachepb.ListFetchRequest{ListName: []byte(list)})
		if err != nil {
			return false, err.Error()
		}
		for _, v := range answer.GetFound().GetValues() {
			values = append(values, string(v))
		}
		return true, ""
	})
	return values
}
