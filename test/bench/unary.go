package main

import (
	"fmt"

	"github.com/mayfly-broker/mayfly/test/bench/load"
)

// getTarget is how much a get may cost, as a multiple of what an empty call
// costs grpc-go.
const getTarget = 1.5

// unary measures single calls, on disk and in memory.
func (b *bench) unary() error {
	f, err := b.raise(mayflyServer, mayflyDev, echoServer)
	if err != nil {
		return err
	}
	defer f.stop()
	callers := []int{1, 64, 256}
	if b.short {
		callers = callers[1:2]
	}
	t := table{
		Title: fmt.Sprintf("Calls, values of %d bytes (server CPU seconds per million calls)", echoSize),
		Columns: []string{"call", "callers", "server", "CPU", "ratio", "calls/s",
			"p50", "p99", "p99.9", "RSS MiB"},
		Note: "ratio: the median of the rounds' ratios of CPU to that of an empty grpc-go server in the same round",
	}
	for _, call := range []load.Call{load.Get, load.Set, load.Push, load.Fetch} {
		rivals := f
		if call == load.Push || call == load.Fetch {
			rivals = f[:2] // there is no empty list
		}
		for _, n := range callers {
			if err := b.unaryOf(&t, rivals, call, n); err != nil {
				return err
			}
		}
	}
	b.result.show(b.out, t)
	return nil
}

// unaryOf measures one call from a number of callers.
func (b *bench) unaryOf(t *table, f fleet, call load.Call, callers int) error {
	name := fmt.Sprintf("%s, %d callers", call, callers)
	samples, err := b.contest(name, f, func(s *server, _ int) load.Task {
		return load.Task{System: s.system, Addr: s.addr, Unary: &load.Unary{
			Call: call, Callers: callers, Payload: echoSize, Lasting: b.callSeconds(),
		}}
	})
	if err != nil {
		return err
	}
	for i, s := range f {
		b.result.add(name, s.Name, samples[i])
		toEcho := ratioTo(f, samples, i, echoServer)
		if call == load.Get && s.Name != echoServer {
			b.result.judge(name, echoServer, s.Name, toEcho, getTarget)
		}
		row := []string{string(call), fmt.Sprint(callers), s.Name}
		if len(samples[i]) == 0 {
			t.Rows = append(t.Rows, append(row, "failed"))
			continue
		}
		row = append(row, fmt.Sprintf("%.1f", medianOf(samples[i], sample.perMillion)), toEcho.String(),
			number(medianOf(samples[i], sample.perSecond)))
		t.Rows = append(t.Rows, append(append(row, latencies(samples[i])...), rssOf(samples[i])))
	}
	return nil
}
