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
	acked        bool
}

// startLoad begins to write through these nodes. It ends with the test, or with
// finish.
func startLoad(t *testing.T, name string, writers int, through ...*harness.Node) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(harness.Bounded(t))
	l := &load{name: name, end: cancel}
	t.Cleanup(l.finish)
	for _, n := range through {
		conn := n.Conn(t)
		for w := range writers {
			l.writing.Go(func() { l.write(ctx, n, conn, fmt.Sprintf("%s.%d", n.Name, w)) })
		}
	}
	return l
}

// finish ends the load and waits for the calls under way.
func (l *load) finish() {
	l.end()
	l.writing.Wait()
}

func (l *load) write(ctx context.Context, n *harness.Node, conn *grpc.ClientConn, writer string) {
	lists, topics := cachepb.NewScsClient(conn), pubsubpb.NewPubsubClient(conn)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for i := 0; ; i++ {
		value := fmt.Sprintf("%s-%06d", writer, i)
		l.try(ctx, &l.pushes, n, value, func(ctx context.Context) error {
			_, err := lists.ListPushBack(harness.WithCache(ctx, "story"), push(l.name, value))
			return err
		})
		l.try(ctx, &l.publishes, n, value, func(ctx context.Context) error {
			_, err := topics.Publish(ctx, text("story", l.name, value))
			return err
		})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// try makes one attempt. What is under way at the end of the load is finished.
func (l *load) try(ctx context.Context, in *[]attempt, n *harness.Node, value string, do func(context.Context) error) {
	if ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	a := attempt{value: value, through: n, begun: time.Now()}
	err := do(ctx)
	a.ended, a.acked = time.Now(), err == nil
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
		return a.acked && a.begun.After(moment) && (len(through) == 0 || slices.Contains(through, a.through))
	}
}

// flows waits until so many pushes and publishes were begun from now on and
// acknowledged, through these nodes or any, and returns how long the first push
// took to succeed.
func (l *load) flows(t *testing.T, within time.Duration, many int, through ...*harness.Node) time.Duration {
	t.Helper()
	now := time.Now()
	harness.Eventually(t, within, fmt.Sprint(many, " acknowledged pushes and publishes"), func() (bool, string) {
		pushed, published := len(l.of(&l.pushes, ackedSince(now, through...))), len(l.of(&l.publishes, ackedSince(now, through...)))
		return pushed >= many && published >= many, fmt.Sprint(pushed, " pushes and ", published, " publishes were")
	})
	first := time.Duration(1<<63 - 1)
	for _, a := range l.of(&l.pushes, ackedSince(now, through...)) {
		first = min(first, a.ended.Sub(now))
	}
	return first
}

// holds demands that the list, asked for at a node, has every acknowledged value
// once, no value twice or that nobody pushed, and each writer's acknowledged ones
// in their order. What was not acknowledged may come late.
func (l *load) holds(t *testing.T, n *harness.Node) {
	t.Helper()
	pushed := make(map[string]bool) // value to acknowledged
	for _, a := range l.of(&l.pushes, func(attempt) bool { return true }) {
		pushed[a.value] = a.acked
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
