package load

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// holdJob does a Hold.
type holdJob struct {
	task Task
	Hold

	stop    context.CancelFunc
	pool    connections
	buses   []*natsBus
	running sync.WaitGroup
}

// prepare has nothing to do: the cost of a subscription is all of its cost.
func (j *holdJob) prepare(context.Context) error { return nil }

func (j *holdJob) run(ctx context.Context) (Report, error) {
	begin := time.Now()
	ctx, j.stop = context.WithCancel(ctx)
	hold := j.holdMayfly
	if j.task.System == NATS {
		hold = j.holdNATS
	}
	if err := hold(ctx); err != nil {
		return Report{}, err
	}
	return Report{Operations: int64(j.Subscriptions), Elapsed: time.Since(begin)}, nil
}

// holdMayfly returns when each subscription has had its first heartbeat. The
// streams go on being read.
func (j *holdJob) holdMayfly(ctx context.Context) error {
	placed := make(chan error, j.Subscriptions)
	for i := range j.Subscriptions {
		if i%j.PerConnection == 0 {
			if _, err := j.pool.dial(j.task.Addr); err != nil {
				return err
			}
		}
		conn := j.pool[len(j.pool)-1]
		j.running.Go(func() {
			stream, err := subscribeTo(ctx, conn, topicOf(i))
			var d delivery
			if err == nil {
				err = stream.RecvMsg(&d)
			}
			placed <- err
			for err == nil {
				err = stream.RecvMsg(&d)
			}
		})
	}
	for range j.Subscriptions {
		if err := <-placed; err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return nil
}

// holdNATS returns when the server has all subscriptions.
func (j *holdJob) holdNATS(ctx context.Context) error {
	ignore := func(error) {}
	for held := 0; held < j.Subscriptions; held += j.PerConnection {
		bus := &natsBus{addr: j.task.Addr}
		j.buses = append(j.buses, bus)
		topics := make([]string, min(j.PerConnection, j.Subscriptions-held))
		for i := range topics {
			topics[i] = topicOf(held + i)
		}
		conn, err := bus.connect(ctx, nil, ignore)
		if err != nil {
			return err
		}
		if err := conn.subscribe(topics); err != nil {
			return err
		}
	}
	return nil
}

func topicOf(i int) string { return fmt.Sprintf("room-%06d", i) }

func (j *holdJob) close() {
	if j.stop != nil {
		j.stop()
	}
	for _, bus := range j.buses {
		bus.close()
	}
	j.pool.close()
	j.running.Wait()
}
