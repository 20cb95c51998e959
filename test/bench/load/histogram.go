package load

import (
	"math/bits"
	"time"
)

// Precision of a histogram: each power of two is cut into steps, so a reported
// time is at most 1/16 above the true one.
const (
	stepBits = 4
	steps    = 1 << stepBits
	buckets  = (64 - stepBits) * steps
)

// histogram counts durations. It is for one goroutine.
type histogram struct {
	counts [buckets]uint32
	total  int64
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(uint64(max(0, d)))]++
	h.total++
}

// merge adds what another one has counted.
func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// bucketOf is the bucket of a number of nanoseconds: exact below 16, then 16
// to each power of two.
func bucketOf(ns uint64) int {
	if ns < steps {
		return int(ns)
	}
	shift := bits.Len64(ns) - 1 - stepBits
	return (shift+1)<<stepBits + int(ns>>shift)&(steps-1)
}

// upperBound is the largest number of nanoseconds in a bucket.
func upperBound(bucket int) uint64 {
	if bucket < steps {
		return uint64(bucket)
	}
	shift := bucket>>stepBits - 1
	return (uint64(bucket)&(steps-1)+steps+1)<<shift - 1
}

// quantile returns a time that at least the share q of all counted ones do not
// exceed; 0 when nothing was counted.
func (h *histogram) quantile(q float64) time.Duration {
	rank, seen := int64(q*float64(h.total)), int64(0)
	for i, n := range h.counts {
		seen += int64(n)
		if n > 0 && seen >= rank {
			return time.Duration(upperBound(i))
		}
	}
	return 0
}

// Quantiles are the usual points of a distribution of times.
type Quantiles struct {
	P50, P99, P999, Max time.Duration
}

func (h *histogram) quantiles() Quantiles {
	return Quantiles{P50: h.quantile(0.5), P99: h.quantile(0.99), P999: h.quantile(0.999), Max: h.quantile(1)}
}
