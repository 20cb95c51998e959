package hook

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mayfly-broker/mayfly/fanout"
)

var start = time.UnixMilli(1_000_000)

func newLine(t Tuning) *line {
	t = t.withDefaults()
	return &line{tuning: &t, load: new(load)}
}

func item(sequence uint64, taken time.Time) *event {
	return &event{Item: fanout.Item{Position: fanout.Position{Page: 1, Sequence: sequence}, Encoded: []byte("xxxx")}, taken: taken}
}

// ready begins the next attempt if one may begin now.
func (l *line) ready(now time.Time) *event {
	if at, ok := l.next(); ok && !at.After(now) {
		return l.begin(now)
	}
	return nil
}

func TestInOrderOneAtATime(t *testing.T) {
	l := newLine(Tuning{})
	for i := range 3 {
		l.push(item(uint64(i+1), start))
	}
	for want := uint64(1); want <= 3; want++ {
		e := l.ready(start)
		if e == nil || e.Sequence != want || l.ready(start) != nil {
			t.Fatalf("got %v, want only item %d", e, want)
		}
		if got := l.end(e, outcome{}, start); got != delivered {
			t.Errorf("ended as %v", got)
		}
	}
	if !l.empty() || *l.load != (load{}) || l.bytes != 0 {
		t.Errorf("left: %+v, %+v", l, l.load)
	}
}

// An event that fails steps aside; the others go on, and it comes back.
func TestOneEventThatFails(t *testing.T) {
	l := newLine(Tuning{})
	l.push(item(1, start))
	l.push(item(2, start))
	first := l.ready(start)
	if got := l.end(first, outcome{fate: postponed}, start); got != again {
		t.Fatalf("ended as %v", got)
	}
	if pause := first.due.Sub(start); pause < 250*time.Millisecond || pause > 500*time.Millisecond {
		t.Errorf("it comes back after %v", pause)
	}
	second := l.ready(start)
	if second == nil || second.Sequence != 2 {
		t.Fatalf("got %v, want the second", second)
	}
	l.end(second, outcome{}, start)
	if at, ok := l.next(); !ok || !at.Equal(first.due) {
		t.Errorf("next at %v, %v", at, ok)
	}
	if e := l.ready(first.due); e != first || e.attempts != 2 {
		t.Errorf("got %v, want the first once more", e)
	}
}

// When all events fail, the receiver is left alone, and asked with one event at a
// time how it is.
func TestReceiverThatFails(t *testing.T) {
	l := newLine(Tuning{Attempts: 1000, Age: time.Hour})
	for i := range 20 {
		l.push(item(uint64(i+1), start))
	}
	now, attempts := start, 0
	for now.Sub(start) < time.Minute {
		at, ok := l.next()
		if !ok {
			t.Fatal("nothing is next")
		}
		now = latest(now, at)
		e := l.begin(now)
		if _, ok := l.next(); ok && l.failures > 0 {
			t.Fatal("a receiver that fails is asked twice at a time")
		}
		l.end(e, outcome{fate: postponed}, now)
		attempts++
	}
	// The pauses grow to 5 s, of which a random half is left out.
	if attempts < 15 || attempts > 40 {
		t.Errorf("%d attempts in a minute", attempts)
	}
	at, _ := l.next()
	e := l.begin(at)
	l.end(e, outcome{}, at)
	at = at.Add(DefaultTuning().MaxPause)
	if l.held != 19 || l.failures != 0 || l.ready(at) == nil || l.ready(at) == nil {
		t.Errorf("well again, with %d events and %d failures, it does not get two at a time", l.held, l.failures)
	}
}

func TestLastWords(t *testing.T) {
	for name, row := range map[string]struct {
		fate fate
		want settled
	}{"taken": {taken, delivered}, "refused": {refused, unwanted}, "forbidden": {forbidden, unallowed}} {
		l := newLine(Tuning{})
		l.push(item(1, start))
		if got := l.end(l.ready(start), outcome{fate: row.fate}, start); got != row.want || !l.empty() {
			t.Errorf("%s: ended as %v, empty %v", name, got, l.empty())
		}
	}
}

func TestAttemptsAndAgeAreBounded(t *testing.T) {
	l := newLine(Tuning{Attempts: 3, Age: time.Hour})
	l.push(item(1, start))
	for want := 1; want <= 3; want++ {
		now, _ := l.next()
		e := l.begin(now)
		if got := l.end(e, outcome{fate: postponed}, now); (got == exhausted) != (want == 3) {
			t.Errorf("attempt %d ended as %v", want, got)
		}
	}
	if !l.empty() {
		t.Error("it is still there after three attempts")
	}
	l = newLine(Tuning{Age: 10 * time.Second})
	l.push(item(1, start))
	l.push(item(2, start.Add(9*time.Second)))
	l.end(l.ready(start), outcome{fate: postponed}, start)
	if gone := l.expire(start.Add(11 * time.Second)); gone != 1 || l.held != 1 {
		t.Errorf("%d are too old, %d are left", gone, l.held)
	}
	e := l.ready(start.Add(19 * time.Second))
	if got := l.end(e, outcome{fate: postponed}, start.Add(19*time.Second)); got != exhausted {
		t.Errorf("with no time for one more attempt: %v", got)
	}
}

func TestReceiverThatWantsAPause(t *testing.T) {
	l := newLine(Tuning{})
	l.push(item(1, start))
	l.push(item(2, start))
	l.end(l.ready(start), outcome{fate: postponed, pause: 7 * time.Second}, start)
	if at, ok := l.next(); !ok || at.Sub(start) != 7*time.Second {
		t.Errorf("next after %v, %v", at.Sub(start), ok)
	}
	l.end(l.begin(start.Add(7*time.Second)), outcome{fate: postponed, pause: time.Hour}, start)
	if at, ok := l.next(); !ok || at.Sub(start) > DefaultTuning().MaxPause {
		t.Errorf("a receiver that wants an hour gets %v, %v", at.Sub(start), ok)
	}
}

func TestRate(t *testing.T) {
	l := newLine(Tuning{Rate: 4})
	for i := range 40 {
		l.push(item(uint64(i+1), start))
	}
	now := start
	spend := func() (attempts int) {
		for e := l.ready(now); e != nil; e = l.ready(now) {
			l.end(e, outcome{}, now)
			attempts++
		}
		return attempts
	}
	n := spend()
	if n != 5 { // the next one, and a second's worth
		t.Errorf("a burst of %d attempts", n)
	}
	for now = start; now.Before(start.Add(4 * time.Second)); now = now.Add(50 * time.Millisecond) {
		n += spend()
	}
	if n != 20 {
		t.Errorf("%d attempts in four seconds", n)
	}
}

func TestRoom(t *testing.T) {
	l := newLine(Tuning{Events: 3, Bytes: 8, TotalBytes: 16})
	if got := l.room(); got != 3 {
		t.Errorf("empty: %d", got)
	}
	l.push(item(1, start))
	l.push(item(2, start))
	if got := l.room(); got != 0 { // 8 bytes
		t.Errorf("with all its bytes: %d", got)
	}
	l.load.bytes = 16
	other := &line{tuning: l.tuning, load: l.load}
	if got := other.room(); got != 1 {
		t.Errorf("an empty one while the others are full: %d", got)
	}
	other.push(item(1, start))
	if got := other.room(); got != 0 {
		t.Errorf("one with an event while the others are full: %d", got)
	}
	if gone := l.discard(); gone != 2 || !l.empty() || l.load.bytes != 12 {
		t.Errorf("%d gone, %+v left", gone, l.load)
	}
}

// Whatever happens, no event is lost or there twice, the bounds hold, and what may
// be begun can be.
func TestLineModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLine(Tuning{Events: 8, Attempts: 4, Age: 20 * time.Second, Retries: 2})
		now, pushed, gone, rank := start, 0, 0, uint64(0)
		var tries []*event
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				if l.room() > 0 {
					pushed++
					l.push(item(uint64(pushed), now))
				}
			case 1:
				if e := l.ready(now); e != nil {
					if e.attempts == 1 {
						if e.Sequence <= rank {
							t.Fatalf("item %d is tried for the first time after item %d", e.Sequence, rank)
						}
						rank = e.Sequence
					}
					tries = append(tries, e)
				}
			case 2:
				if len(tries) > 0 {
					i := rapid.IntRange(0, len(tries)-1).Draw(t, "which")
					e := tries[i]
					tries = append(tries[:i], tries[i+1:]...)
					o := outcome{fate: fate(rapid.IntRange(0, 3).Draw(t, "fate"))}
					if l.end(e, o, now) != again {
						gone++
					} else if e.attempts >= 4 || now.Sub(e.taken) > 20*time.Second {
						t.Fatalf("item %d is tried again after %d attempts, %v old", e.Sequence, e.attempts, now.Sub(e.taken))
					}
				}
			}
			gone += l.expire(now)
			if l.held != pushed-gone || l.held > 8 || l.underWay() != len(tries) || l.underWay() > 3 || l.bytes != 4*l.held || l.load.bytes != l.bytes {
				t.Fatalf("%d pushed, %d gone, %d held, %d bytes, %d of %d under way", pushed, gone, l.held, l.bytes, l.underWay(), len(tries))
			}
			if at, ok := l.next(); !ok && l.underWay() == 0 && l.held > 0 {
				t.Fatalf("%d wait for nothing", l.held)
			} else if ok && at.Sub(now) > 31*time.Second {
				t.Fatalf("the next attempt is %v away", at.Sub(now))
			}
		}
	})
}
