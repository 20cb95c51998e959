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

	conns   []*h2Conn
	buses   []*natsBus
	running sync.WaitGroup
}

// prepare has nothing to do: the cost of a subscription is all of its cost.
func (j *holdJob) prepare(context.Context) error { return nil }

func (j *holdJob) run(ctx context.Context) (Report, error) {
	begin := time.Now()
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
	placed, lost := make(chan struct{}, j.Subscriptions), make(chan error, 1)
	for i := range j.Subscriptions {
		if i%j.PerConnection == 0 {
			conn, err := dialH2(ctx, j.task.Addr)
			if err != nil {
				return err
			}
			j.conns = append(j.conns, conn)
		}
		if err := j.conns[len(j.conns)-1].subscribe(topicOf(i), once(placed)); err != nil {
			return err
		}
	}
	for _, conn := range j.conns {
		j.running.Go(func() {
			select {
			case lost <- conn.receive():
			default:
			}
		})
	}
	for range j.Subscriptions {
		select {
		case <-placed:
		case err := <-lost:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// once tells of the first message of a subscription, and does nothing with any.
func once(placed chan<- struct{}) func(*delivery) error {
	told := false
	return func(*delivery) error {
		if !told {
			told = true
			placed <- struct{}{}
		}
		return nil
	}
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
	for _, conn := range j.conns {
		_ = conn.Close()
	}
	for _, bus := range j.buses {
		bus.close()
	}
	j.running.Wait()
}
