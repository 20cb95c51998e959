package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

func TestProposeKeepsOrderAndResults(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			n := open(t, singleNode(dir))
			g := n.lead(t, 1)
			first := g.Stats().LastIndex
			const callers, each = 32, 50
			positions := make([][]int, callers)
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					for i := range each {
						result, err := g.Propose(timeout(t), fmt.Appendf(nil, "%d/%d", c, i))
						if err != nil {
							t.Errorf("Propose: %v", err)
							return
						}
						positions[c] = append(positions[c], result.(int))
					}
				})
			}
			wg.Wait()
			lines := n.journal(1).all()
			if len(lines) != callers*each {
				t.Fatalf("%d commands were executed, %d were sent", len(lines), callers*each)
			}
			for c, own := range positions {
				for i, pos := range own {
					if want := fmt.Sprintf("%d/%d", c, i); lines[pos] != want {
						t.Fatalf("caller %d was told position %d, which holds %q, not %q", c, pos, lines[pos], want)
					}
					if i > 0 && pos <= own[i-1] {
						t.Fatalf("caller %d: command %d at %d came before command %d at %d", c, i, pos, i-1, own[i-1])
					}
				}
			}
			if entries := g.Stats().LastIndex - first; entries >= callers*each {
				t.Errorf("%d commands took %d entries: they were not gathered", callers*each, entries)
			}
			if s := g.Stats(); s.Queued != 0 || s.QueuedBytes != 0 {
				t.Errorf("all are answered, yet %d commands with %d bytes are held", s.Queued, s.QueuedBytes)
			}
		})
	}
}

func TestProposeRefusesBeforeAnyWork(t *testing.T) {
	cfg := singleNode("")
	cfg.Limits = Limits{QueuedCommands: 4}
	n := open(t, cfg)
	g := n.lead(t, 1)
	if _, err := g.Propose(timeout(t), make([]byte, MaxCommandBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a command over the limit: %v", err)
	}
	if _, err := g.Propose(timeout(t), make([]byte, MaxCommandBytes)); err != nil {
		t.Errorf("a command at the limit: %v", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := g.Propose(gone, []byte("late")); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("a context that had ended: %v", err)
	}

	g.pipe.queue.encoding.Lock() // nothing leaves the queue
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if _, err := g.Propose(timeout(t), fmt.Appendf(nil, "held %d", i)); err != nil {
				t.Errorf("an accepted command: %v", err)
			}
		})
	}
	waitFor(t, g, func(s Stats) bool { return s.Queued == 4 })
	if _, err := g.Propose(timeout(t), []byte("one too many")); !errors.Is(err, ErrOverloaded) {
		t.Errorf("a command beyond the queue's bound: %v", err)
	}
	g.pipe.queue.encoding.Unlock()
	wg.Wait()
	propose(t, g, "room again")
}

func TestQueueBoundsBytes(t *testing.T) {
	q := newQueue(Limits{QueuedCommands: 100, QueuedBytes: 10})
	p, err := q.add([]byte("123456"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.add([]byte("12345")); !errors.Is(err, ErrOverloaded) {
		t.Errorf("eleven bytes of ten: %v", err)
	}
	if b, _ := q.take(); b.bytes != 6 {
		t.Fatalf("took %d bytes", b.bytes)
	}
	if _, err := q.add([]byte("12345")); !errors.Is(err, ErrOverloaded) {
		t.Errorf("bytes under way must count until they are answered: %v", err)
	}
	if q.withdraw(p) {
		t.Error("a command that was taken came back")
	}
	q.release(1, 6)
	if _, err := q.add([]byte("12345")); err != nil {
		t.Errorf("after the answer: %v", err)
	}
}

func TestContextEndsInQueueOrAfter(t *testing.T) {
	n := open(t, singleNode(""))
	g := n.lead(t, 1)
	journal := n.journal(1)

	// In the queue: not executed.
	g.pipe.queue.encoding.Lock()
	ctx, cancel := context.WithCancel(context.Background())
	answer := make(chan error, 1)
	go func() {
		_, err := g.Propose(ctx, []byte("never"))
		answer <- err
	}()
	waitFor(t, g, func(s Stats) bool { return s.Queued == 1 })
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("cancelled in the queue: %v", err)
	}
	g.pipe.queue.encoding.Unlock()
	propose(t, g, "first")

	// Under way: perhaps, and here it is.
	journal.mu.Lock() // Apply waits
	ctx, cancel = context.WithCancel(context.Background())
	cmd := []byte("maybe")
	go func() {
		_, err := g.Propose(ctx, cmd)
		answer <- err
	}()
	last := g.Stats().LastIndex
	waitFor(t, g, func(s Stats) bool { return s.LastIndex > last })
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("cancelled under way: %v", err)
	}
	copy(cmd, "XXXXX") // the bytes are ours again
	journal.mu.Unlock()
	propose(t, g, "last")
	if got, want := fmt.Sprint(journal.all()), "[first maybe last]"; got != want {
		t.Errorf("executed %s, want %s", got, want)
	}
}

// waitFor waits until the group's numbers are as wanted.
func waitFor(t testing.TB, g *Group, ok func(Stats) bool) {
	t.Helper()
	for ctx := timeout(t); !ok(g.Stats()); {
		if ctx.Err() != nil {
			t.Fatalf("it never came to that: %+v", g.Stats())
		}
		runtime.Gosched()
	}
}

func TestClosedAnswersWork(t *testing.T) {
	n := open(t, singleNode(t.TempDir()))
	g := n.lead(t, 1)
	journal := n.journal(1)
	journal.mu.Lock()
	answer := make(chan error, 1)
	last := g.Stats().LastIndex
	go func() {
		_, err := g.Propose(timeout(t), []byte("under way"))
		answer <- err
	}()
	waitFor(t, g, func(s Stats) bool { return s.LastIndex > last })
	closed := make(chan error, 1)
	go func() { closed <- n.Close(timeout(t)) }()
	for !g.closing.Load() {
		runtime.Gosched()
	}
	journal.mu.Unlock()
	if err := <-answer; err != nil {
		t.Errorf("a command under way when Close began: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := g.Propose(timeout(t), []byte("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("Propose after Close: %v", err)
	}
	if err := g.Confirm(timeout(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("Confirm after Close: %v", err)
	}
	if _, err := g.WaitLeader(timeout(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("WaitLeader after Close: %v", err)
	}
	if err := g.Snapshot(timeout(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("Snapshot after Close: %v", err)
	}
	if err := n.Close(timeout(t)); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if g.IsLeader() {
		t.Error("a closed replica claims to lead")
	}
}

func TestConfirmOfALoneVoterIsFree(t *testing.T) {
	n := open(t, singleNode(""))
	g := n.lead(t, 1)
	ctx := context.Background()
	if allocs := testing.AllocsPerRun(100, func() {
		if err := g.Confirm(ctx); err != nil {
			t.Error(err)
		}
	}); allocs != 0 {
		t.Errorf("Confirm allocates %v times", allocs)
	}
}

func TestFenceServesOnlyWhoCameBefore(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan error)
	f := &fence{prove: func() error { begun <- struct{}{}; return <-finish }}
	ctx := timeout(t)
	answers := make(chan string, 3)
	read := func(name string) {
		answers <- fmt.Sprint(name, " ", f.wait(ctx, nil))
	}
	go read("early")
	<-begun
	// Two reads arrive while a round is under way: it must not serve them.
	go read("late")
	go read("late")
	for {
		f.mu.Lock()
		waiting := f.next != nil
		f.mu.Unlock()
		if waiting {
			break
		}
		runtime.Gosched()
	}
	finish <- nil
	if got := <-answers; got != "early <nil>" {
		t.Errorf("the first answer is %q", got)
	}
	<-begun
	finish <- ErrNotLeader
	for served := 1; served < 3; served++ {
		select {
		case got := <-answers:
			if got != "late "+ErrNotLeader.Error() {
				t.Errorf("answer %q", got)
			}
		case <-begun: // the second of them came after the round began
			finish <- ErrNotLeader
			served--
		}
	}
	f.close()
	if err := f.wait(ctx, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestEntryHoldsOneLargeCommandAlone(t *testing.T) {
	q := newQueue(Limits{}.withDefaults())
	small, large := []byte("small"), bytes.Repeat([]byte("L"), gatherBytes+1)
	for _, cmd := range [][]byte{small, large, small, small} {
		if _, err := q.add(cmd); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{1, 1, 2} {
		if b, entry := q.take(); len(b.proposals) != want {
			t.Errorf("entry %d holds %d commands in %d bytes, want %d", i, len(b.proposals), len(entry), want)
		}
	}
}

// Whoever gives up gets its bytes back only when they have been copied.
func TestWithdrawWaitsForTheCopy(t *testing.T) {
	q := newQueue(Limits{}.withDefaults())
	p, err := q.add([]byte("being copied"))
	if err != nil {
		t.Fatal(err)
	}
	q.encoding.Lock()
	q.mu.Lock()
	p.taken = true
	q.mu.Unlock()
	back := make(chan bool)
	go func() { back <- q.withdraw(p) }()
	for range 1000 {
		select {
		case <-back:
			t.Fatal("the bytes were given back while they were being copied")
		default:
			runtime.Gosched()
		}
	}
	q.encoding.Unlock()
	if <-back {
		t.Error("a command that was taken came back")
	}
}
