package main

import (
	"fmt"
	"time"

	"github.com/mayfly-broker/mayfly/test/bench/load"
)

// settling is how long a server is left alone before its memory is read: long
// enough for a heartbeat and for garbage of the beginning to be collected.
const settling = 6 * time.Second

// hoard is something to keep in memory.
type hoard struct {
	name string
	task load.Task
	per  int // how many operations the figure is for
}

// memory measures what things cost that are only there.
func (b *bench) memory() error {
	subscriptions, entries := 10_000, 1_000_000
	if b.short {
		subscriptions, entries = 1_000, 100_000
	}
	hold := hoard{
		name: "1,000 idle subscriptions, each to its own topic", per: 1_000,
		task: load.Task{Hold: &load.Hold{Subscriptions: subscriptions, PerConnection: b.perConnection}},
	}
	long := hoard{
		name: "1,000,000 entries of 100 bytes in one list", per: 1_000_000,
		task: load.Task{Fill: &load.Fill{Lists: 1, PerList: entries, Payload: 100}},
	}
	many := hoard{
		name: "1,000,000 entries of 100 bytes, 100 in each list", per: 1_000_000,
		task: load.Task{Fill: &load.Fill{Lists: entries / 100, PerList: 100, Payload: 100}},
	}
	t := table{
		Title:   "Memory (growth of resident memory)",
		Columns: []string{"of", "server", "MiB", "before, MiB", "after, MiB"},
		Note:    "a fresh server each time, one round; garbage that Go has not collected yet is part of it",
	}
	for _, c := range []struct {
		hoard
		server string
	}{
		{hold, mayflyServer}, {hold, natsServer},
		{long, mayflyServer}, {long, mayflyDev}, {many, mayflyServer}, {many, mayflyDev},
	} {
		w, err := b.weigh(c.hoard, c.server)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", c.name, c.server, err)
		}
		t.Rows = append(t.Rows, []string{c.name, c.server, mebibytes(w.grown), mebibytes(w.before), mebibytes(w.after)})
	}
	b.result.show(b.out, t)
	return nil
}

// weight is the resident memory of a server before and after, and by how much it
// has grown for each of a hoard's units, in bytes.
type weight struct{ grown, before, after int64 }

// weigh measures a hoard in a fresh server.
func (b *bench) weigh(h hoard, name string) (w weight, err error) {
	_, _ = fmt.Fprintf(b.log, "weighing %s\n", h.name)
	f, err := b.raise(name)
	if err != nil {
		return w, err
	}
	defer f.stop()
	s := f[0]
	h.task.System, h.task.Addr = s.system, s.addr
	client, err := b.client(h.task)
	if err != nil {
		return w, err
	}
	defer client.Close()
	if w.before, err = s.RSS(); err != nil {
		return w, err
	}
	report, err := client.Run()
	if err != nil {
		return w, err
	}
	select {
	case <-time.After(settling):
	case <-b.ctx.Done():
		return w, b.ctx.Err()
	}
	if w.after, err = s.RSS(); err != nil {
		return w, err
	}
	w.grown = (w.after - w.before) * int64(h.per) / report.Operations
	b.result.add(h.name, name, []sample{{Report: report, RSS: w.grown}})
	return w, nil
}
