package main

import (
	"fmt"
	"time"

	"github.com/mayfly-broker/mayfly/test/bench/load"
)

// The forms in which the cluster takes part, by the names that tables give
// them, beside one node.
const (
	oneNode      = "1 node"
	ledByFirst   = "3 nodes, the publisher's leads"
	ledBySecond  = "3 nodes, the subscribers' leads"
	ledByThird   = "3 nodes, the third leads"
	atTheLeader  = "3 nodes, at the leader"
	notTheLeader = "3 nodes, at another"
)

const (
	// clusterRate is how many items per second are published to a cluster.
	clusterRate = 1_000
	// clusterPayload is the size of an item and of a list's entry, in bytes.
	clusterPayload = 100
	// listNames is how many lists are pushed to in turn.
	listNames = 256
)

// cluster measures three nodes beside one.
func (b *bench) cluster() error {
	_, _ = fmt.Fprintln(b.log, "founding a cluster")
	single, err := b.raise(mayflyServer)
	if err != nil {
		return err
	}
	defer single.stop()
	single[0].Name = oneNode
	all, err := b.found()
	if err != nil {
		return err
	}
	defer all.stop()
	if err := b.clusterTopics(single[0], all); err != nil {
		return err
	}
	if err := b.clusterLists(single[0], all); err != nil {
		return err
	}
	return b.recovery(all)
}

// clusterTopics measures the way of an item from one node to subscribers on
// another, wherever its topic is led.
func (b *bench) clusterTopics(single *server, all nodes) error {
	led, err := b.settled(all)
	if err != nil {
		return err
	}
	idle, err := b.idle(single, all.as(ledByFirst, all[0]))
	if err != nil {
		return err
	}
	f := fleet{single, all.as(ledByFirst, all[1]), all.as(ledBySecond, all[1]), all.as(ledByThird, all[1])}
	t := table{
		Title:   fmt.Sprintf("Topics of a cluster: %s items/s of %d bytes, published on one node, subscribers on another", number(clusterRate), clusterPayload),
		Columns: []string{"subscribers", "server", "CPU", "ratio", "p50", "p99", "p99.9", "p50 ratio", "p99 ratio"},
		Note: "CPU: seconds per million deliveries, summed over the nodes; latency is from the publish to the subscriber's hands; " +
			"the ratios are medians of the rounds' ratios to 1 node; " +
			fmt.Sprintf("at rest, which is part of it, 1 node takes %.1f%% of a processor and all 3 nodes take %.1f%%", 100*idle[0], 100*idle[1]),
	}
	crowds := []int{1, 100}
	if b.short {
		crowds = crowds[1:]
	}
	for _, subscribers := range crowds {
		topics := make(map[string][]string) // by server, one for each round
		for i, s := range f {
			leader := all[max(0, i-1)]
			if topics[s.Name], err = led.names(leader, fmt.Sprint("topic-", subscribers), b.rounds); err != nil {
				return err
			}
		}
		name := fmt.Sprintf("topics of a cluster, %d subscribers", subscribers)
		samples, err := b.contest(name, f, func(s *server, round int) load.Task {
			task := load.Fanout{
				Topic: topics[s.Name][round], Subscribers: subscribers, PerConnection: b.perConnection,
				Payload: clusterPayload, Rate: clusterRate, Items: int(clusterRate * b.seconds * 2),
			}
			if s != single {
				task.Through = all[0].addr
			}
			return load.Task{System: s.system, Addr: s.addr, Fanout: &task}
		})
		if err != nil {
			return err
		}
		for i := range f {
			t.Rows = append(t.Rows, b.clusterTopicsRow(name, subscribers, f, samples, i))
		}
	}
	b.result.show(b.out, t)
	return nil
}

func (b *bench) clusterTopicsRow(name string, subscribers int, f fleet, samples [][]sample, i int) []string {
	b.result.add(name, f[i].Name, samples[i])
	row := []string{fmt.Sprint(subscribers), f[i].Name}
	if len(samples[i]) == 0 {
		return append(row, "failed")
	}
	row = append(row, fmt.Sprintf("%.2f", medianOf(samples[i], sample.perMillion)), ratioTo(f, samples, i, oneNode).String())
	row = append(row, latencies(samples[i])...)
	p50 := ratioOf(f, samples, i, oneNode, func(s sample) float64 { return float64(s.Latency.P50) })
	p99 := ratioOf(f, samples, i, oneNode, func(s sample) float64 { return float64(s.Latency.P99) })
	return append(row, p50.String(), p99.String())
}

// clusterLists measures pushes to lists that have three replicas, and reads of
// them, through the node that leads all of them and through one that leads none.
func (b *bench) clusterLists(single *server, all nodes) error {
	led, err := b.settled(all)
	if err != nil {
		return err
	}
	lists, err := led.names(all[0], "list", listNames)
	if err != nil {
		return err
	}
	f := fleet{single, all.as(atTheLeader, all[0]), all.as(notTheLeader, all[1])}
	callers := []int{1, 64, 256}
	if b.short {
		callers = callers[1:2]
	}
	t := table{
		Title:   fmt.Sprintf("Lists of a cluster, entries of %d bytes", clusterPayload),
		Columns: []string{"call", "callers", "server", "calls/s", "ratio", "CPU", "ratio", "p50", "p99", "p99.9"},
		Note: "CPU: seconds per million calls, summed over the nodes; the ratios, of calls/s and of CPU, are medians of the rounds' " +
			"ratios to 1 node; all nodes keep their data on the same disk and share the processors",
	}
	for _, call := range []load.Call{load.Push, load.Fetch} {
		for _, n := range callers {
			name := fmt.Sprintf("lists of a cluster, %s, %d callers", call, n)
			samples, err := b.contest(name, f, func(s *server, _ int) load.Task {
				return load.Task{System: s.system, Addr: s.addr, Unary: &load.Unary{
					Call: call, Callers: n, Payload: clusterPayload, Lasting: b.callSeconds(), Names: lists,
				}}
			})
			if err != nil {
				return err
			}
			for i, s := range f {
				b.result.add(name, s.Name, samples[i])
				t.Rows = append(t.Rows, append([]string{string(call), fmt.Sprint(n)}, clusterListsRow(f, samples, i)...))
			}
		}
	}
	b.result.show(b.out, t)
	return nil
}

func clusterListsRow(f fleet, samples [][]sample, i int) []string {
	if len(samples[i]) == 0 {
		return []string{f[i].Name, "failed"}
	}
	return append([]string{
		f[i].Name,
		number(medianOf(samples[i], sample.perSecond)), ratioOf(f, samples, i, oneNode, sample.perSecond).String(),
		fmt.Sprintf("%.1f", medianOf(samples[i], sample.perMillion)), ratioTo(f, samples, i, oneNode).String(),
	}, latencies(samples[i])...)
}

// idle is how much of a processor each of the servers takes with nothing to do.
func (b *bench) idle(servers ...*server) ([]float64, error) {
	used := make([]float64, len(servers))
	read := func(sign float64) error {
		for i, s := range servers {
			cpu, err := s.CPU()
			if err != nil {
				return err
			}
			used[i] += sign * cpu.Seconds() / settling.Seconds()
		}
		return nil
	}
	if err := read(-1); err != nil {
		return nil, err
	}
	select {
	case <-time.After(settling):
	case <-b.ctx.Done():
		return nil, b.ctx.Err()
	}
	return used, read(1)
}
