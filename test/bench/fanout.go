package main

import (
	"fmt"
	"strings"

	"github.com/mayfly-broker/mayfly/test/bench/load"
)

// publishRate is the most items per second that a fan-out publishes.
const publishRate = 5_000

// fanoutTargets are how much a delivery may cost, as a multiple of what it
// costs nats-server, by the number of subscribers.
var fanoutTargets = map[int]float64{10: 1.7, 100: 1.7, 1000: 1}

// fanout measures publishing to one topic and spreading it.
func (b *bench) fanout() error {
	f, err := b.raise(mayflyServer, natsServer)
	if err != nil {
		return err
	}
	defer f.stop()
	payloads, counts := []int{100, 1024}, []int{0, 1, 10, 100, 1000}
	if b.short {
		payloads, counts = payloads[:1], []int{0, 10, 1000}
	}
	for _, payload := range payloads {
		if err := b.fanoutOf(f, payload, counts); err != nil {
			return err
		}
	}
	return nil
}

// fanoutOf measures one size of items, for each count of subscribers.
func (b *bench) fanoutOf(f fleet, payload int, counts []int) error {
	t := table{
		Title: fmt.Sprintf("Publish and fan-out, one topic, items of %d bytes (server CPU seconds per million deliveries)", payload),
		Columns: []string{"subscribers", "server", "CPU", "spread", "ratio", "items/s", "deliveries/s",
			"p50", "p99", "p99.9", "RSS MiB"},
		Note: "no subscribers: CPU per million publishes, without latency; ratio: the median of the rounds' ratios of CPU to nats-server's",
	}
	alone := make([]float64, len(f)) // CPU of a publish that nobody hears
	for _, count := range counts {
		name := fmt.Sprintf("fan-out to %d, %d bytes", count, payload)
		samples, err := b.contest(name, f, b.fanoutTask(payload, count))
		if err != nil {
			return err
		}
		for i, s := range f {
			cost := medianOf(samples[i], sample.perMillion)
			if count == 0 {
				alone[i] = cost
			}
			b.result.add(name, s.Name, samples[i])
			t.Rows = append(t.Rows, fanoutRow(count, s.Name, samples[i], cost, alone[i], ratioTo(f, samples, i, natsServer).String()))
		}
		if limit, ok := fanoutTargets[count]; ok {
			b.result.judge(name, natsServer, f[0].Name, ratioTo(f, samples, 0, natsServer), limit)
		}
	}
	b.result.show(b.out, t)
	return nil
}

// fanoutTask paces the items so that the deliveries are as many per second as
// wanted, but never too many items.
func (b *bench) fanoutTask(payload, count int) func(*server, int) load.Task {
	rate := min(publishRate, b.deliveries/float64(max(1, count)))
	return func(s *server, round int) load.Task {
		return load.Task{System: s.system, Addr: s.addr, Fanout: &load.Fanout{
			Topic:         fmt.Sprintf("fanout-%d-%d-%d", payload, count, round),
			Subscribers:   count,
			PerConnection: b.perConnection,
			Payload:       payload,
			Rate:          rate,
			Items:         max(1, int(rate*b.seconds)),
		}}
	}
}

func fanoutRow(count int, server string, samples []sample, cost, alone float64, ratio string) []string {
	spread := "-"
	if count > 0 {
		spread = fmt.Sprintf("%.2f", cost-alone/float64(count))
	}
	row := []string{fmt.Sprint(count), server, fmt.Sprintf("%.2f", cost), spread, ratio,
		number(medianOf(samples, func(s sample) float64 { return float64(s.Published) / s.Elapsed.Seconds() })),
		number(medianOf(samples, sample.perSecond) * float64(min(1, count)))}
	if count == 0 {
		row = append(row, strings.Split("- - -", " ")...)
	} else {
		row = append(row, latencies(samples)...)
	}
	return append(row, rssOf(samples))
}
