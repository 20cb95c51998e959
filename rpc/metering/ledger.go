package metering

import (
	"sync"
)

// section is what the rows of a table are about.
type section byte

// The sections; they are part of the names of tables.
const (
	ofCaches   section = 'c'
	ofPrefixes section = 'p'
	ofHolders  section = 't'
)

// tableName names a table within its hour. That of the caches is about no cache.
type tableName struct {
	section section
	cache   string
}

// table is the rows of a table by name.
type table struct {
	rows map[string]*Counts
}

// named counts the rows that have a name.
func (t *table) named() int {
	if t.rows[others] != nil {
		return len(t.rows) - 1
	}
	return len(t.rows)
}

// others is the name of the row for all that have none of their own: no name of a
// client's holds a control character.
const others = "\x00"

// maxCaches bounds the table of caches; a cluster has no more at a time
// (store.MaxCaches).
const maxCaches = 10_000

// maxRows bounds what waits to be written, over all tables: some 50 MB.
const maxRows = 200_000

// ledger is tables that are being filled. The zero value has no bounds on names but
// maxRows.
type ledger struct {
	bounds Bounds

	mu     sync.Mutex
	tables map[tableName]*table
	rows   int
}

// add puts a use into the three tables that it belongs to.
func (l *ledger) add(s Subject, used *Counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cache := l.put(tableName{section: ofCaches}, s.Cache, maxCaches, used)
	l.put(tableName{ofPrefixes, cache}, s.Prefix, l.bounds.Prefixes, used)
	l.put(tableName{ofHolders, cache}, s.Holder.String(), l.bounds.Holders, used)
}

// put adds to a row, or to that of the others if there are too many. It returns the
// name of the row. The caller holds the lock.
func (l *ledger) put(in tableName, name string, most int, used *Counts) string {
	t := l.tables[in]
	if t == nil {
		if l.tables == nil {
			l.tables = make(map[tableName]*table)
		}
		t = &table{rows: make(map[string]*Counts)}
		l.tables[in] = t
	}
	row := t.rows[name]
	if row == nil && (t.named() >= most || l.rows >= maxRows) {
		name = others
		row = t.rows[name]
	}
	if row == nil {
		row = new(Counts)
		t.rows[name] = row
		l.rows++
	}
	row.Add(used)
	return name
}

// take hands over the tables.
func (l *ledger) take() map[tableName]*table {
	l.mu.Lock()
	defer l.mu.Unlock()
	tables := l.tables
	l.tables, l.rows = nil, 0
	return tables
}
