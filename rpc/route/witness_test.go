package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
)

// ledger is what was published in a topic and what was heard of it, anywhere.
type ledger struct {
	topic string

	mu     sync.Mutex
	value  map[fanout.Position]string
	at     map[string]fanout.Position
	sent   []*letter
	wrongs []string
}

func newLedger(topic string) *ledger {
	return &ledger{topic: topic, value: make(map[fanout.Position]string), at: make(map[string]fanout.Position)}
}

// letter is one publish.
type letter struct {
	value        string
	begun, ended time.Time
	err          error
}

// wrong notes what must not happen.
func (l *ledger) wrong(format string, args ...any) {
	l.wrongs = append(l.wrongs, l.topic+": "+fmt.Sprintf(format, args...))
}

// publish sends one value through a node.
func (l *ledger) publish(ctx context.Context, p *peer) error {
	l.mu.Lock()
	s := &letter{value: fmt.Sprint(len(l.sent)), begun: time.Now()}
	l.sent = append(l.sent, s)
	l.mu.Unlock()
	err := p.router.Publish(ctx, "chat", l.topic, Message{Value: []byte(s.value)})
	l.mu.Lock()
	defer l.mu.Unlock()
	s.ended, s.err = time.Now(), err
	return err
}

// hear notes that a value has a position.
func (l *ledger) hear(at fanout.Position, value string) {
	if other, taken := l.value[at]; taken && other != value {
		l.wrong("%v is %q and %q", at, value, other)
	}
	if other, twice := l.at[value]; twice && other != at {
		l.wrong("%q is at %v and %v", value, at, other)
	}
	l.value[at], l.at[value] = value, at
}

// inOrder holds what was heard against what was acknowledged: numbers never go
// back.
func (l *ledger) inOrder() {
	l.mu.Lock()
	defer l.mu.Unlock()
	heard := slices.DeleteFunc(slices.Clone(l.sent), func(s *letter) bool { _, ok := l.at[s.value]; return !ok })
	slices.SortFunc(heard, func(a, b *letter) int { return l.at[a.value].Compare(l.at[b.value]) })
	latest := &letter{} // of those before, the one that was begun last
	for _, s := range heard {
		if s.err == nil && latest.begun.After(s.ended) {
			l.wrong("%q was published after %q was acknowledged, and is at %v, before %v", latest.value, s.value, l.at[latest.value], l.at[s.value])
		}
		if s.begun.After(latest.begun) {
			latest = s
		}
	}
}

// witness is a subscriber that comes back whenever its stream ends, as the SDKs
// do, and checks all it hears.
type witness struct {
	*ledger
	world *world
	home  cluster.NodeID

	heard  map[fanout.Position]bool
	first  fanout.Position
	gaps   [][2]fanout.Position // left out: above the first, up to the second
	seen   fanout.Position      // zero until it has a place
	strays bool                 // goes to another node when it is sent away
	comes  int                  // how often it has subscribed
}

// listen subscribes until ctx ends.
func (w *witness) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := w.stay(ctx, w.world.peer(w.home))
		if w.strays && errors.Is(err, fanout.ErrDisowned) {
			w.mu.Lock()
			w.home = w.world.names[w.comes%len(w.world.names)]
			w.mu.Unlock()
		}
		select {
		case <-time.After(tick):
		case <-ctx.Done():
		}
	}
}

// stay hears one subscription to its end.
func (w *witness) stay(ctx context.Context, p *peer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	w.mu.Lock()
	from := w.seen
	w.comes++
	w.mu.Unlock()
	if from.Page != 0 {
		from.Sequence++
	}
	s, err := p.router.Subscribe(ctx, "chat", w.topic, from)
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		e, err := s.Next(ctx)
		if err != nil {
			return err
		}
		w.hears(e)
	}
}

// hears checks one event: it must continue what was heard, or say exactly what is
// left out.
func (w *witness) hears(e fanout.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if item, ok := e.Item(); ok {
		if w.seen.Page != 0 && item.Position != (fanout.Position{Page: w.seen.Page, Sequence: w.seen.Sequence + 1}) {
			w.wrong("at %s: item %v after %v, and no word of it", w.home, item.Position, w.seen)
		}
		w.hear(item.Position, string(item.Encoded))
		if w.heard == nil {
			w.heard, w.first = make(map[fanout.Position]bool), item.Position
		}
		w.heard[item.Position] = true
		w.seen = item.Position
		return
	}
	gap, _ := e.Discontinuity()
	to := fanout.Position{Page: gap.Page, Sequence: gap.New}
	if w.seen.Page != 0 {
		if gap.Last != w.seen.Sequence || to.Compare(w.seen) <= 0 {
			w.wrong("at %s: %+v after %v", w.home, gap, w.seen)
		}
		w.gaps = append(w.gaps, [2]fanout.Position{w.seen, to})
	}
	w.seen = to
}

// lacksNothing demands that every item behind its first that anybody heard was
// heard by this witness or named in a gap.
func (w *witness) lacksNothing() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.heard) == 0 {
		return
	}
	for at, value := range w.value {
		if w.heard[at] || at.Compare(w.first) < 0 || at.Compare(w.seen) > 0 {
			continue
		}
		told := false
		for _, gap := range w.gaps {
			told = told || at.Compare(gap[0]) > 0 && at.Compare(gap[1]) <= 0
		}
		if !told {
			w.wrong("at %s: %q at %v is missing, and no word of it", w.home, value, at)
		}
	}
}

// has reports whether the witness has heard a value.
func (w *witness) has(value string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.at[value]
	return ok && w.heard[at]
}
