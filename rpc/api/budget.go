package api

import "sync/atomic"

// budget bounds the bytes of all requests that are being served at one moment:
// each connection alone may have a thousand of eleven megabytes. It is safe for
// concurrent use.
type budget struct {
	limit atomic.Int64 // may change while some is reserved
	used  atomic.Int64
}

// take reserves n bytes, or reports that there are not so many.
func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) <= b.limit.Load() {
		return true
	}
	b.used.Add(-int64(n))
	return false
}

// give returns n bytes.
func (b *budget) give(n int) { b.used.Add(-int64(n)) }
