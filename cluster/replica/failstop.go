package replica

import (
	"sync"
	"sync/atomic"
)

// failStop remembers the first failure of a group and stops it for good. There
// is no second try: after a failed fsync the page cache may claim what the
// disk does not hold.
type failStop struct {
	halted chan struct{} // closed after the first failure

	mu    sync.Mutex
	fatal func(error) // nil while the group is being opened
	cause atomic.Pointer[error]
}

func newFailStop() *failStop {
	return &failStop{halted: make(chan struct{})}
}

// arm makes later failures fatal. It returns the failure that happened before,
// which is the opener's to report.
func (f *failStop) arm(fatal func(error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fatal = fatal
	return f.err()
}

// trip stops the group and returns the first failure, which is err unless the
// group had stopped already. Once armed it normally does not return, because
// fatal ends the process.
func (f *failStop) trip(err error) error {
	f.mu.Lock()
	if first := f.err(); first != nil {
		f.mu.Unlock()
		return first
	}
	f.cause.Store(&err)
	close(f.halted)
	fatal := f.fatal
	f.mu.Unlock()
	if fatal != nil {
		fatal(err)
	}
	return err
}

// err is nil while the group is healthy.
func (f *failStop) err() error {
	if cause := f.cause.Load(); cause != nil {
		return *cause
	}
	return nil
}
