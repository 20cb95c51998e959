package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mayfly-broker/mayfly/rpc/metering"
)

// Usage says how a node counts what is used; see metering for what it means.
type Usage struct {
	// Separators and Prefixes say which topics are counted together.
	Separators string
	Prefixes   []string
	// MaxPrefixes and MaxTokens are how many topic prefixes and credentials of a cache
	// are told apart in an hour. 0 tells none apart.
	MaxPrefixes, MaxTokens int
	// Every is how often it is written; what a node that dies can lose.
	Every time.Duration
	// Retention is how long it is kept, TokenRetention how long by credential.
	Retention, TokenRetention time.Duration
	// Prices are what it would cost.
	Prices Prices
}

// Prices are a price list.
type Prices = metering.Prices

// DefaultUsage is what nodes do unless they are told otherwise.
func DefaultUsage() Usage {
	b := metering.DefaultBounds()
	return Usage{
		Separators: metering.DefaultSeparators, MaxPrefixes: b.Prefixes, MaxTokens: b.Holders, Every: metering.DefaultEvery,
		Retention: metering.DefaultRetention, TokenRetention: metering.DefaultHolderRetention, Prices: metering.ExamplePrices(),
	}
}

// Bounds of Usage. A prefix is no longer than the name of a topic.
const (
	maxUsagePrefixes = 1_000
	maxUsagePrefix   = 255
	// MaxUsageNames bounds MaxPrefixes and MaxTokens: a table is read in one piece.
	MaxUsageNames = 50_000
)

// validate names the first setting that cannot work.
func (u *Usage) validate() error {
	bad := func(prefix string) bool {
		return prefix == "" || len(prefix) > maxUsagePrefix || !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, unicode.IsControl)
	}
	switch {
	case u.Every < time.Second || u.Every > time.Minute:
		return fmt.Errorf("every %v: want 1s to 1m", u.Every)
	case u.Retention < time.Hour || u.Retention > metering.MaxHours*time.Hour:
		return fmt.Errorf("retention %v: want 1h to 1000d", u.Retention)
	case u.TokenRetention < time.Hour || u.TokenRetention > u.Retention:
		return errors.New("token-retention: want 1h or more, and no more than retention")
	case len(u.Prefixes) > maxUsagePrefixes || slices.ContainsFunc(u.Prefixes, bad):
		return fmt.Errorf("prefixes: want at most %d, each of 1 to %d bytes without control characters", maxUsagePrefixes, maxUsagePrefix)
	case !utf8.ValidString(u.Separators) || strings.ContainsFunc(u.Separators, unicode.IsControl):
		return errors.New("separators: want characters that are no control characters")
	case u.MaxPrefixes < 0 || u.MaxPrefixes > MaxUsageNames || u.MaxTokens < 0 || u.MaxTokens > MaxUsageNames:
		return fmt.Errorf("max-prefixes and max-tokens: want 0 to %d", MaxUsageNames)
	}
	return u.Prices.Validate()
}

// accounts are what counts, and what keeps what was counted.
type accounts struct {
	meter  *metering.Meter
	writer *metering.Writer
	reader *metering.Reader

	keeping sync.WaitGroup
	stop    context.CancelFunc // nil before anything is kept
}

// openUsage begins to count.
func (n *Node) openUsage() {
	u := n.config.Usage
	n.accounts.meter = metering.NewMeter(
		metering.Rules{Prefixes: u.Prefixes, Separators: u.Separators},
		metering.Bounds{Prefixes: u.MaxPrefixes, Holders: u.MaxTokens},
	)
	n.accounts.reader = metering.NewReader(n.router)
	n.accounts.writer = metering.NewWriter(metering.WriterConfig{
		Meter: n.accounts.meter, Store: n.router, Gather: func() { n.doors.server.Settle() }, // which comes later
		Every: u.Every, Retention: u.Retention, HolderRetention: u.TokenRetention, Logger: n.logger,
	}, time.Now())
}

// keepUsage begins to write. The doors are there.
func (n *Node) keepUsage(ctx context.Context) {
	ctx, n.accounts.stop = context.WithCancel(context.WithoutCancel(ctx))
	n.accounts.keeping.Go(func() { n.accounts.writer.Keep(ctx) })
}

// counted is up to when this node has written what it counted, zero while it counts
// nothing because it does not serve yet.
func (n *Node) counted() time.Time {
	if !n.doors.open.Load() {
		return time.Time{}
	}
	return n.accounts.writer.Counted()
}

// ledger is what was used in the whole cluster, as operators ask for it.
type ledger struct {
	*metering.Reader
	n *Node
}

// countedTime is how long another node has to say up to when it has counted: it may
// have died, and nobody heard of it yet.
const countedTime = time.Second

// Counted implements api.Usage. What a node that is down had not written is lost, and
// nobody has to wait for it.
func (l ledger) Counted(ctx context.Context) time.Time {
	earliest := l.n.accounts.writer.Counted()
	mesh := l.n.links.mesh.Load()
	if mesh == nil || l.n.links.pool == nil {
		return earliest
	}
	ctx, cancel := context.WithTimeout(ctx, countedTime)
	defer cancel()
	var mu sync.Mutex // over earliest
	var all sync.WaitGroup
	for _, p := range mesh.Peers() {
		if !p.Alive || p.Node == l.n.host.Node() {
			continue
		}
		all.Go(func() {
			at, err := l.n.links.pool.Client(p.Node).Counted(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && !at.IsZero() && at.Before(earliest) {
				earliest = at
			}
		})
	}
	all.Wait()
	return earliest
}

// hurried is how often a node writes that leaves its cluster.
const hurried = time.Second

// hurryUsage writes often until ctx ends: once this node has left its cluster, nobody
// takes anything from it any more.
func (n *Node) hurryUsage(ctx context.Context) {
	tick := time.NewTicker(hurried)
	defer tick.Stop()
	for {
		writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastUsage)
		n.accounts.writer.Flush(writing)
		cancel()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// lastUsage bounds how long a node that stops tries to write what clients have used, and
// lastPosts what is left then: groups may be without a leader, and then some of it is
// lost.
const (
	lastUsage = 5 * time.Second
	lastPosts = 2 * time.Second
)

// closeUsage writes what clients have used, when they use no more. Posts of webhooks
// are still counted.
func (n *Node) closeUsage(ctx context.Context) {
	if n.accounts.stop == nil {
		return
	}
	n.accounts.stop()
	n.accounts.keeping.Wait()
	ctx, cancel := context.WithTimeout(ctx, lastUsage)
	defer cancel()
	n.accounts.writer.Flush(ctx)
}

// endUsage writes what is left, when nothing more is counted.
func (n *Node) endUsage(ctx context.Context) {
	if n.accounts.stop == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastPosts)
	defer cancel()
	if left := n.accounts.writer.Flush(ctx); left > 0 {
		n.logger.Warn("what was used since it was written last is lost", slog.Int("rows", left))
	}
}
