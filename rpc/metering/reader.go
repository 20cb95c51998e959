package metering

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// By says what the rows of a report are about.
type By uint8

// What rows can be about.
const (
	// ByCache has a row for each cache.
	ByCache By = iota + 1
	// ByPrefix has a row for each topic prefix of each cache.
	ByPrefix
	// ByHolder has a row for each credential, over all the caches asked for.
	ByHolder
	// ByHour has a row for each hour in which anything was used.
	ByHour
)

// section is where such rows are stored.
func (b By) section() section {
	switch b {
	case ByPrefix:
		return ofPrefixes
	case ByHolder:
		return ofHolders
	default:
		return ofCaches
	}
}

// Range is what is asked about.
type Range struct {
	// First is the first hour, End the one behind the last.
	First, End Hour
	// Cache narrows it to one cache if Only is set.
	Cache string
	Only  bool
}

// MaxHours is how many hours a Range may have: somewhat more than are kept.
const MaxHours = 24 * 1000

// ErrRange says that a Range cannot be.
var ErrRange = errors.New("no such time")

// RangeOf returns the hours that a time touches, from since until before until.
func RangeOf(since, until time.Time) (Range, error) {
	r := Range{First: HourOf(since), End: HourOf(until)}
	if until.After(r.End.Start()) {
		r.End++
	}
	switch {
	case since.Unix() < 0 || until.Unix() >= 1<<32*3600-3600:
		return Range{}, fmt.Errorf("%w: it lies outside of what can be counted", ErrRange)
	case !until.After(since), r.End <= r.First:
		return Range{}, fmt.Errorf("%w: the end is not after the beginning", ErrRange)
	case r.End-r.First > MaxHours:
		return Range{}, fmt.Errorf("%w: %d hours, the most are %d", ErrRange, r.End-r.First, MaxHours)
	}
	return r, nil
}

// Row is what a subject used, in one hour or in several.
type Row struct {
	// Hour is the hour, where rows have one.
	Hour Hour
	// Cache is the cache, where rows have one; empty for calls that were refused
	// before theirs was found.
	Cache string
	// Name is the topic prefix, empty for what concerns no topic, or the holder.
	Name string
	// Other: the row is that of all the names, or caches, which have none of their own.
	Other bool
	Counts
}

// Reader reads what was stored.
type Reader struct{ store Store }

// NewReader makes a Reader of a store.
func NewReader(s Store) *Reader { return &Reader{s} }

// block is how many hours are read ahead, and abreast how many tables at a time.
const (
	block   = 48
	abreast = 16
)

// Hourly yields what was used in each hour, hour by hour, in the order of caches and
// names, until yield fails, whose error it then returns.
func (r *Reader) Hourly(ctx context.Context, in Range, by By, yield func([]Row) error) error {
	for first := in.First; first < in.End; first += block {
		hours, err := r.read(ctx, first, min(first+block, in.End), in, by)
		if err != nil {
			return err
		}
		for _, rows := range hours {
			if len(rows) == 0 {
				continue
			}
			if err := yield(rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads hours at the same time.
func (r *Reader) read(ctx context.Context, first, end Hour, in Range, by By) ([][]Row, error) {
	caches := make([][]Row, end-first)
	all, ctx2 := errgroup.WithContext(ctx)
	all.SetLimit(abreast)
	for i := range caches {
		all.Go(func() (err error) {
			caches[i], err = r.caches(ctx2, first+Hour(i), in)
			return err
		})
	}
	if err := all.Wait(); err != nil || by.section() == ofCaches {
		return caches, err
	}
	hours := make([][]Row, end-first)
	for i := range caches { // one after the other: an hour may have very many rows
		rows, err := r.names(ctx, by.section(), caches[i])
		if err != nil {
			return nil, err
		}
		hours[i] = rows
	}
	return hours, nil
}

// caches returns the rows of an hour's caches.
func (r *Reader) caches(ctx context.Context, hour Hour, in Range) ([]Row, error) {
	rows, err := r.table(ctx, pendingName{hour, tableName{section: ofCaches}})
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].Cache, rows[i].Name = rows[i].Name, ""
	}
	if in.Only {
		rows = slices.DeleteFunc(rows, func(row Row) bool { return row.Other || row.Cache != in.Cache })
	}
	return rows, nil
}

// names returns the rows of a section of an hour, of these caches.
func (r *Reader) names(ctx context.Context, of section, caches []Row) ([]Row, error) {
	tables := make([][]Row, len(caches))
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(abreast)
	for i, cache := range caches {
		stored := cache.Cache
		if cache.Other {
			stored = others
		}
		all.Go(func() (err error) {
			tables[i], err = r.table(ctx, pendingName{cache.Hour, tableName{of, stored}})
			for j := range tables[i] {
				tables[i][j].Cache = cache.Cache
			}
			return err
		})
	}
	err := all.Wait()
	return slices.Concat(tables...), err
}

// OtherName is what people read where a row is that of all the others.
const OtherName = "(other)"

// table returns the rows of a table by name, none if there is no such table.
func (r *Reader) table(ctx context.Context, name pendingName) ([]Row, error) {
	result, err := r.store.ViewSystem(ctx, &storev1.Query{
		Cache: store.UsageCache, Key: name.key(),
		Op: &storev1.Query_DictionaryFetch_{DictionaryFetch: &storev1.Query_DictionaryFetch{}},
	})
	switch {
	case err != nil:
		return nil, err
	case result.GetStatus() != storev1.Status_STATUS_OK:
		return nil, fmt.Errorf("metering: the table of an hour cannot be read: %s", result.GetDetail())
	}
	stored := result.GetDictionary()
	rows := make([]Row, 0, len(stored.GetFields()))
	for i, field := range stored.GetFields() {
		numbers, ok := store.ParseRow(stored.GetValues()[i])
		if !ok {
			return nil, errors.New("metering: a row of usage cannot be read")
		}
		row := Row{Hour: name.hour, Name: string(field), Counts: countsOf(numbers)}
		if row.Name == others {
			row.Name, row.Other = OtherName, true
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Compare orders rows for people and for pages: by hour, cache and name, the others
// last.
func Compare(a, b Row) int {
	rest := func(r Row) int {
		if r.Other {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Cache, b.Cache), cmp.Compare(rest(a), rest(b)), cmp.Compare(a.Name, b.Name))
}
