package main

import (
	"fmt"
	"slices"
)

// median returns the middle of some numbers, of an even count the mean of the
// middle two; 0 of none.
func median(numbers []float64) float64 {
	if len(numbers) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(numbers))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// medianOf is the median of what f makes of each sample.
func medianOf(samples []sample, f func(sample) float64) float64 {
	numbers := make([]float64, len(samples))
	for i, s := range samples {
		numbers[i] = f(s)
	}
	return median(numbers)
}

// ratio is how many times more one server costs than another; 0 is unknown.
type ratio float64

// String implements fmt.Stringer.
func (r ratio) String() string {
	if r <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(r))
}

// ratioTo is what an operation costs the server at place i as a multiple of
// what it costs the one named: the median of the ratios of the rounds, which
// all servers have had alike. It is unknown for that server itself, and when
// it did not take part or no round succeeded.
func ratioTo(f fleet, samples [][]sample, i int, name string) ratio {
	return ratioOf(f, samples, i, name, sample.perMillion)
}

// ratioOf is as ratioTo, of whatever is made of each sample.
func ratioOf(f fleet, samples [][]sample, i int, name string, of func(sample) float64) ratio {
	for j, s := range f {
		if s.Name != name || i == j {
			continue
		}
		ratios := make([]float64, len(samples[i]))
		for round := range ratios {
			ratios[round] = of(samples[i][round]) / of(samples[j][round])
		}
		return ratio(median(ratios))
	}
	return 0
}
