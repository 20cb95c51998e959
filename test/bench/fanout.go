package main

import (
	"fmt"

	"github.com/mayfly-broker/mayfly/test/bench/load"
)

// publishRate is the most items per second that a fan-out publishes.
const publishRate = 10_000

// fanoutTargets are how much a delivery may cost, as a multiple of what it
// costs nats-server, by the number of subscribers.
var fanoutTargets = map[int]float64{10: 1.7, 100: 1.7, 1000: 1}

// crowd is a way to have subscribers.
type crowd struct {
	payload, subscribers, perConnection int
}

func (c crowd) String() string {
	return fmt.Sprintf("%d bytes to %d subscribers on %d connections", c.payload, c.subscribers, c.connections())
}

func (c crowd) connections() int { return (c.subscribers + c.perConnection - 1) / c.perConnection }

// crowds are those that are measured, in their order: subscriptions that share
// connections as those of one server with many users do, and a connection for
// each as phones and browsers have.
func (s settings) crowds() []crowd {
	shared := s.perConnection
	if s.short {
		return []crowd{{100, 10, shared}, {100, 1000, shared}, {100, 1000, 1}}
	}
	return []crowd{
		{100, 1, shared}, {100, 10, shared}, {100, 100, shared}, {100, 1000, shared},
		{1024, 1, shared}, {1024, 10, shared}, {1024, 100, shared}, {1024, 1000, shared},
		{100, 10, 1}, {100, 100, 1}, {100, 1000, 1},
	}
}

// fanout measures publishing to one topic and spreading it.
func (b *bench) fanout() error {
	f, err := b.raise(mayflyServer, natsServer)
	if err != nil {
		return err
	}
	defer f.stop()
	t := table{
		Title: "Publish and fan-out on one topic (server CPU seconds per million deliveries)",
		Columns: []string{"bytes", "subscribers", "connections", "server", "CPU", "publish", "spread", "ratio", "spread",
			"items/s", "deliveries/s", "p50", "p99", "p99.9", "RSS MiB"},
		Note: "CPU = publish (measured at the same pace with nobody listening) + spread; the ratios are those of CPU and of spread to nats-server's",
	}
	for _, c := range b.crowds() {
		if err := b.fanoutTo(&t, f, c); err != nil {
			return err
		}
	}
	b.result.show(b.out, t)
	return nil
}

// fanoutTo measures one crowd. What publishing costs depends on the pace, so it
// is measured anew at each.
func (b *bench) fanoutTo(t *table, f fleet, c crowd) error {
	publishing := "publishing at the pace of " + c.String()
	alone, err := b.contest(publishing, f, b.fanoutTask(c, 0, b.seconds/2))
	if err != nil {
		return err
	}
	samples, err := b.contest(c.String(), f, b.fanoutTask(c, c.subscribers, b.seconds))
	if err != nil {
		return err
	}
	for i, s := range f {
		b.result.add(publishing, s.Name, alone[i])
		b.result.add(c.String(), s.Name, samples[i])
	}
	costs := make([]fanoutCost, len(f))
	for i := range f {
		costs[i] = costOf(samples[i], alone[i], c)
	}
	whole := ratioTo(f, samples, 0, natsServer)
	spread := ratio(0)
	if whole > 0 && costs[0].spread() > 0 && costs[1].spread() > 0 {
		spread = ratio(costs[0].spread() / costs[1].spread())
	}
	for i, s := range f {
		ratios := []ratio{0, 0}
		if i == 0 {
			ratios = []ratio{whole, spread}
		}
		t.Rows = append(t.Rows, fanoutRow(c, s.Name, samples[i], costs[i], ratios))
	}
	if limit, ok := fanoutTargets[c.subscribers]; ok {
		b.result.judge(c.String(), natsServer, f[0].Name, whole, limit)
		b.result.judge(c.String()+", the spread alone", natsServer, f[0].Name, spread, limit)
	}
	return nil
}

// fanoutTask paces the items so that the deliveries are as many per second as
// wanted, but never too many items; the crowd sets the pace, however many of
// them listen.
func (b *bench) fanoutTask(c crowd, listening int, seconds float64) func(*server, int) load.Task {
	rate := min(publishRate, b.deliveries/float64(c.subscribers))
	return func(s *server, round int) load.Task {
		return load.Task{System: s.system, Addr: s.addr, Fanout: &load.Fanout{
			Topic:         fmt.Sprintf("fanout-%d-%d-%d-%d-%d", c.payload, c.subscribers, c.perConnection, listening, round),
			Subscribers:   listening,
			PerConnection: c.perConnection,
			Payload:       c.payload,
			Rate:          rate,
			Items:         max(1, int(rate*seconds)),
		}}
	}
}

// fanoutCost is the processor time of a delivery, in seconds per million.
type fanoutCost struct {
	whole, publish float64
}

func (c fanoutCost) spread() float64 { return c.whole - c.publish }

func costOf(samples, alone []sample, c crowd) fanoutCost {
	return fanoutCost{
		whole:   medianOf(samples, sample.perMillion),
		publish: medianOf(alone, sample.perMillion) / float64(c.subscribers),
	}
}

func fanoutRow(c crowd, server string, samples []sample, cost fanoutCost, ratios []ratio) []string {
	row := []string{fmt.Sprint(c.payload), fmt.Sprint(c.subscribers), fmt.Sprint(c.connections()), server}
	if len(samples) == 0 {
		return append(row, "failed")
	}
	row = append(row,
		fmt.Sprintf("%.2f", cost.whole), fmt.Sprintf("%.2f", cost.publish), fmt.Sprintf("%.2f", cost.spread()),
		ratios[0].String(), ratios[1].String(),
		number(medianOf(samples, func(s sample) float64 { return float64(s.Published) / s.Elapsed.Seconds() })),
		number(medianOf(samples, sample.perSecond)))
	return append(append(row, latencies(samples)...), rssOf(samples))
}
