package store

import (
	"iter"
	"math/bits"
)

// chance is a sequence of numbers that look random and follow from the seed
// alone, so every replica, of whatever version, draws the same. It is SplitMix64;
// what is drawn from the sequence is part of the meaning of the log and must
// never change.
type chance uint64

// next draws from all numbers of 64 bits.
func (c *chance) next() uint64 {
	*c += 0x9e3779b97f4a7c15
	z := uint64(*c)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below draws from 0 to n-1. The bias of a plain product, below n/2^64, is of no
// consequence for a choice among elements held in memory.
func (c *chance) below(n int) int {
	high, _ := bits.Mul64(c.next(), uint64(n))
	return int(high)
}

// distinct draws count different numbers from 0 to n-1, in no order that means
// anything. Every selection is equally likely (R. W. Floyd): a number drawn twice
// gives way to the largest that could be drawn, which cannot be there yet.
func (c chance) distinct(count, n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		drawn := make(map[int]struct{}, count)
		for largest := n - count; largest < n; largest++ {
			i := c.below(largest + 1)
			if _, twice := drawn[i]; twice {
				i = largest
			}
			drawn[i] = struct{}{}
			if !yield(i) {
				return
			}
		}
	}
}
