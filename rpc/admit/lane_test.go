package admit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// who makes a caller that finds itself out.
func who(group, member string, weight uint32) func() Caller {
	return func() Caller { return Caller{Group: group, Member: member, Weight: weight} }
}

// client calls without a pause until ctx ends, each call taking that long in the lane.
// It returns how long the calls waited, and how many were refused.
func client(ctx context.Context, l *Lane, takes time.Duration, size int, as func() Caller) (waits []time.Duration, refused int) {
	for ctx.Err() == nil {
		began := time.Now()
		pass, err := l.Enter(ctx, size, as)
		switch {
		case errors.Is(err, ErrBusy):
			refused++
		case err == nil:
			waits = append(waits, time.Since(began))
			time.Sleep(takes)
			pass.Leave()
		}
	}
	return waits, refused
}

// load is clients at one lane.
type load struct {
	lane *Lane
	ctx  context.Context
	all  sync.WaitGroup

	mu      sync.Mutex
	served  map[string]int
	waits   map[string][]time.Duration
	refused map[string]int
}

func newLoad(ctx context.Context, room int) *load {
	return &load{
		lane: New(room), ctx: ctx,
		served: make(map[string]int), waits: make(map[string][]time.Duration), refused: make(map[string]int),
	}
}

// add starts so many clients, of the same name each.
func (l *load) add(n int, name string, size int, as func() Caller) {
	for range n {
		l.all.Go(func() {
			waits, refused := client(l.ctx, l.lane, time.Millisecond, size, as)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.served[name] += len(waits)
			l.waits[name] = append(l.waits[name], waits...)
			l.refused[name] += refused
		})
	}
}

func (l *load) worst(name string, part float64) time.Duration {
	waits := l.waits[name]
	slices.Sort(waits)
	if len(waits) == 0 {
		return time.Hour // it never had its turn
	}
	return waits[int(float64(len(waits)-1)*part)]
}

// One who asks for little waits for no more than its turn, whatever another asks for.
func TestNoisyDoesNotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		l := newLoad(ctx, 16)
		for i := range 256 {
			l.add(20, "noisy", 0, who("noisy", fmt.Sprint(i), 0))
		}
		time.Sleep(100 * time.Millisecond)
		l.add(1, "quiet", 0, who("quiet", "", 0))
		l.all.Wait()
		if p99 := l.worst("quiet", 0.99); p99 > 2*time.Millisecond {
			t.Errorf("the quiet one waited %v beside one with 5,120 calls, a call takes 1ms", p99)
		}
		if n := l.served["noisy"]; n < 44_000 {
			t.Errorf("%d calls of the noisy one were served of 48,000 that there was time for", n)
		}
		if n := l.refused["quiet"]; n != 0 {
			t.Errorf("%d calls of the quiet one were refused", n)
		}
		if s := l.lane.Stats(); s != (Stats{}) || l.lane.queue.len != 0 {
			t.Errorf("left behind: %+v, %d in the queue", s, l.lane.queue.len)
		}
	})
}

// Those who ask for more than there is have equal parts of it, or parts by their
// weights, and members of a group among themselves too.
func TestParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		l := newLoad(ctx, 10)
		l.add(400, "a", 0, who("a", "", 0))
		l.add(40, "b", 0, who("b", "", 1))
		l.add(80, "heavy", 0, who("heavy", "", 3))
		l.add(100, "c1", 0, who("c", "1", 0))
		l.add(10, "c2", 0, who("c", "2", 0))
		l.add(60, "large", largeCall, who("large", "", 0)) // each of them counts as two
		l.all.Wait()
		const turn = 20_000.0 / (1 + 1 + 3 + 1 + 1) // the large one's are half as many
		for name, want := range map[string]float64{"a": 1, "b": 1, "heavy": 3, "c1": 0.5, "c2": 0.5, "large": 0.5} {
			if got := float64(l.served[name]) / turn; got < want*0.85 || got > want*1.2 {
				t.Errorf("%s had %.2f parts, want %v", name, got, want)
			}
		}
	})
}

func TestWaitsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(1)
		first, err := l.Enter(t.Context(), 0, who("a", "", 0))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := l.Enter(t.Context(), 0, who("b", "", 0)); !errors.Is(err, ErrBusy) {
			t.Errorf("without room: %v", err)
		}
		if waited := time.Since(began); waited < Patience*3/4 || waited > Patience*5/4 {
			t.Errorf("waited %v", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := l.Enter(ctx, 0, who("b", "", 0)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the caller's own time: %v", err)
		}
		if s := l.Stats(); s != (Stats{Running: 1}) {
			t.Errorf("left behind: %+v", s)
		}
		first.Leave()
		first.Leave()
		var none Pass
		none.Leave()
		if s := l.Stats(); s != (Stats{}) {
			t.Errorf("left behind: %+v", s)
		}
	})
}

// When the queue is full whoever has the most of it gives way, and nobody else.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(1)
		pass, err := l.Enter(t.Context(), 0, who("a", "", 0))
		if err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan error, Queue+10)
		enter := func(group string) {
			go func() {
				p, err := l.Enter(t.Context(), 0, who(group, "", 0))
				p.Leave()
				outcomes <- err
			}()
		}
		for range Queue {
			enter("noisy")
		}
		synctest.Wait()
		if s := l.Stats(); s.Waiting != Queue {
			t.Fatalf("%d wait", s.Waiting)
		}
		enter("noisy")
		synctest.Wait()
		if err := <-outcomes; !errors.Is(err, ErrBusy) || l.Stats().Waiting != Queue {
			t.Errorf("one more of the noisy: %v, %d wait", err, l.Stats().Waiting)
		}
		enter("quiet")
		synctest.Wait()
		if err := <-outcomes; !errors.Is(err, ErrBusy) || l.Stats().Waiting != Queue || l.queue.named["quiet"].len != 1 {
			t.Errorf("one of another group: %v, %d wait", err, l.Stats().Waiting)
		}
		pass.Leave()
		for range Queue {
			if err := <-outcomes; err != nil {
				t.Fatal(err)
			}
		}
		if s := l.Stats(); s != (Stats{}) || len(l.queue.named) != 0 || len(l.queue.groups) != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

func BenchmarkEnter(b *testing.B) {
	l := New(256)
	as := who("a", "", 0)
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p, _ := l.Enter(b.Context(), 100, as)
			p.Leave()
		}
	})
	b.Run("all processors", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				p, _ := l.Enter(context.Background(), 100, as)
				p.Leave()
			}
		})
	})
}
