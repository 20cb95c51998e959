//go:build unix

package fanout

import (
	"fmt"
	"sync"
	"testing"
)

// BenchmarkWake compares ways to wake readers, without any log: the reason for the one that was chosen. cpu-ns/wake is CPU
// time of the process per reader woken.
func BenchmarkWake(b *testing.B) {
	for _, readers := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("private channels/readers=%d", readers), func(b *testing.B) {
			benchmarkPrivate(b, readers, func(ready chan struct{}, _ [3]chan struct{}) { <-ready })
		})
		b.Run(fmt.Sprintf("private channels in a select of four/readers=%d", readers), func(b *testing.B) {
			benchmarkPrivate(b, readers, func(ready chan struct{}, other [3]chan struct{}) {
				select {
				case <-ready:
				case <-other[0]:
				case <-other[1]:
				case <-other[2]:
				}
			})
		})
		b.Run(fmt.Sprintf("one channel closed for all/readers=%d", readers), func(b *testing.B) {
			benchmarkClosed(b, readers, func(changed chan struct{}, _ [3]chan struct{}) { <-changed })
		})
		b.Run(fmt.Sprintf("one channel closed for all in a select of four/readers=%d", readers), func(b *testing.B) {
			benchmarkClosed(b, readers, func(changed chan struct{}, other [3]chan struct{}) {
				select {
				case <-changed:
				case <-other[0]:
				case <-other[1]:
				case <-other[2]:
				}
			})
		})
	}
}

// otherChannels stand for a heartbeat, a deadline and a context.
func otherChannels() (c [3]chan struct{}) {
	for i := range c {
		c[i] = make(chan struct{})
	}
	return c
}

func benchmarkPrivate(b *testing.B, readers int, wait func(chan struct{}, [3]chan struct{})) {
	var (
		asleep, done sync.WaitGroup
		chans        []chan struct{}
	)
	asleep.Add(readers)
	for range readers {
		ready := make(chan struct{}, 1)
		chans = append(chans, ready)
		done.Go(func() {
			other := otherChannels()
			for range b.N {
				asleep.Done()
				wait(ready, other)
			}
		})
	}
	measureWakes(b, readers, func() {
		asleep.Wait()
		asleep.Add(readers)
		for _, c := range chans {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	})
	done.Wait()
}

func benchmarkClosed(b *testing.B, readers int, wait func(chan struct{}, [3]chan struct{})) {
	var (
		asleep, done sync.WaitGroup
		mu           sync.Mutex
		changed      = make(chan struct{})
	)
	asleep.Add(readers)
	for range readers {
		done.Go(func() {
			other := otherChannels()
			for range b.N {
				mu.Lock()
				current := changed
				mu.Unlock()
				asleep.Done()
				wait(current, other)
			}
		})
	}
	measureWakes(b, readers, func() {
		asleep.Wait()
		asleep.Add(readers)
		mu.Lock()
		old := changed
		changed = make(chan struct{})
		mu.Unlock()
		close(old)
	})
	done.Wait()
}

func measureWakes(b *testing.B, readers int, wakeAll func()) {
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	for range b.N {
		wakeAll()
	}
	used := cpuTime(b) - before
	b.StopTimer()
	b.ReportMetric(float64(used)/float64(b.N*readers), "cpu-ns/wake")
}
