package metering

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/store"
)

// Store keeps the tables; route.Router does, and says what its methods promise.
type Store interface {
	ApplySystem(ctx context.Context, command *storev1.Command) (*storev1.Result, error)
	ViewSystem(ctx context.Context, query *storev1.Query) (*storev1.Result, error)
}

// WriterConfig is what a Writer is told at birth.
type WriterConfig struct {
	// Meter and Store are needed.
	Meter *Meter
	Store Store
	// Gather is called before the meter is emptied, so that what goes on for long is
	// counted as far as it has come; nil for nothing.
	Gather func()
	// Every is how often is written: what a node that dies can lose. 0 = DefaultEvery.
	Every time.Duration
	// Retention is how long tables of caches and prefixes are kept, HolderRetention
	// those of credentials. 0 = the defaults.
	Retention, HolderRetention time.Duration
	// Logger is told what was lost; nil is silent.
	Logger *slog.Logger
}

// Defaults of WriterConfig. A year of months and the one before to compare with; who
// used what is kept for as long as it takes to ask.
const (
	DefaultEvery           = 20 * time.Second
	DefaultRetention       = 400 * 24 * time.Hour
	DefaultHolderRetention = 35 * 24 * time.Hour
)

const (
	// patience is how long an addition is repeated whose outcome is unknown. It is
	// below the time for which groups remember requests (store.RequestMemoryMs), after
	// which a repeat would count twice.
	patience = 90 * time.Second
	// farewell is how long additions under way may go on when the node stops.
	farewell = 3 * time.Second
	// atOnce is how many tables are written at a time, and chunk how many rows of one.
	atOnce = 8
	chunk  = 1_000
)

// Writer moves what was counted into the store.
type Writer struct {
	config WriterConfig

	writing sync.Mutex // held while tables are written

	mu      sync.Mutex
	last    time.Time // when the meter was emptied
	counted time.Time // see Counted
	pending map[pendingName]*table
	rows    int // of pending
}

// pendingName names a table.
type pendingName struct {
	hour Hour
	tableName
}

// NewWriter makes a Writer. What the meter counts from now on belongs to this hour.
func NewWriter(config WriterConfig, now time.Time) *Writer {
	config.Every = cmp.Or(config.Every, DefaultEvery)
	config.Retention = cmp.Or(config.Retention, DefaultRetention)
	config.HolderRetention = cmp.Or(config.HolderRetention, DefaultHolderRetention)
	if config.Gather == nil {
		config.Gather = func() {}
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Writer{config: config, last: now, counted: now, pending: make(map[pendingName]*table)}
}

// Keep writes again and again until ctx ends, and returns when nothing of it is under
// way. Taking from the meter never waits for the store, so that every hour gets its
// own.
func (w *Writer) Keep(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	news := make(chan struct{}, 1)
	all.Go(func() {
		for range news {
			w.writeUntil(ctx)
		}
	})
	defer close(news)
	for {
		now := time.Now()
		// Steps that hours are made of end when the hour does.
		next := time.NewTimer(now.Truncate(w.config.Every).Add(w.config.Every).Sub(now))
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return
		}
		w.collect(time.Now())
		select {
		case news <- struct{}{}:
		default:
		}
	}
}

// writeUntil writes what is pending. The end of ctx leaves it a moment: an addition
// that is cut has an unknown outcome for ever.
func (w *Writer) writeUntil(ctx context.Context) {
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		late := time.NewTimer(farewell)
		defer late.Stop()
		select {
		case <-late.C:
			cancel()
		case <-writing.Done():
		}
	})()
	w.write(writing)
}

// Flush writes everything that was counted before the call, as far as it gets before
// ctx ends. It returns how many rows are left.
func (w *Writer) Flush(ctx context.Context) (left int) {
	w.collect(time.Now())
	w.write(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rows
}

// collect takes what was counted since the last time, which is the hour it belongs to.
func (w *Writer) collect(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.config.Gather()
	hour := HourOf(w.last)
	w.last = now
	for name, t := range w.config.Meter.take() {
		w.keep(pendingName{hour, name}, t)
	}
}

// keep adds a table to what is to be written. The caller holds the lock.
func (w *Writer) keep(name pendingName, t *table) {
	waiting := w.pending[name]
	if waiting == nil {
		waiting = &table{rows: make(map[string]*Counts)}
		w.pending[name] = waiting
	}
	for row, used := range t.rows {
		if waiting.rows[row] == nil && w.rows >= maxRows {
			row = others
		}
		if waiting.rows[row] == nil {
			waiting.rows[row] = new(Counts)
			w.rows++
		}
		waiting.rows[row].Add(used)
	}
}

// Counted is up to when everything that was counted is in the store, as far as it will
// ever be.
func (w *Writer) Counted() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counted
}

// write writes all that is pending. What was not written is pending again.
func (w *Writer) write(ctx context.Context) {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.mu.Lock()
	pending, until := w.pending, w.last
	w.pending, w.rows = make(map[pendingName]*table), 0
	w.mu.Unlock()
	var all sync.WaitGroup
	var left atomic.Bool
	places := make(chan struct{}, atOnce)
	for name, t := range pending {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			if !w.writeTable(ctx, name, t) {
				left.Store(true)
			}
		})
	}
	all.Wait()
	if !left.Load() {
		w.mu.Lock()
		w.counted = until
		w.mu.Unlock()
	}
}

// writeTable writes one table, a bounded number of rows at a time. It returns false if
// any are pending again.
func (w *Writer) writeTable(ctx context.Context, name pendingName, t *table) (done bool) {
	done = true
	some := &table{rows: make(map[string]*Counts, min(len(t.rows), chunk))}
	for row, used := range t.rows {
		some.rows[row] = used
		if len(some.rows) == chunk {
			done = w.add(ctx, name, some) && done
			some = &table{rows: make(map[string]*Counts, chunk)}
		}
	}
	if len(some.rows) > 0 {
		done = w.add(ctx, name, some) && done
	}
	return done
}

// add adds rows to what is stored, once. Those that were certainly not added are
// pending again, and then it returns false.
func (w *Writer) add(ctx context.Context, name pendingName, t *table) (done bool) {
	result, err := w.config.Store.ApplySystem(ctx, w.addition(name, t))
	switch {
	case err == nil && result.GetStatus() == storev1.Status_STATUS_OK:
	case err == nil:
		w.config.Logger.Error("usage is lost: the store refuses it", slog.String("why", result.GetDetail()), slog.Int("rows", len(t.rows)))
	case errors.Is(err, route.ErrUnknownOutcome):
		// To repeat it might count it twice.
		w.config.Logger.Warn("usage may be lost: nobody knows whether it was written", slog.Any("err", err), slog.Int("rows", len(t.rows)))
	default:
		w.config.Logger.Debug("usage is not written yet", slog.Any("err", err))
		w.mu.Lock()
		defer w.mu.Unlock()
		w.keep(name, t)
		return false
	}
	return true
}

// addition is the command that adds rows to a table.
func (w *Writer) addition(name pendingName, t *table) *storev1.Command {
	op := &storev1.DictionaryAdd{Rest: []byte(others), Most: maxCaches}
	life := w.config.Retention
	switch name.section {
	case ofPrefixes:
		op.Most = mostOf(w.config.Meter.open.bounds.Prefixes)
	case ofHolders:
		op.Most = mostOf(w.config.Meter.open.bounds.Holders)
		life = w.config.HolderRetention
	}
	op.Ttl = &storev1.CollectionTtl{TtlMs: uint64(life.Milliseconds())}
	for row, used := range t.rows {
		op.Fields = append(op.Fields, []byte(row))
		op.Amounts = used.row(op.Amounts)
	}
	return &storev1.Command{
		Cache: store.UsageCache, Key: name.key(), Op: &storev1.Command_DictionaryAdd{DictionaryAdd: op},
	}
}

// mostOf is a bound in the words of the store, where 0 is none. A table without named
// rows is never asked for one.
func mostOf(bound int) uint32 { return uint32(max(1, bound)) }

// key is the name that a table is stored under.
func (n pendingName) key() []byte {
	return fmt.Appendf(nil, "%c%d/%s", n.section, n.hour, n.cache)
}
