//go:build unix

package fanout

import (
	"fmt"
	"testing"
)

// BenchmarkFeed is what a mirror pays per item that arrives, in frames of one and of many, while nobody is asleep.
func BenchmarkFeed(b *testing.B) {
	payload := make([]byte, 128)
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("items=%d", batch), func(b *testing.B) {
			broker := newBroker(b, Config{})
			if err := broker.Mirror(0); err != nil {
				b.Fatal(err)
			}
			s := subscribe(b, broker, room, Position{}, 0)
			defer s.Close()
			f := begin(b, broker, Position{Page: pageOf(b, 1)})
			items := make([]Item, batch)
			next := Position{Page: pageOf(b, 1)}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				for i := range items {
					next.Sequence++
					items[i] = Item{Position: next, Encoded: payload}
				}
				if err := f.Items(items, epoch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*batch), "ns/item")
		})
	}
}

// BenchmarkMux publishes one item in each of many topics that a Mux reads and sleeps in between, beside the same
// topics read by a subscription and a goroutine each. cpu-ns/delivery is CPU time of the process, publishing
// included, per item.
func BenchmarkMux(b *testing.B) {
	payload := make([]byte, 128)
	encode := func(Position) []byte { return payload }
	for _, topics := range []int{1, 10, 1000} {
		keys := make([]Key, topics)
		for i := range keys {
			keys[i] = Key{Cache: "chat", Topic: fmt.Sprint(i)}
		}
		measure := func(b *testing.B, broker *Broker, caughtUp chan struct{}) {
			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime(b)
			for range b.N {
				for _, key := range keys {
					if _, err := broker.Publish(0, key, epoch, encode); err != nil {
						b.Fatal(err)
					}
				}
				for range keys {
					<-caughtUp
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N*topics), "cpu-ns/delivery")
		}
		b.Run(fmt.Sprintf("merged/topics=%d", topics), func(b *testing.B) {
			broker := ownedBroker(b, Config{})
			m := broker.NewMux()
			for i, key := range keys {
				open(b, m, uint32(i), key, Position{}, false)
			}
			caughtUp, done := make(chan struct{}, topics), make(chan struct{})
			go func() {
				defer close(done)
				var buf [64]Event
				for {
					for p, ok := m.Take(buf[:]); ok; p, ok = m.Take(buf[:]) {
						if p.Kind == Over {
							return
						}
						for range p.Events {
							caughtUp <- struct{}{}
						}
					}
					<-m.Ready()
				}
			}()
			measure(b, broker, caughtUp)
			broker.Close()
			<-done
		})
		b.Run(fmt.Sprintf("one by one/topics=%d", topics), func(b *testing.B) {
			broker := ownedBroker(b, Config{})
			caughtUp, done := make(chan struct{}, topics), make(chan struct{}, topics)
			for _, key := range keys {
				s := subscribe(b, broker, key, Position{}, 0)
				go func() {
					defer func() { done <- struct{}{} }()
					var buf [64]Event
					for {
						n, err := s.Take(buf[:])
						if err != nil {
							return
						}
						for range n {
							caughtUp <- struct{}{}
						}
						<-s.Ready()
					}
				}()
			}
			measure(b, broker, caughtUp)
			broker.Close()
			for range topics {
				<-done
			}
		})
	}
}
