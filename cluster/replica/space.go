package replica

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// defaultMinFree is the free space kept for what must go on when a disk fills
// up: replication, elections, and the deletes that help.
const defaultMinFree = 1 << 30

// spaceLevel is how the free space compares with Limits.MinFree.
type spaceLevel int32

const (
	spaceEnough  spaceLevel = iota
	spaceLow                // below MinFree: no commands to data groups
	spaceReserve            // below half: no commands at all, no snapshots
)

// spaceGuard watches the free space of the data directory, so that the disk is
// never met full in the middle of an append, which would end the process.
type spaceGuard struct {
	dir   string
	min   int64
	ask   func(dir string) (free, total uint64, err error)
	log   *slog.Logger
	level atomic.Int32
	free  atomic.Uint64
}

// newSpaceGuard looks once, so that the guard stands from the first command on.
// A host in memory (dir empty) has no guard.
func newSpaceGuard(cfg Config) *spaceGuard {
	g := &spaceGuard{dir: cfg.Dir, min: cfg.Limits.MinFree, ask: cfg.FreeSpace, log: cfg.Logger}
	g.look()
	return g
}

func (g *spaceGuard) off() bool { return g.dir == "" || g.min < 0 }

// run looks again at every interval until ctx ends.
func (g *spaceGuard) run(ctx context.Context, interval time.Duration) {
	if g.off() {
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			g.look()
		case <-ctx.Done():
			return
		}
	}
}

func (g *spaceGuard) look() {
	if g.off() {
		return
	}
	free, total, err := g.ask(g.dir)
	if err != nil {
		g.log.Warn("free disk space is unknown, keeping the last answer", slog.String("dir", g.dir), slog.Any("err", err))
		return
	}
	need := uint64(g.min)
	if need == 0 {
		need = min(defaultMinFree, total/10)
	}
	level := spaceEnough
	switch {
	case free < need/2:
		level = spaceReserve
	case free < need:
		level = spaceLow
	}
	g.free.Store(free)
	if old := spaceLevel(g.level.Swap(int32(level))); old != level {
		attrs := []any{slog.String("dir", g.dir), slog.Uint64("free_bytes", free), slog.Uint64("wanted_bytes", need)}
		if level > old {
			g.log.Warn("the disk is nearly full, refusing writes", attrs...)
		} else {
			g.log.Info("there is more free disk space again", attrs...)
		}
	}
}

// admit refuses commands of a group while space is short. The meta group may
// use the reserve longer: nodes, keys and caches must stay manageable.
func (g *spaceGuard) admit(group cluster.GroupID) error {
	limit := spaceLow
	if group == cluster.MetaGroup {
		limit = spaceReserve
	}
	if spaceLevel(g.level.Load()) < limit {
		return nil
	}
	return g.refusal()
}

// admitSnapshot refuses snapshots when only the reserve is left.
func (g *spaceGuard) admitSnapshot() error {
	if spaceLevel(g.level.Load()) < spaceReserve {
		return nil
	}
	return g.refusal()
}

func (g *spaceGuard) refusal() error {
	return fmt.Errorf("%w: %d bytes are free in %s", ErrNoSpace, g.free.Load(), g.dir)
}
