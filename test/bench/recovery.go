package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/test/bench/load"
)

const (
	// nodesName is the cluster in the table of recoveries.
	nodesName = "3 nodes"
	// writing is for how long a writer writes before the leader is killed.
	writing = time.Second
	// pushTime bounds one push of the writer, which is as patient as the SDKs.
	pushTime = 5 * time.Second
	// pushPause is between a push that failed and the next.
	pushPause = 10 * time.Millisecond
	// recoveryPatience bounds how long writes may stand still.
	recoveryPatience = 30 * time.Second
)

// recovery measures for how long writes stand still when their leader is killed.
func (b *bench) recovery(all nodes) error {
	rounds := 3
	if b.short {
		rounds = 1
	}
	name := "first write after the kill of its leader"
	var samples []sample
	for round := range rounds {
		_, _ = fmt.Fprintf(b.log, "killing a leader, %d of %d\n", round+1, rounds)
		s, err := b.killUnderWriter(all, round)
		if err != nil {
			return fmt.Errorf("recovery: %w", err)
		}
		samples = append(samples, s)
	}
	b.result.add(name, nodesName, samples)
	took := func(s sample) float64 { return float64(s.Elapsed) }
	row := []string{name, nodesName, brief(time.Duration(medianOf(samples, took)))}
	t := table{
		Title:   "Recovery",
		Columns: []string{"of", "server", "median"},
		Note:    "a writer pushes to a list through a node that does not lead it; from the kill -9 of the leader to the first push that was begun after it and acknowledged",
	}
	for i, s := range samples {
		t.Columns, row = append(t.Columns, fmt.Sprint("round ", i+1)), append(row, brief(s.Elapsed))
	}
	t.Rows = [][]string{row}
	b.result.show(b.out, t)
	return nil
}

// writer pushes to one list, one push after the other. It is so light that it
// needs no process of its own.
type writer struct {
	conn *grpc.ClientConn
	list string
}

func (w *writer) push(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(ctx, "cache", load.Cache), pushTime)
	defer cancel()
	_, err := cachepb.NewScsClient(w.conn).ListPushBack(ctx, &cachepb.ListPushBackRequest{
		ListName: []byte(w.list), Value: []byte("entry"), TtlMilliseconds: uint64(time.Hour / time.Millisecond), TruncateFrontToSize: 100,
	})
	return err
}

// killUnderWriter kills the leader of a list that is written to through another
// node, measures how long it takes until a write is acknowledged again, and
// brings the killed node back.
func (b *bench) killUnderWriter(all nodes, round int) (sample, error) {
	led, err := b.settled(all)
	if err != nil {
		return sample{}, err
	}
	victim, other := all[round%len(all)], all[(round+1)%len(all)]
	lists, err := led.names(victim, "recovery", 1)
	if err != nil {
		return sample{}, err
	}
	conn, err := grpc.NewClient(other.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return sample{}, err
	}
	defer func() { _ = conn.Close() }()
	w := &writer{conn: conn, list: lists[0]}
	for begin := time.Now(); time.Since(begin) < writing; {
		if err := w.push(b.ctx); err != nil {
			return sample{}, fmt.Errorf("before the kill: %w", err)
		}
	}
	begin := time.Now()
	victim.Kill()
	if err := b.untilWritten(w); err != nil {
		return sample{}, err
	}
	s := sample{Report: load.Report{Operations: 1, Elapsed: time.Since(begin)}}
	return s, b.startNode(victim)
}

// untilWritten pushes until a push is acknowledged.
func (b *bench) untilWritten(w *writer) error {
	ctx, cancel := context.WithTimeout(b.ctx, recoveryPatience)
	defer cancel()
	for {
		err := w.push(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(pushPause):
		case <-ctx.Done():
			return fmt.Errorf("no write within %s of the kill: %w", recoveryPatience, err)
		}
	}
}
