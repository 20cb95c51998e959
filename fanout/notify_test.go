package fanout

import (
	"errors"
	"testing"
)

// A reader that is to be called is called wherever it would have been rung, and
// what came before it said so is not lost.
func TestReaderThatIsCalled(t *testing.T) {
	b := ownedBroker(t, Config{})
	s := subscribe(t, b, room, Position{}, 0)
	publish(t, b, room, 0)
	calls := 0
	expect := func(want int, when string) {
		t.Helper()
		if calls != want {
			t.Errorf("%d calls %s, want %d", calls, when, want)
		}
	}
	take := func(want int) {
		t.Helper()
		var buf [4]Event
		if n, err := s.Take(buf[:]); n != want || err != nil {
			t.Errorf("took %d, %v; want %d", n, err, want)
		}
	}
	s.Notify(func() { calls++ })
	expect(1, "at the beginning")
	take(1)
	publish(t, b, room, 0)
	expect(2, "after a publish")
	publish(t, b, room, 0)
	expect(2, "after another that the reader has not looked for")
	take(2)
	take(0)
	s.Wake()
	expect(3, "after Wake")
	for range 5 {
		publish(t, b, room, 0)
	}
	expect(4, "after five more")
	take(4)
	expect(5, "when not everything was taken")
	take(1)
	s.Close()
	expect(6, "after Close")
	if _, err := s.Take(make([]Event, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	s.Close()
	expect(6, "after closing twice")
	select {
	case <-s.Ready():
		t.Error("Ready is rung, too")
	default:
	}
}
