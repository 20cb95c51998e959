package replica

import (
	"context"
	"sync"
)

// errands are calls into raft that cannot be called off: their callers may stop
// waiting, the group waits for their end. Raft answers them as long as it runs.
type errands struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// run does f and waits for it until ctx ends. Then begun is true and the result
// is the context's error: what comes of f is unknown.
func (e *errands) run(ctx context.Context, f func() error) (begun bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return false, ErrClosed
	}
	result := make(chan error, 1)
	e.wg.Go(func() { result <- f() })
	e.mu.Unlock()
	select {
	case err := <-result:
		return true, err
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

// close refuses further errands and waits for those under way.
func (e *errands) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.wg.Wait()
}
