package route

import "sync"

// tide lets many wait for the next of many events of one kind. The zero value is
// ready.
type tide struct {
	mu   sync.Mutex
	more chan struct{} // closed by the next rise; nil while nobody waits
}

// next returns a channel that is closed by the next rise.
func (t *tide) next() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more == nil {
		t.more = make(chan struct{})
	}
	return t.more
}

// rise wakes whoever waits.
func (t *tide) rise() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more != nil {
		close(t.more)
		t.more = nil
	}
}
