package route

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// view is a replica of a group of which only who leads it is known.
type view struct {
	group
	mu      sync.Mutex
	now     replica.Leadership
	changed chan struct{}
}

func (v *view) Leadership() (replica.Leadership, <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now, v.changed
}

func (v *view) set(now replica.Leadership) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = now
	close(v.changed)
	v.changed = make(chan struct{})
}

// watching gives a Local a replica of group 1 that sees what it is told to see.
func watching(t *testing.T, l *Local, now replica.Leadership) *view {
	v := &view{now: now, changed: make(chan struct{})}
	p := newPartition(l.clock)
	p.bind(v)
	l.partitions[1].Store(p)
	done, followed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(followed)
		p.follow(done, func(replica.Leadership) {})
	}()
	t.Cleanup(func() { close(done); <-followed })
	return v
}

func routerOf(t *testing.T, l *Local, face func(cluster.NodeID) Face) *Router {
	topology, err := cluster.NewTopology(2)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRouter(RouterConfig{Topology: topology, Local: l, Gateway: make([]byte, 16), Self: "self", Face: face, Seeds: []cluster.NodeID{"self", "a", "b", "c"}})
	t.Cleanup(r.Close)
	return r
}

func noSurvey(uint64) {}

// A question is given up when the node is seen to lose the leadership, and not
// while this node has yet to see it gain it.
func TestQuestionsToDeposedLeadersAreGivenUp(t *testing.T) {
	for name, test := range map[string]struct {
		before  replica.Leadership
		at      guess
		then    []replica.Leadership
		givesUp bool
	}{
		"it lost contact":         {replica.Leadership{Term: 5, Leader: "a"}, guess{"a", 5}, []replica.Leadership{{Term: 5}}, true},
		"another was elected":     {replica.Leadership{Term: 5, Leader: "a"}, guess{"a", 5}, []replica.Leadership{{Term: 6, Leader: "b"}}, true},
		"elected again, then not": {replica.Leadership{Term: 5, Leader: "a"}, guess{"a", 5}, []replica.Leadership{{Term: 6, Leader: "a"}, {Term: 7}}, true},
		"ahead of what is seen":   {replica.Leadership{Term: 5, Leader: "b"}, guess{"a", 6}, []replica.Leadership{{Term: 5}, {Term: 6}, {Term: 6, Leader: "a"}}, false},
		"ahead, and deposed":      {replica.Leadership{Term: 5}, guess{"a", 6}, []replica.Leadership{{Term: 6}, {Term: 6, Leader: "a"}, {Term: 7}}, true},
		"overtaken unseen":        {replica.Leadership{Term: 5}, guess{"a", 6}, []replica.Leadership{{Term: 7, Leader: "b"}}, true},
		"one that may know":       {replica.Leadership{Term: 5}, guess{"a", 0}, []replica.Leadership{{Term: 6}, {Term: 6, Leader: "b"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := bare(t, fanout.Config{}, noSurvey)
				v := watching(t, l, test.before)
				r := routerOf(t, l, nil)
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				answer := make(chan error, 1)
				go func() {
					answer <- r.ask(ctx, 1, test.at, func(ctx context.Context, _ cluster.NodeID) error {
						<-ctx.Done() // a paused process never answers
						return ctx.Err()
					})
				}()
				for _, now := range test.then {
					synctest.Wait()
					v.set(now)
				}
				synctest.Wait()
				select {
				case err := <-answer:
					if !test.givesUp || !errors.Is(err, ErrNotExecuted) {
						t.Errorf("the question ended with %v", err)
					}
				default:
					if test.givesUp {
						t.Error("the question hangs on")
					}
				}
				cancel()
			})
		})
	}
}

// What may have run is not reported as not executed because its node was deposed.
func TestUnknownStaysUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bare(t, fanout.Config{}, noSurvey)
		v := watching(t, l, replica.Leadership{Term: 5, Leader: "a"})
		r := routerOf(t, l, nil)
		synctest.Wait()
		time.AfterFunc(time.Second, func() { v.set(replica.Leadership{Term: 6}) })
		err := r.ask(t.Context(), 1, guess{"a", 5}, func(ctx context.Context, _ cluster.NodeID) error {
			<-ctx.Done()
			return errors.Join(ErrUnknownOutcome, ctx.Err())
		})
		if !errors.Is(err, ErrUnknownOutcome) || errors.Is(err, ErrNotExecuted) {
			t.Errorf("a change that had left: %v", err)
		}
	})
}

// A command that may have run is asked about again for as long as its caller waits,
// within reason, and what is said of a repetition is not said of it.
func TestUnknownOutcomeIsLookedInto(t *testing.T) {
	for name, test := range map[string]struct {
		deadline time.Duration
		until    time.Duration // from when on the answer is known
		before   error         // what is said of repetitions until then
		want     error
		took     time.Duration // at least
	}{
		"no leader for long":          {20 * time.Second, 8 * time.Second, ErrNotExecuted, nil, 8 * time.Second},
		"overloaded":                  {20 * time.Second, 3 * time.Second, ErrOverloaded, nil, 3 * time.Second},
		"overloaded for ever":         {2 * time.Second, time.Hour, ErrOverloaded, ErrUnknownOutcome, 2 * time.Second},
		"no leader any more":          {time.Minute, time.Hour, ErrNotExecuted, ErrUnknownOutcome, insistence},
		"the caller waits for less":   {7 * time.Second, time.Hour, ErrNotExecuted, ErrUnknownOutcome, 7 * time.Second},
		"answers that are lost again": {time.Minute, 6 * time.Second, ErrUnknownOutcome, nil, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := routerOf(t, bare(t, fanout.Config{}, noSurvey), func(cluster.NodeID) Face { return changedMeta{} })
				ctx, cancel := context.WithTimeout(t.Context(), test.deadline)
				defer cancel()
				began, asked := time.Now(), 0
				err := r.repeat(ctx, 1, func(context.Context, Face) error {
					switch asked++; {
					case asked == 1:
						return ErrUnknownOutcome
					case time.Since(began) < test.until:
						return test.before
					default:
						return nil
					}
				})
				took := time.Since(began)
				if !errors.Is(err, test.want) || test.want == nil && err != nil {
					t.Errorf("after %v: %v, want %v", took, err, test.want)
				}
				if took < test.took || took > test.took+time.Second {
					t.Errorf("it took %v, want about %v", took, test.took)
				}
			})
		})
	}
}

// Of two accounts the newer is kept, unless who it names denies it.
func TestWhatNodesSayOfTheLeader(t *testing.T) {
	l := bare(t, fanout.Config{}, noSurvey)
	r := routerOf(t, l, nil)
	say := func(asked, leader cluster.NodeID, term uint64) {
		r.learn(1, guess{node: asked}, &NotLeaderError{Group: 1, Leader: leader, Term: term})
	}
	for _, step := range []struct {
		do   func()
		want guess
	}{
		{func() { say("a", "b", 6) }, guess{"b", 6}},
		{func() { say("c", "a", 5) }, guess{"b", 6}},
		{func() { say("b", "a", 5) }, guess{"a", 5}},
		{func() { say("c", "b", 7) }, guess{"b", 7}},
		{func() { r.doubt("a") }, guess{"b", 7}},
		{func() { r.doubt("b") }, guess{}},
		{func() { say("a", "b", 7); say("b", "", 8) }, guess{}},
	} {
		step.do()
		if now, _ := r.guess(1); now != step.want {
			t.Fatalf("leader is %v, want %v", now, step.want)
		}
	}
}

// changedMeta is a node that changes the catalog at an index that nobody reaches.
type changedMeta struct{ Face }

func (changedMeta) ApplyCatalog(context.Context, *storev1.CatalogCommand) (*storev1.CatalogResult, uint64, error) {
	return &storev1.CatalogResult{Status: storev1.CatalogStatus_CATALOG_STATUS_OK, Generation: 1}, 1000, nil
}

// A change that was made is not reported as one that was not because this node
// has not heard of it in time.
func TestChangeThatIsNotHeardOfInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bare(t, fanout.Config{}, noSurvey)
		r := routerOf(t, l, func(cluster.NodeID) Face { return changedMeta{} })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Create(ctx, "chat", nil); !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the outcome is %v", err)
		}
	})
}

// firstMeta is a node that knows of a signing key at an index that nobody reaches.
type firstMeta struct{ Face }

func (firstMeta) ApplyCatalog(context.Context, *storev1.CatalogCommand) (*storev1.CatalogResult, uint64, error) {
	return &storev1.CatalogResult{Status: storev1.CatalogStatus_CATALOG_STATUS_ALREADY_EXISTS}, 1000, nil
}

func (firstMeta) Confirm(context.Context, cluster.GroupID) (uint64, error) { return 1000, nil }

// A node whose key came second waits until it has heard of the first one.
func TestFirstSigningKeyOfAnotherIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bare(t, fanout.Config{}, noSurvey)
		r := routerOf(t, l, func(cluster.NodeID) Face { return firstMeta{} })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.AddFirstSigningKey(ctx, &storev1.SigningKey{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before it has heard of the key: %v", err)
		}
	})
}

// Rounds end with their owner, whoever still waits for them.
func TestRoundsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all rounds
		work := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := all.do(impatient, work); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the impatient one got %v", err)
		}
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if err := all.do(t.Context(), work); err == nil {
				t.Error("a round that was cut succeeded")
			}
		})
		synctest.Wait()
		began := time.Now()
		all.close()
		waiting.Wait()
		if took := time.Since(began); took > 0 {
			t.Errorf("the end took %v", took)
		}
		if err := all.do(t.Context(), work); !errors.Is(err, ErrNotExecuted) {
			t.Errorf("a round after the end: %v", err)
		}
	})
}
