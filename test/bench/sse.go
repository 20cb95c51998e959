package main

import (
	"context"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/mayfly-broker/mayfly/test/bench/load"
)

// The crowd of browsers: each has a connection of its own. So many of them are
// spread at a pace that leaves the clients some air, too.
const (
	audience        = 10_000
	audiencePayload = 100
	audienceShare   = 4 // of the deliveries per second that other fan-outs are paced for
	spareFiles      = 500
)

// sse measures many readers of one topic over server-sent events, beside as many over
// native gRPC on another server of the same kind. Both get the same items at the same
// pace, and each reader has a connection.
func (b *bench) sse() error {
	readers := audience
	if b.short {
		readers /= 10
	}
	note := "memory is what the server has grown by since it was empty, after the last round"
	if most := affordable(); readers > most {
		note += fmt.Sprintf("; the limit of open files allows %d readers and not %d", most, readers)
		readers = most
	}
	f, err := b.raise(mayflyServer, mayflyServer)
	if err != nil {
		return err
	}
	defer f.stop()
	forms := map[*server]load.Form{f[0]: load.Events, f[1]: load.GRPC}
	f[0].Name, f[1].Name = "server-sent events", "native gRPC"
	empty := make([]int64, len(f))
	for i, s := range f {
		if err := b.awaitReady(s); err != nil {
			return err
		}
		if empty[i], err = s.RSS(); err != nil {
			return err
		}
	}
	rate := b.deliveries / audienceShare / float64(readers)
	name := fmt.Sprintf("%d readers of one topic, each on a connection", readers)
	samples, err := b.contest(name, f, func(s *server, round int) load.Task {
		return load.Task{System: s.system, Addr: s.addr, Fanout: &load.Fanout{
			Topic: fmt.Sprintf("audience-%d", round), Subscribers: readers, PerConnection: 1, Form: forms[s],
			Payload: audiencePayload, Rate: rate, Items: max(5, int(rate*b.seconds)),
		}}
	})
	if err != nil {
		return err
	}
	t := table{
		Title:   "Server-sent events beside native gRPC (server CPU seconds per million deliveries)",
		Columns: []string{"readers", "over", "CPU", "ratio", "deliveries/s", "p50", "p99", "p99.9", "RSS MiB", "KiB each"},
		Note:    note,
	}
	for i, s := range f {
		b.result.add(name, s.Name, samples[i])
		t.Rows = append(t.Rows, audienceRow(f, samples, i, readers, empty[i]))
	}
	b.result.show(b.out, t)
	return nil
}

func audienceRow(f fleet, samples [][]sample, i, readers int, empty int64) []string {
	row := []string{fmt.Sprint(readers), f[i].Name}
	if len(samples[i]) == 0 {
		return append(row, "failed")
	}
	compared := ratio(0)
	if i == 0 {
		compared = ratioTo(f, samples, 0, f[1].Name)
	}
	last := samples[i][len(samples[i])-1]
	row = append(row, fmt.Sprintf("%.2f", medianOf(samples[i], sample.perMillion)), compared.String(),
		number(medianOf(samples[i], sample.perSecond)))
	row = append(append(row, latencies(samples[i])...), rssOf(samples[i]))
	return append(row, fmt.Sprintf("%.1f", float64(last.RSS-empty)/float64(readers)/1024))
}

// awaitReady waits until a broker serves, and not only listens: until then it leaves
// browsers without an answer, who come back.
func (b *bench) awaitReady(s *server) error {
	ctx, cancel := context.WithTimeout(b.ctx, startPatience)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", s.Name, ctx.Err())
		}
	}
}

// affordable is how many connections a process may have open, and some other files.
func affordable() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return audience
	}
	return int(limit.Cur) - spareFiles
}
