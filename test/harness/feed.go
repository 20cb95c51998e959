package harness

import (
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

// Feed is what a running child has said so far, one T for each line it printed.
// It only grows. It is safe for concurrent use.
type Feed[T any] struct {
	what string
	log  *os.File
	*process

	mu      sync.Mutex
	said    []T
	changed chan struct{} // closed and replaced whenever something is said
	ended   bool          // nothing more will be said
}

// follow starts the command and takes each line it prints that parse accepts.
// The child ends with the test.
func follow[T any](t testing.TB, what string, cmd *exec.Cmd, parse func(line []byte) (T, bool)) *Feed[T] {
	t.Helper()
	f := &Feed[T]{what: what, log: openLog(t, "feed"), changed: make(chan struct{})}
	cmd.Stderr = f.log
	out := outputOf(cmd)
	f.process = start(t, what, cmd)
	go func() {
		readLines(out, f.log, func(line []byte) {
			if v, ok := parse(line); ok {
				f.grow(func() { f.said = append(f.said, v) })
			}
		})
		f.grow(func() { f.ended = true })
	}()
	return f
}

func (f *Feed[T]) grow(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// Events returns what was said so far, oldest first.
func (f *Feed[T]) Events() []T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.said)
}

// Await returns as soon as what was said satisfies the condition, and fails the
// test when it does not in time or when the child ends before.
func (f *Feed[T]) Await(t testing.TB, what string, condition func(said []T) bool) {
	t.Helper()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	for {
		f.mu.Lock()
		said, ended, changed := f.said, f.ended, f.changed
		f.mu.Unlock()
		if condition(said) {
			return
		}
		if ended {
			t.Fatalf("%s ended before %s\n%s", f.what, what, tail(f.log))
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("%s: waited %s for %s\n%s", f.what, Patience, what, tail(f.log))
		}
	}
}
