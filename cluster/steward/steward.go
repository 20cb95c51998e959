package steward

import (
	"context"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// Steward looks after one node, and after the whole cluster while that node
// leads the meta group. All methods may be called at any time from any
// goroutine; they do little before Run and nothing lasting after it.
type Steward struct {
	cfg      Config
	follower *follower

	mu     sync.Mutex
	office *office // nil while this node does not lead the meta group
}

// New checks the configuration. It starts nothing.
func New(cfg Config) (*Steward, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Steward{cfg: cfg, follower: &follower{cfg: cfg, failed: make(map[replica.Ref]failure)}}, nil
}

// Run does the work until ctx ends, and returns when all of its goroutines
// have. It may be called once.
func (s *Steward) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.follower.run(ctx) })
	wg.Go(func() { s.lead(ctx) })
	wg.Wait()
}

// lead takes office whenever this node leads the meta group. A node that has no
// replica of that group yet cannot say when it will, so the record's changes and
// a clock tell when to look again as well.
func (s *Steward) lead(ctx context.Context) {
	for ctx.Err() == nil {
		news := s.cfg.Record.Changed()
		term, leading, changed := s.cfg.Record.Leading()
		if leading {
			s.serve(ctx, term)
			continue
		}
		timer := time.NewTimer(followEvery)
		select {
		case <-changed:
		case <-news:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// serve is one term of office.
func (s *Steward) serve(ctx context.Context, term uint64) {
	ctx, cancel := context.WithCancel(ctx)
	o := newOffice(s.cfg, term)
	var watch sync.WaitGroup
	watch.Go(func() {
		defer cancel()
		for ctx.Err() == nil {
			now, leading, changed := s.cfg.Record.Leading()
			if !leading || now != term {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	})
	s.enter(o)
	o.run(ctx)
	s.enter(nil)
	cancel()
	o.end()
	watch.Wait()
}

func (s *Steward) enter(o *office) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.office = o
}

// inOffice gives the present term of office, or ErrNotLeading.
func (s *Steward) inOffice() (*office, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.office == nil {
		return nil, ErrNotLeading
	}
	return s.office, nil
}

// Doubt is a hint that a node may be dead, as gossip gives it. The node counts
// as suspect until it answers the next question, which is asked at once. On
// nodes that do not lead the meta group it has no effect.
func (s *Steward) Doubt(node cluster.NodeID) {
	if o, err := s.inOffice(); err == nil {
		o.observer.doubt(node, time.Now())
		o.hurry()
	}
}
