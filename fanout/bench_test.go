//go:build unix

package fanout

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkFanOut publishes to a topic whose readers wait on Ready alone and take batches, as streams do. With burst=1
// every item finds every reader asleep, the dearest case; with burst=64 readers find several items at once.
// cpu-ns/delivery is the CPU time of the whole process, publishing included, per item and reader.
func BenchmarkFanOut(b *testing.B) {
	for _, burst := range []int{1, 64} {
		for _, readers := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("burst=%d/readers=%d", burst, readers), func(b *testing.B) {
				benchmarkFanOut(b, readers, burst)
			})
		}
	}
}

func benchmarkFanOut(b *testing.B, readers, burst int) {
	broker := ownedBroker(b, Config{})
	payload := make([]byte, 128)
	encode := func(Position) []byte { return payload }
	var (
		caughtUp sync.WaitGroup
		done     sync.WaitGroup
		subs     []*Subscription
	)
	for range readers {
		s := subscribe(b, broker, room, Position{}, 0)
		subs = append(subs, s)
		done.Go(func() {
			var buf [64]Event
			for left := burst; ; {
				n, err := s.Take(buf[:])
				if err != nil {
					return
				}
				if left -= n; left == 0 {
					left = burst
					caughtUp.Done()
				}
				<-s.Ready()
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	for range b.N {
		caughtUp.Add(readers)
		for range burst {
			if _, err := broker.Publish(0, room, epoch, encode); err != nil {
				b.Fatal(err)
			}
		}
		caughtUp.Wait()
	}
	b.StopTimer()
	used := cpuTime(b) - before
	b.ReportMetric(float64(used)/float64(b.N*burst*readers), "cpu-ns/delivery")
	for _, s := range subs {
		s.Close()
	}
	done.Wait()
	if gaps := broker.Stats().Discontinuities; gaps != 0 {
		b.Fatalf("%d discontinuities", gaps)
	}
}

// BenchmarkPublish is what the publisher itself pays when nobody listens.
func BenchmarkPublish(b *testing.B) {
	payload := make([]byte, 128)
	encode := func(Position) []byte { return payload }
	b.Run("one topic", func(b *testing.B) {
		broker := ownedBroker(b, Config{})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := broker.Publish(0, room, epoch, encode); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("a topic per core", func(b *testing.B) {
		broker := ownedBroker(b, Config{})
		var mu sync.Mutex
		keys := 0
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			mu.Lock()
			keys++
			key := Key{Cache: "chat", Topic: strconv.Itoa(keys)}
			mu.Unlock()
			for pb.Next() {
				if _, err := broker.Publish(0, key, epoch, encode); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("new topics", func(b *testing.B) {
		broker := ownedBroker(b, Config{MaxTopics: 1 << 30, ForgetAfter: time.Minute})
		b.ReportAllocs()
		for i := range b.N {
			now := epoch.Add(time.Duration(i) * 10 * time.Microsecond) // 100,000 new topics a second
			if _, err := broker.Publish(0, Key{Cache: "chat", Topic: strconv.Itoa(i)}, now, encode); err != nil {
				b.Fatal(err)
			}
			if i%100_000 == 0 {
				broker.Sweep(now)
			}
		}
	})
}

// BenchmarkMemory reports the heap per thing that is there and does nothing.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	perThing := func(b *testing.B, prepare func(*Broker) any) {
		for range b.N {
			broker := ownedBroker(b, Config{})
			before := heapInUse()
			kept := prepare(broker)
			b.ReportMetric(float64(heapInUse()-before)/n, "B/each")
			runtime.KeepAlive(kept)
			runtime.KeepAlive(broker)
		}
	}
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = Key{Cache: "chat", Topic: fmt.Sprintf("room-%06d", i)}
	}
	b.Run("idle topic", func(b *testing.B) {
		perThing(b, func(broker *Broker) any {
			for _, key := range keys {
				publish(b, broker, key, 0)
			}
			broker.Sweep(epoch.Add(61 * time.Second))
			return nil
		})
	})
	b.Run("topic with one item of 128 bytes", func(b *testing.B) {
		perThing(b, func(broker *Broker) any {
			for _, key := range keys {
				if _, err := broker.Publish(0, key, epoch, func(Position) []byte { return make([]byte, 128) }); err != nil {
					b.Fatal(err)
				}
			}
			return nil
		})
	})
	b.Run("idle subscription", func(b *testing.B) {
		perThing(b, func(broker *Broker) any {
			subs := make([]*Subscription, n)
			for i := range subs {
				subs[i] = subscribe(b, broker, room, Position{}, 0)
				var buf [1]Event
				if _, err := subs[i].Take(buf[:]); err != nil {
					b.Fatal(err)
				}
			}
			return subs
		})
	})
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
