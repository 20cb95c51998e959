package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// warmups is how many items every subscriber gets before the run, so that
	// connections, windows and heaps are what they are in service.
	warmups = 30
	// readyPatience bounds how long subscriptions may take to be placed.
	readyPatience = 30 * time.Second
	// deliveryPatience is how long the last items may be under way.
	deliveryPatience = 10 * time.Second
)

// bus is one system's way to publish and subscribe. Its goroutines end before
// close returns.
type bus interface {
	// subscribe begins to receive for the readers, perConnection of them on
	// each connection. It does not wait for the subscriptions to be placed.
	// What goes wrong later is told to fail.
	subscribe(readers []*reader, perConnection int, fail func(error)) error
	// publish sends items that are due now. What goes wrong later is told to
	// fail.
	publish(items [][]byte) error
	// settle returns when the server has taken everything that was published.
	settle() error
	close()
}

// dial connects to the system that the task is for. What goes wrong with a
// publish is told to fail.
func (t Task) dial(ctx context.Context, topic string, fail func(error)) (bus, error) {
	switch t.System {
	case Mayfly:
		return dialMayfly(ctx, t.Addr, t.Fanout.through(t.Addr), topic, t.Fanout.form(), fail)
	case NATS:
		return dialNATS(ctx, t.Addr, topic, fail)
	default:
		return nil, fmt.Errorf("system %q: want %s or %s", t.System, Mayfly, NATS)
	}
}

// through is where a task for the server at addr publishes.
func (f *Fanout) through(addr string) string {
	if f == nil || f.Through == "" {
		return addr
	}
	return f.Through
}

// form is how a task's subscriptions are carried.
func (f *Fanout) form() Form {
	if f == nil {
		return GRPC
	}
	return f.Form
}

// fanoutJob does a Fanout.
type fanoutJob struct {
	task Task
	Fanout

	bus     bus
	readers []*reader
	pending sync.WaitGroup // readers that have not got everything yet
	failed  chan error     // room for the first
}

func (j *fanoutJob) fail(err error) {
	select {
	case j.failed <- err:
	default:
	}
}

func (j *fanoutJob) prepare(ctx context.Context) (err error) {
	j.failed = make(chan error, 1)
	if j.bus, err = j.task.dial(ctx, j.Topic, j.fail); err != nil {
		return err
	}
	j.pending.Add(j.Subscribers)
	for range j.Subscribers {
		j.readers = append(j.readers, &reader{want: uint64(j.Items), done: j.pending.Done})
	}
	if err := j.bus.subscribe(j.readers, j.PerConnection, j.fail); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyPatience, errors.New("the subscriptions are not all served"))
	defer cancel()
	return j.warmUp(ctx)
}

// warmUp publishes items, each when all readers have the one before, until
// enough have come through. Items from before a subscription is placed do not
// reach it, so each is waited for only a while.
func (j *fanoutJob) warmUp(ctx context.Context) error {
	poll := time.NewTicker(beat)
	defer poll.Stop()
	for through := uint64(0); through < warmups; through = j.leastWarmed() {
		if err := j.bus.publish([][]byte{payload(warmup, j.Payload)}); err != nil {
			return err
		}
		if len(j.readers) == 0 {
			return j.bus.settle()
		}
		for begin := time.Now(); j.leastWarmed() <= through && time.Since(begin) < 50*beat; {
			select {
			case <-poll.C:
			case err := <-j.failed:
				return err
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

func (j *fanoutJob) leastWarmed() uint64 {
	least := ^uint64(0)
	for _, r := range j.readers {
		least = min(least, r.warmed.Load())
	}
	return least
}

func (j *fanoutJob) run(ctx context.Context) (Report, error) {
	begin := time.Now()
	err := keepPace(ctx, j.Rate, j.Items, func(first, n int) error {
		items := make([][]byte, n)
		for i := range items {
			items[i] = payload(uint64(first+i), j.Payload)
		}
		return j.bus.publish(items)
	})
	if err != nil {
		return Report{}, err
	}
	if err := j.bus.settle(); err != nil {
		return Report{}, err
	}
	if err := j.await(ctx); err != nil {
		return Report{}, err
	}
	return j.report(time.Since(begin)), nil
}

// await returns when every reader has got everything.
func (j *fanoutJob) await(ctx context.Context) error {
	all := make(chan struct{})
	go func() {
		j.pending.Wait() // or for ever, if items are lost; the process ends then
		close(all)
	}()
	select {
	case <-all:
	case err := <-j.failed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(deliveryPatience):
		return fmt.Errorf("items are missing %s after the last of %d was published", deliveryPatience, j.Items)
	}
	select {
	case err := <-j.failed:
		return err
	default:
		return nil
	}
}

func (j *fanoutJob) report(elapsed time.Duration) Report {
	var latency histogram
	for _, r := range j.readers {
		latency.merge(&r.latency)
	}
	return Report{
		Operations: int64(j.Items) * int64(max(1, j.Subscribers)),
		Published:  int64(j.Items),
		Elapsed:    elapsed,
		Latency:    latency.quantiles(),
	}
}

func (j *fanoutJob) close() {
	if j.bus != nil {
		j.bus.close()
	}
}
