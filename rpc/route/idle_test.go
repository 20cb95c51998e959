package route

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

type idler struct{ times atomic.Int64 }

func (i *idler) Idle() { i.times.Add(1) }

// idling is a context of a request of the caller.
func idling(t *testing.T, caller *idler) context.Context {
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), IdlerKey{}, caller), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Who asks is told when a request has to wait for a leader, and is not when there is one.
func TestIdle(t *testing.T) {
	r, _ := start(t, "")
	if err := r.Create(t.Context(), "chat", nil); err != nil {
		t.Fatal(err)
	}
	caller := new(idler)
	ctx := idling(t, caller)
	if _, err := r.Apply(ctx, set("k", "v", time.Minute)); err != nil || caller.times.Load() != 0 {
		t.Fatalf("with a leader: %v, told %d times", err, caller.times.Load())
	}
	leads := false
	err := r.Chase(ctx, 1, func(context.Context, cluster.NodeID) error {
		if leads {
			return nil
		}
		leads = true
		return &NotLeaderError{Group: 1}
	})
	if err != nil || caller.times.Load() != 1 {
		t.Errorf("without: %v, told %d times", err, caller.times.Load())
	}
}

// lateProof is a group that finds out late that it is led by another.
type lateProof struct{ group }

func (lateProof) ID() cluster.GroupID { return 1 }

func (lateProof) Leadership() (replica.Leadership, <-chan struct{}) {
	return replica.Leadership{Leading: true}, nil
}

func (lateProof) ConfirmTelling(ctx context.Context, late func(context.Context)) error {
	late(ctx)
	return replica.ErrNotLeader
}

// Who reads or publishes is told that the leader here cannot prove that it is one.
func TestIdleWithoutProof(t *testing.T) {
	l := bare(t, fanout.Config{}, noSurvey)
	p := newPartition(l.clock)
	p.bind(lateProof{})
	l.partitions[1].Store(p)
	for name, ask := range map[string]func(context.Context) error{
		"view":    func(ctx context.Context) error { _, err := l.View(ctx, 1, getOf("k"), false); return err },
		"publish": func(ctx context.Context) error { _, err := l.Publish(ctx, 1, fanout.Key{}, Message{}); return err },
		"confirm": func(ctx context.Context) error { _, err := l.Confirm(ctx, 1); return err },
	} {
		caller := new(idler)
		if err := ask(idling(t, caller)); !errors.Is(err, ErrNotExecuted) || caller.times.Load() != 1 {
			t.Errorf("%s: %v, told %d times", name, err, caller.times.Load())
		}
	}
}

func getOf(key string) *storev1.Query {
	return &storev1.Query{Cache: "chat", Key: []byte(key), Op: &storev1.Query_Get_{Get: &storev1.Query_Get{}}}
}

// slowNode answers everything after a while.
type slowNode struct {
	Face
	takes time.Duration
}

func (n slowNode) View(context.Context, cluster.GroupID, *storev1.Query, bool) (*storev1.Result, error) {
	time.Sleep(n.takes)
	return &storev1.Result{}, nil
}

func (n slowNode) Publish(context.Context, cluster.GroupID, fanout.Key, Message) (fanout.Position, error) {
	time.Sleep(n.takes)
	return fanout.Position{}, nil
}

func (n slowNode) Confirm(context.Context, cluster.GroupID) (uint64, error) {
	time.Sleep(n.takes)
	return 0, nil
}

// Who reads or publishes is told when another node takes long to answer, which may be
// one that cannot prove that it leads.
func TestIdleWhileAnotherNodeIsAsked(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *Router) error{
		"view":    func(ctx context.Context, r *Router) error { _, err := r.View(ctx, getOf("k"), false); return err },
		"publish": func(ctx context.Context, r *Router) error { return r.Publish(ctx, "chat", "room", Message{}) },
		"a cache that is not known": func(ctx context.Context, r *Router) error {
			if err := r.Publish(ctx, "none", "room", Message{}); !errors.Is(err, ErrCacheNotFound) {
				return errors.Join(errors.New("it was found"), err)
			}
			return nil
		},
	} {
		for takes, want := range map[time.Duration]int64{late - 1: 0, late + 1: 1} {
			synctest.Test(t, func(t *testing.T) {
				l := bare(t, fanout.Config{}, noSurvey)
				known, _ := catalogOf(t, create("chat"))
				l.meta.Store(known)
				r := routerOf(t, l, func(cluster.NodeID) Face { return slowNode{takes: takes} })
				caller := new(idler)
				if err := ask(idling(t, caller), r); err != nil || caller.times.Load() != want {
					t.Errorf("%s answered after %v: %v, told %d times, want %d", name, takes, err, caller.times.Load(), want)
				}
			})
		}
	}
}

// A write that finds no room soon keeps nobody out while it waits for some.
func TestIdleWithoutRoom(t *testing.T) {
	for comes, want := range map[time.Duration]int64{crowdPatience - 10*time.Millisecond: 0, crowdPatience + 10*time.Millisecond: 1, time.Hour: 1} {
		synctest.Test(t, func(t *testing.T) {
			topics, err := fanout.New(fanout.Config{}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			defer topics.Close()
			l := NewLocal(LocalConfig{Topics: topics, Self: "self", Memory: 64 << 10})
			p := soloist(l)
			if _, err := p.apply(t.Context(), first(set("old", strings.Repeat("x", 60<<10), time.Hour))); err != nil {
				t.Fatal(err)
			}
			l.memory.count()
			go func() {
				time.Sleep(comes)
				remove := &storev1.Command{Cache: "chat", Generation: 1, Key: []byte("old"), Op: &storev1.Command_Delete{Delete: &storev1.Delete{}}}
				if _, err := p.apply(t.Context(), remove); err != nil {
					t.Error(err)
				}
				l.memory.count()
			}()
			caller := new(idler)
			result, err := l.Apply(idling(t, caller), 1, first(set("new", strings.Repeat("x", 30<<10), time.Hour)))
			status := storev1.Status_STATUS_OK
			if comes > roomPatience {
				status = storev1.Status_STATUS_NO_MEMORY
			}
			if err != nil || result.GetStatus() != status || caller.times.Load() != want {
				t.Errorf("room after %v: %v, %v, told %d times, want %v and %d", comes, result, err, caller.times.Load(), status, want)
			}
			time.Sleep(time.Hour)
		})
	}
}
