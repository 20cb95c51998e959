package test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// A node that runs alone joins a cluster while programs write to it. It is not let
// go while it holds anything, which it names; and from when it is let go until it
// is back as a member it acknowledges nothing that it would leave behind.
func TestJoinWhileClientsWrite(t *testing.T) {
	t.Parallel()
	b := &brokers{nodes: map[string]*harness.Server{}, peers: map[string]string{}}
	there, here := b.add(t, "there"), b.add(t, "here")
	there.Start(t)
	here.Start(t)
	there.CreateCache(t, "story")
	here.CreateCache(t, "story")
	var ticket struct {
		Token string `json:"token"`
	}
	there.CLI(t, "", "cluster", "join-token", "-o", "json").JSON(t, &ticket)
	join := []string{"node", "join", "--seed", b.peers["there"], "--token", ticket.Token}

	kept := &visitor{scs: cachepb.NewScsClient(here.Conn(t)), key: []byte("kept")}
	ctx := harness.WithCache(harness.Bounded(t), "story")
	if err := kept.set(ctx, "here"); err != nil {
		t.Fatal(err)
	}
	here.CLI(t, "", join...).Fails(t, 1, "it holds items", "in the caches story")
	if err := kept.delete(ctx); err != nil {
		t.Fatalf("the node that was not let go: %v", err)
	}

	var visitors sync.WaitGroup
	defer visitors.Wait()
	visiting, end := context.WithCancel(ctx)
	defer end()
	var rounds atomic.Int64
	for lane := range 2 {
		v := &visitor{scs: cachepb.NewScsClient(here.Conn(t)), key: fmt.Appendf(nil, "lane-%d", lane)}
		visitors.Go(func() { v.visit(t, visiting, &rounds) })
	}
	// The cluster takes a while to answer.
	there.Freeze(t)
	joining := make(chan struct{})
	visitors.Go(func() {
		defer close(joining)
		harness.Eventually(t, 2*harness.Patience, "the node to hold nothing at the moment it joins", func() (bool, string) {
			ran := here.CLI(t, "", join...)
			return ran.Code == 0, ran.Stderr
		})
	})
	kept.turnedAway(t, ctx)
	if err := kept.finds(ctx, ""); err != nil {
		t.Errorf("a node that joins does not answer questions: %v", err)
	}
	there.Thaw(t)
	<-joining
	b.settled(t, "there", "here", "there")
	joined := rounds.Load()
	harness.Eventually(t, harness.Patience, "writes through the new member", func() (bool, string) {
		return rounds.Load() > joined+20, fmt.Sprint(rounds.Load(), " rounds, ", joined, " of them before")
	})
}

// visitor writes an item, looks at it and removes it, again and again, so that
// there is nothing of it between two visits.
type visitor struct {
	scs cachepb.ScsClient
	key []byte
}

// visit goes on until ctx ends. What was acknowledged must be there.
func (v *visitor) visit(t *testing.T, ctx context.Context, rounds *atomic.Int64) {
	pause := time.NewTicker(pace)
	defer pause.Stop()
	for count := 0; ; count++ {
		value := fmt.Sprint("visit ", count)
		err := v.set(ctx, value)
		if err == nil {
			err = v.finds(ctx, value)
		}
		if err == nil {
			err = v.delete(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", v.key, err)
			return
		}
		rounds.Add(1)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// turnedAway goes on until the node says that it takes no writes, and leaves nothing
// there.
func (v *visitor) turnedAway(t *testing.T, ctx context.Context) {
	t.Helper()
	harness.Eventually(t, harness.Patience, "a write to be refused", func() (bool, string) {
		_, err := v.scs.Set(ctx, &cachepb.SetRequest{CacheKey: v.key, CacheBody: []byte("left behind?"), TtlMilliseconds: 3_600_000})
		if err == nil {
			return false, fmt.Sprint("it was taken; it went again: ", v.delete(ctx))
		}
		told := status.Convert(err)
		return told.Code() == codes.Unavailable && strings.Contains(told.Message(), "joining another cluster"), fmt.Sprint(err)
	})
}

func (v *visitor) set(ctx context.Context, value string) error {
	return insist(ctx, func(ctx context.Context) error {
		_, err := v.scs.Set(ctx, &cachepb.SetRequest{CacheKey: v.key, CacheBody: []byte(value), TtlMilliseconds: 3_600_000})
		return err
	})
}

func (v *visitor) finds(ctx context.Context, value string) error {
	return insist(ctx, func(ctx context.Context) error {
		got, err := v.scs.Get(ctx, &cachepb.GetRequest{CacheKey: v.key})
		if err == nil && string(got.GetCacheBody()) != value {
			return fmt.Errorf("%q was acknowledged, and there is %q, %s", value, got.GetCacheBody(), got.GetResult())
		}
		return err
	})
}

func (v *visitor) delete(ctx context.Context) error {
	return insist(ctx, func(ctx context.Context) error {
		_, err := v.scs.Delete(ctx, &cachepb.DeleteRequest{CacheKey: v.key})
		return err
	})
}

// insist makes a call that may be repeated until it was carried out.
func insist(ctx context.Context, call func(context.Context) error) error {
	again := time.NewTicker(pace)
	defer again.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, callTime)
		err := call(once)
		cancel()
		if code := status.Code(err); code != codes.Unavailable && code != codes.DeadlineExceeded {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}
