package api

import (
	"errors"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/h2"
)

// carrier is the way out of a subscription: what sends the messages of a source,
// be it the connection of an h2.Stream, which says what each method promises, or
// the goroutine of a foreign call's handler.
type carrier interface {
	Deliver(source h2.Source) error
	Wake()
	Cut()
	Progress() (sent uint64, rests bool)
}

// Deliver implements carrier.
func (f *foreign) Deliver(source h2.Source) error {
	var room [h2.Batch][]byte
	turn := h2.Turn{Messages: room[:]}
	send := f.x.Send
	if sharer, ok := f.x.(SharedSender); ok {
		send = sharer.SendShared
	}
	for {
		turn.Now = time.Now()
		n, over := source.Next(&turn)
		err := f.postAll(send, room[:n])
		if err == nil && n == len(room) && !over {
			continue
		}
		if err == nil && !over {
			err = f.x.Flush()
		}
		switch {
		case errors.Is(err, ErrEnough):
			return nil
		case err != nil || over:
			return err
		}
		f.rests.Store(true)
		select {
		case <-f.bell:
		case <-f.ctx.Done():
			return f.ctx.Err()
		}
		f.rests.Store(false)
	}
}

// postAll sends messages and lets go of them.
func (f *foreign) postAll(send func([]byte) error, messages [][]byte) error {
	defer clear(messages)
	for i, m := range messages {
		err := f.post(send, m)
		if f.posted != nil && (err == nil || errors.Is(err, ErrEnough)) { // enough is said of what was taken
			f.posted(i, m)
		}
		if err != nil {
			return err
		}
		f.moved.Add(1)
	}
	return nil
}

// Wake implements carrier.
func (f *foreign) Wake() {
	select {
	case f.bell <- struct{}{}:
	default:
	}
}

// Cut implements carrier.
func (f *foreign) Cut() { f.x.Cut() }

// Progress implements carrier.
func (f *foreign) Progress() (sent uint64, rests bool) { return f.moved.Load(), f.rests.Load() }
