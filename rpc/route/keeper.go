package route

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

const (
	sweepEvery     = time.Second
	reconcileEvery = 10 * time.Second
	// credentialsEvery is how often expired API keys are forgotten.
	credentialsEvery = time.Minute
)

// Run keeps the node in order until ctx ends: it frees what has expired or was
// dropped with its cache, in the groups that it leads. current returns once the
// node's catalog holds all that was agreed on before the call; Router.CatchUp
// does. Run returns when all of that has stopped.
func (l *Local) Run(ctx context.Context, current func(context.Context) error) {
	var all sync.WaitGroup
	all.Go(func() { every(ctx, sweepEvery, nil, func() { l.sweep(ctx) }) })
	all.Go(func() {
		every(ctx, relieveEvery, func() <-chan struct{} { return l.memory.wanting }, func() { l.relieve(ctx) })
	})
	all.Go(func() { every(ctx, sweepEvery, nil, func() { l.topics.Sweep(time.Now()) }) })
	all.Go(func() { every(ctx, reconcileEvery, l.Changed, func() { l.reconcile(ctx, current) }) })
	all.Go(func() { every(ctx, credentialsEvery, nil, func() { l.sweepCredentials(ctx) }) })
	all.Wait()
}

// every calls do again and again, one at a time, until ctx ends: after every
// pause, and at once when the channel that sooner returns is closed.
func every(ctx context.Context, pause time.Duration, sooner func() <-chan struct{}, do func()) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		var news <-chan struct{}
		if sooner != nil {
			news = sooner()
		}
		select {
		case <-ticker.C:
		case <-news:
		case <-ctx.Done():
			return
		}
		do()
	}
}

// sweep frees what has expired in the groups led here.
func (l *Local) sweep(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for g, p := range l.led {
		all.Go(func() { l.later(ctx, g, "expired items are not freed yet", p.sweep(ctx)) })
	}
}

// led yields the data groups that this node leads.
func (l *Local) led(yield func(cluster.GroupID, *partition) bool) {
	for g, p := range l.data {
		if now, _ := p.group.Leadership(); now.Leading && !yield(g, p) {
			return
		}
	}
}

// later tells the log what an errand of the keeper could not do this time, unless
// it ends, or another node leads the group and does it.
func (l *Local) later(ctx context.Context, g cluster.GroupID, what string, err error) {
	if ctx.Err() == nil && !errors.Is(err, ErrNotExecuted) {
		l.warn(g, what, err)
	}
}

// warn tells the log of an error, if there is one.
func (l *Local) warn(g cluster.GroupID, what string, err error) {
	if err != nil {
		l.logger.Warn(what, slog.Uint64("group", uint64(g)), slog.Any("err", err))
	}
}

// sweepCredentials forgets keys that have ended, and revocations that no token is
// under any more. It writes nothing while there is none: an idle node leaves its
// disk alone.
func (l *Local) sweepCredentials(ctx context.Context) {
	if !l.leads(cluster.MetaGroup) {
		return
	}
	now := l.clock.milliseconds()
	if !read(l.meta.Load(), func(c *store.Catalog) bool { return c.CredentialsDue(now) }) {
		return
	}
	sweep := &storev1.CatalogCommand{Op: &storev1.CatalogCommand_SweepCredentials{SweepCredentials: &storev1.SweepCredentials{}}}
	_, _, err := l.ApplyCatalog(ctx, sweep)
	l.later(ctx, cluster.MetaGroup, "expired keys are not forgotten yet", err)
}
