package route

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

const (
	sweepEvery     = time.Second
	reconcileEvery = 10 * time.Second
	// credentialsEvery is how often expired API keys are forgotten.
	credentialsEvery = time.Minute
)

// Run keeps the node in order until ctx ends: it follows who leads which
// group, frees what has expired, and finishes deletions that were cut short.
// It returns when all of that has stopped.
func (l *Local) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, g := range l.groups {
		if g.ID() != cluster.MetaGroup {
			all.Go(func() { l.followLeadership(ctx, g) })
			all.Go(func() { every(ctx, sweepEvery, func() { l.sweep(ctx, g) }) })
		}
	}
	all.Go(func() { every(ctx, sweepEvery, func() { l.topics.Sweep(time.Now()) }) })
	all.Go(func() { every(ctx, reconcileEvery, func() { l.reconcile(ctx) }) })
	all.Go(func() { every(ctx, credentialsEvery, func() { l.sweepCredentials(ctx) }) })
	all.Wait()
}

// every calls do again and again, one at a time, until ctx ends.
func every(ctx context.Context, pause time.Duration, do func()) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			do()
		case <-ctx.Done():
			return
		}
	}
}

// followLeadership lets this node number the topics of a group while it leads
// the group, under a page that no earlier leader used.
func (l *Local) followLeadership(ctx context.Context, g *replica.Group) {
	for {
		leadership, changed := g.Leadership()
		if leadership.Leading {
			l.own(g.ID(), leadership.Term)
		} else {
			l.topics.Disown(uint32(g.ID()))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Local) own(g cluster.GroupID, term uint64) {
	page, err := fanout.Page{Term: term}.Number()
	if err == nil {
		err = l.topics.Own(uint32(g), page)
	}
	if err != nil && !errors.Is(err, fanout.ErrClosed) {
		l.logger.Error("the topics of a group cannot be numbered here",
			slog.Uint64("group", uint64(g)), slog.Uint64("term", term), slog.Any("err", err))
	}
}

func (l *Local) sweep(ctx context.Context, g *replica.Group) {
	err := l.partitions[g.ID()].sweep(ctx)
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrNotExecuted) {
		l.logger.Warn("expired items are not freed yet", slog.Uint64("group", uint64(g.ID())), slog.Any("err", err))
	}
}

// sweepCredentials forgets API keys that have expired. It writes nothing while
// none has: an idle node leaves its disk alone.
func (l *Local) sweepCredentials(ctx context.Context) {
	now := l.clock.milliseconds()
	due := slices.ContainsFunc(read(l.catalog, (*store.Catalog).APIKeys), func(key *storev1.ApiKey) bool {
		return key.GetExpiresAtMs() != 0 && key.GetExpiresAtMs() <= now
	})
	if !due {
		return
	}
	sweep := &storev1.CatalogCommand{Op: &storev1.CatalogCommand_SweepCredentials{SweepCredentials: &storev1.SweepCredentials{}}}
	if _, err := l.catalog.apply(ctx, sweep); err != nil && ctx.Err() == nil && !errors.Is(err, ErrNotExecuted) {
		l.logger.Warn("expired keys are not forgotten yet", slog.Any("err", err))
	}
}
