package replica

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"
)

// Raft counts log entries, not bytes. 2,048 trailing entries of a megabyte each
// are two gigabytes, so a log over its byte limit is snapshotted at once and
// cut down to what fits into half of the limit.

// keepLogSmall takes the snapshots that raft's own schedule does not: those the
// logbook rings for and those asked for. It runs until ctx ends.
func (g *Group) keepLogSmall(ctx context.Context) {
	grown := g.store.log.grown
	var pause <-chan time.Time
	for {
		select {
		case <-grown:
			g.trim()
			grown, pause = nil, time.After(g.tuning.trimPause)
		case <-pause:
			grown, pause = g.store.log.grown, nil
		case result := <-g.snapshotNow:
			result <- g.raft.Snapshot().Error()
		case <-ctx.Done():
			return
		case <-g.stop.halted:
			return
		}
	}
}

// trim takes a snapshot and drops what the log no longer needs. Only this one
// snapshot leaves fewer trailing entries than usual.
func (g *Group) trim() {
	book := g.store.log
	err := g.keepTrailing(min(g.tuning.trailingLogs, book.newestWithin(book.limit/2)))
	if err == nil {
		err = g.raft.Snapshot().Error()
	}
	err = errors.Join(err, g.keepTrailing(g.tuning.trailingLogs))
	switch {
	case err == nil, errors.Is(err, raft.ErrNothingNewToSnapshot), errors.Is(err, raft.ErrRaftShutdown):
	default:
		g.log.Warn("the log is over its limit and cannot be trimmed", slog.Int64("limit_bytes", book.limit), slog.Any("err", err))
	}
}

// keepTrailing sets how many entries raft leaves behind a snapshot.
func (g *Group) keepTrailing(entries uint64) error {
	settings := g.raft.ReloadableConfig()
	settings.TrailingLogs = entries
	return g.raft.ReloadConfig(settings)
}
