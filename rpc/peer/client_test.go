package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/rpc/route/nodetest"
)

func TestClientIsANode(t *testing.T) {
	nodetest.Run(t, func(t *testing.T, local *route.Local) route.Node {
		var w town
		w.served(t, standing(local))
		return w.caller(t)
	})
}

// Whatever a node refuses with is told apart on the other side, for changes and
// questions alike, with its text once.
func TestErrorsCrossTheWire(t *testing.T) {
	const text = "the reason"
	for name, test := range map[string]struct {
		err, is error
		not     []error
		text    string
	}{
		"not executed":     {err: fmt.Errorf("%w: %s", route.ErrNotExecuted, text), is: route.ErrNotExecuted},
		"unknown":          {err: fmt.Errorf("%w: %s", route.ErrUnknownOutcome, text), is: route.ErrUnknownOutcome, not: []error{context.DeadlineExceeded, route.ErrNotExecuted}},
		"unknown, late":    {err: fmt.Errorf("%w: %s: %w", route.ErrUnknownOutcome, text, context.DeadlineExceeded), is: route.ErrUnknownOutcome},
		"unknown, retried": {err: fmt.Errorf("%w: %s: %w", route.ErrUnknownOutcome, text, route.ErrNotExecuted), is: route.ErrUnknownOutcome, not: []error{route.ErrNotExecuted}},
		"overloaded":       {err: fmt.Errorf("%w: %s", route.ErrOverloaded, text), is: route.ErrOverloaded},
		"invalid":          {err: fmt.Errorf("%w: %s", route.ErrInvalid, text), is: route.ErrInvalid},
		"limit":            {err: fmt.Errorf("%w: %s", route.ErrLimit, text), is: route.ErrLimit},
		"no cache":         {err: fmt.Errorf("%w: %s", route.ErrCacheNotFound, text), is: route.ErrCacheNotFound},
		"a cache":          {err: fmt.Errorf("%w: %s", route.ErrCacheExists, text), is: route.ErrCacheExists},
		"no key":           {err: fmt.Errorf("%w: %s", route.ErrKeyNotFound, text), is: route.ErrKeyNotFound},
		"too late":         {err: fmt.Errorf("%w: %s", context.DeadlineExceeded, text), is: route.ErrNotExecuted, text: "parted"}, // it was not
		"stopping":         {err: fmt.Errorf("%w: %s", context.Canceled, text), is: route.ErrNotExecuted, not: []error{context.Canceled}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.text == "" {
				test.text = text
			}
			for _, err := range failures(t, test.err) {
				if !errors.Is(err, test.is) || strings.Count(err.Error(), test.text) != 1 || strings.Count(err.Error(), test.is.Error()) != 1 {
					t.Errorf("%v came as %v", test.err, err)
				}
				for _, not := range test.not {
					if errors.Is(err, not) {
						t.Errorf("%v came as %v, which is also %v", test.err, err, not)
					}
				}
			}
		})
	}
	if err := failures(t, fmt.Errorf("%w: %w", route.ErrUnknownOutcome, context.DeadlineExceeded))[0]; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody learns that time was the reason: %v", err)
	}
	for i, err := range failures(t, errors.New("something secret")) {
		if errors.Is(err, route.ErrUnknownOutcome) != (i != 1) || strings.Contains(err.Error(), "secret") {
			t.Errorf("unforeseen: %v", err)
		}
	}
	want := route.NotLeaderError{Group: 3, Leader: "c", Term: 7}
	for _, err := range failures(t, fmt.Errorf("wrapped: %w", &want)) {
		if got, ok := errors.AsType[*route.NotLeaderError](err); !ok || *got != want || !errors.Is(err, route.ErrNotExecuted) {
			t.Errorf("the hint came as %v", err)
		}
	}
}

// failures returns what a node's error comes as: for a command, a query, a
// message and a command to the catalog.
func failures(t *testing.T, err error) []error {
	var w town
	w.served(t, &double{
		apply: func(context.Context, cluster.GroupID, *storev1.Command) (*storev1.Result, error) { return nil, err },
		view: func(context.Context, cluster.GroupID, *storev1.Query, bool) (*storev1.Result, error) {
			return nil, err
		},
		publish: func(context.Context, cluster.GroupID, fanout.Key, route.Message) (fanout.Position, error) {
			return fanout.Position{}, err
		},
		catalog: func(context.Context, *storev1.CatalogCommand) (*storev1.CatalogResult, uint64, error) {
			return nil, 0, err
		},
	})
	c := w.caller(t)
	_, first := c.Apply(t.Context(), 3, nodetest.Add("k", nil))
	_, second := c.View(t.Context(), 3, nodetest.Get("k"), false)
	_, third := c.Publish(t.Context(), 3, fanout.Key{Cache: "chat", Topic: "room"}, route.Message{})
	_, _, fourth := c.ApplyCatalog(t.Context(), &storev1.CatalogCommand{})
	return []error{first, second, third, fourth}
}

// A node that dies after it carried out a command and before it said so leaves
// the outcome unknown; by its id the command tells what came of it.
func TestNodeDiesBeforeItsAnswer(t *testing.T) {
	node := nodetest.Start(t, nodetest.Config{})
	var w town
	dying := standing(node.Local)
	applied := make(chan struct{})
	dying.apply = func(ctx context.Context, g cluster.GroupID, c *storev1.Command) (*storev1.Result, error) {
		result, err := node.Local.Apply(ctx, g, c)
		close(applied)
		<-ctx.Done() // the connection is cut
		return result, err
	}
	kill := w.served(t, dying)
	c := w.caller(t)
	var killing sync.WaitGroup
	killing.Go(func() {
		<-applied
		kill()
	})
	id := &storev1.RequestId{Gateway: nodetest.Gateway(), Sequence: 1, DoneBelow: 1}
	if _, err := c.Apply(t.Context(), 1, nodetest.Add("n", id)); !errors.Is(err, route.ErrUnknownOutcome) {
		t.Fatalf("died before its answer: %v", err)
	}
	killing.Wait()
	w.served(t, standing(node.Local))
	until(t, "the node is found again", func() bool {
		result, err := c.Apply(t.Context(), 1, nodetest.Add("n", id))
		if err != nil && !errors.Is(err, route.ErrNotExecuted) {
			t.Fatal(err)
		}
		if err == nil && result.GetNumber() != 1 {
			t.Fatalf("number %d: the command ran again", result.GetNumber())
		}
		return err == nil
	})
}

// What certainly never left is not executed; what was lost on the way is not
// for a question, and unknown for a change.
func TestConnectionsThatFail(t *testing.T) {
	t.Run("nobody there", func(t *testing.T) {
		var w town
		for i, err := range everything(t, w.caller(t)) {
			if !errors.Is(err, route.ErrNotExecuted) {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
	t.Run("nobody takes calls", func(t *testing.T) {
		var w town
		w.mux(t, "b").Calls().Close()
		for i, err := range everything(t, w.caller(t)) {
			if !errors.Is(err, route.ErrNotExecuted) {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
	t.Run("cut after the request", func(t *testing.T) {
		var w town
		kill := make(chan struct{})
		node := blocked(kill)
		stop := w.served(t, node)
		c := w.caller(t)
		go func() {
			for range 4 {
				kill <- struct{}{}
			}
			stop()
		}()
		for i, err := range everything(t, c) {
			want := route.ErrUnknownOutcome
			if i == 1 {
				want = route.ErrNotExecuted
			}
			if !errors.Is(err, want) || errors.Is(err, context.Canceled) {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
	t.Run("after the end", func(t *testing.T) {
		var w town
		m := w.mux(t, "a")
		w.served(t, &double{view: okView})
		p := w.through(t, m, m.DialCalls)
		c := p.Client("b")
		if _, err := c.View(t.Context(), 1, nodetest.Get("k"), false); err != nil {
			t.Fatal(err)
		}
		p.Forget("b")
		_, forgotten := c.View(t.Context(), 1, nodetest.Get("k"), false)
		if _, err := p.Client("b").View(t.Context(), 1, nodetest.Get("k"), false); err != nil {
			t.Errorf("a node that came back: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		_, closed := p.Client("b").View(t.Context(), 1, nodetest.Get("k"), false)
		for _, err := range []error{forgotten, closed} {
			if !errors.Is(err, route.ErrNotExecuted) || errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	})
}

// everything asks everything at once.
func everything(t *testing.T, c *Client) []error {
	errs := make([]error, 4)
	var all sync.WaitGroup
	all.Go(func() { _, errs[0] = c.Apply(t.Context(), 1, nodetest.Add("k", nil)) })
	all.Go(func() { _, errs[1] = c.View(t.Context(), 1, nodetest.Get("k"), false) })
	all.Go(func() {
		_, errs[2] = c.Publish(t.Context(), 1, fanout.Key{Cache: "chat", Topic: "room"}, route.Message{})
	})
	all.Go(func() { _, _, errs[3] = c.ApplyCatalog(t.Context(), &storev1.CatalogCommand{}) })
	all.Wait()
	return errs
}

// blocked is a node that answers nothing while its caller is there; each
// request takes one word from reached.
func blocked(reached <-chan struct{}) *double {
	stuck := func(ctx context.Context) error {
		<-reached
		<-ctx.Done()
		return ctx.Err()
	}
	return &double{
		apply: func(ctx context.Context, _ cluster.GroupID, _ *storev1.Command) (*storev1.Result, error) {
			return nil, stuck(ctx)
		},
		view: func(ctx context.Context, _ cluster.GroupID, _ *storev1.Query, _ bool) (*storev1.Result, error) {
			return nil, stuck(ctx)
		},
		publish: func(ctx context.Context, _ cluster.GroupID, _ fanout.Key, _ route.Message) (fanout.Position, error) {
			return fanout.Position{}, stuck(ctx)
		},
		catalog: func(ctx context.Context, _ *storev1.CatalogCommand) (*storev1.CatalogResult, uint64, error) {
			return nil, 0, stuck(ctx)
		},
	}
}

func okView(context.Context, cluster.GroupID, *storev1.Query, bool) (*storev1.Result, error) {
	return &storev1.Result{Outcome: &storev1.Result_Exists{Exists: true}}, nil
}

// Requests share one connection; when it breaks they share the next.
func TestOneConnection(t *testing.T) {
	var w town
	m := w.mux(t, "a")
	w.served(t, &double{view: okView})
	var mu sync.Mutex
	var conns []net.Conn
	c := w.through(t, m, func(ctx context.Context, node cluster.NodeID) (net.Conn, error) {
		conn, err := m.DialCalls(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, conn)
		return conn, err
	}).Client("b")
	if len(conns) != 0 {
		t.Error("connected before the first request")
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 10 {
				if _, err := c.View(t.Context(), 1, nodetest.Get("k"), false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if len(conns) != 1 {
		t.Fatalf("%d connections", len(conns))
	}
	conns[0].Close()
	until(t, "the node is reached again", func() bool {
		_, err := c.View(t.Context(), 1, nodetest.Get("k"), false)
		return err == nil
	})
	mu.Lock()
	defer mu.Unlock()
	if len(conns) != 2 {
		t.Errorf("%d connections after one broke", len(conns))
	}
}

// The caller's deadline goes along, with a little kept for the way back.
func TestDeadlinesGoAlong(t *testing.T) {
	var w town
	budgets := make(chan time.Duration, 1)
	w.served(t, &double{view: func(ctx context.Context, _ cluster.GroupID, _ *storev1.Query, _ bool) (*storev1.Result, error) {
		deadline, _ := ctx.Deadline()
		budgets <- time.Until(deadline)
		return new(storev1.Result), nil
	}})
	c := w.caller(t)
	for limit, within := range map[time.Duration][2]time.Duration{
		0:               {maxBudget / 2, maxBudget - hop},
		time.Hour:       {maxBudget / 2, maxBudget - hop},
		4 * time.Second: {2 * time.Second, 4*time.Second - hop},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if limit > 0 {
			ctx, cancel = context.WithTimeout(t.Context(), limit)
		}
		if _, err := c.View(ctx, 1, nodetest.Get("k"), false); err != nil {
			t.Fatal(err)
		}
		cancel()
		if got := <-budgets; got < within[0] || got > within[1] {
			t.Errorf("of %v the node has %v", limit, got)
		}
	}
	stuck, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	budgets <- 0 // the node's next answer waits
	if _, err := c.View(stuck, 1, nodetest.Get("k"), false); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("an answer that does not come: %v", err)
	}
	<-budgets
	short, cancel := context.WithTimeout(t.Context(), hop)
	defer cancel()
	if _, err := c.View(short, 1, nodetest.Get("k"), false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("less than a hop is left: %v", err)
	}
}

// An answer that no connection of ours would carry is refused in words.
func TestAnswerTooLarge(t *testing.T) {
	var w town
	w.served(t, &double{view: func(context.Context, cluster.GroupID, *storev1.Query, bool) (*storev1.Result, error) {
		return &storev1.Result{Outcome: &storev1.Result_Value_{Value: &storev1.Result_Value{Value: make([]byte, maxAnswer)}}}, nil
	}})
	if _, err := w.caller(t).View(t.Context(), 1, nodetest.Get("k"), false); !errors.Is(err, route.ErrLimit) {
		t.Error(err)
	}
}

func TestTerms(t *testing.T) {
	var w town
	w.served(t, &double{terms: func(refs []replica.Ref) []uint64 {
		terms := make([]uint64, len(refs))
		for i, ref := range refs {
			terms[i] = uint64(ref.Group) * ref.Number
		}
		return terms
	}})
	c := w.caller(t)
	got, err := c.Terms(t.Context(), []replica.Ref{{Group: 2, Number: 3}, {Group: 0, Number: 9}, {Group: 5, Number: 1 << 40}})
	if err != nil || fmt.Sprint(got) != fmt.Sprint([]uint64{6, 0, 5 << 40}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := c.Terms(t.Context(), make([]replica.Ref, maxReplicas+1)); !errors.Is(err, route.ErrInvalid) {
		t.Errorf("more replicas than a node has: %v", err)
	}
}

// A catalog command reaches the meta group, and the index comes with the result.
func TestCatalogOverTheWire(t *testing.T) {
	node := nodetest.Start(t, nodetest.Config{})
	var w town
	w.served(t, standing(node.Local))
	c := w.caller(t)
	create := &storev1.CatalogCommand{
		Request: &storev1.RequestId{Gateway: nodetest.Gateway(), Sequence: 1, DoneBelow: 1},
		Op:      &storev1.CatalogCommand_CreateCache{CreateCache: &storev1.CreateCache{Name: "chat"}},
	}
	for range 2 { // the second time by its id
		result, index, err := c.ApplyCatalog(t.Context(), create)
		if err != nil || result.GetStatus() != storev1.CatalogStatus_CATALOG_STATUS_OK || result.GetGeneration() == 0 {
			t.Fatalf("create: %v, %v", result, err)
		}
		if applied := node.Host.Group(cluster.MetaGroup).Progress().Applied; index == 0 || index > applied {
			t.Errorf("in force from %d on, the group is at %d", index, applied)
		}
	}
	router := route.NewRouter(route.RouterConfig{Topology: node.Host.Topology(), Local: node.Local, Gateway: nodetest.Gateway(), Self: node.Host.Node()})
	if record, ok := router.Lookup("chat"); !ok || record.GetCreatedAtMs() == 0 {
		t.Errorf("the leader's copy has %v", record)
	}
}

// TestSilentNode: a node that takes connections and says nothing holds nobody
// up for longer than they want to wait.
func TestSilentNode(t *testing.T) {
	var w town
	m := w.mux(t, "a")
	near, far := net.Pipe()
	defer far.Close()
	go io.Copy(io.Discard, far)
	c := w.through(t, m, func(context.Context, cluster.NodeID) (net.Conn, error) { return near, nil }).Client("b")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Apply(ctx, 1, nodetest.Add("k", nil)); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, route.ErrUnknownOutcome) {
		t.Errorf("a request that never left: %v", err)
	}
}
