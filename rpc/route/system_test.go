package route

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

func addition(key string, amount int64) *storev1.Command {
	return &storev1.Command{Cache: store.UsageCache, Key: []byte(key), Op: &storev1.Command_DictionaryAdd{DictionaryAdd: &storev1.DictionaryAdd{
		Fields: [][]byte{[]byte("f")}, Amounts: []int64{amount}, Ttl: &storev1.CollectionTtl{TtlMs: 600_000},
	}}}
}

func sumOf(t *testing.T, r *Router, key string) int64 {
	t.Helper()
	result, err := r.ViewSystem(t.Context(), &storev1.Query{
		Cache: store.UsageCache, Key: []byte(key), Op: &storev1.Query_DictionaryFetch_{DictionaryFetch: &storev1.Query_DictionaryFetch{}},
	})
	if err != nil || result.GetStatus() != 0 {
		t.Fatalf("view: %v, %v", result, err)
	}
	row, _ := store.ParseRow(result.GetDictionary().GetValues()[0])
	return row[0]
}

// What the system keeps for itself is there after everything that is done to the
// caches of clients, and those never show it.
func TestSystemCacheIsApart(t *testing.T) {
	r, _ := start(t, "")
	ctx := t.Context()
	for i := range 8 { // of several groups
		if result, err := r.ApplySystem(ctx, addition(fmt.Sprint(i), 2)); err != nil || result.GetStatus() != 0 {
			t.Fatalf("apply: %v, %v", result, err)
		}
	}
	for _, name := range []string{"chat", store.UsageCache} {
		_, _, _ = r.Create(ctx, name, nil), r.Flush(ctx, name), r.Delete(ctx, name)
	}
	r.local.reconcile(ctx, r.CatchUp)
	for i := range 8 {
		if got := sumOf(t, r, fmt.Sprint(i)); got != 2 {
			t.Errorf("%d holds %d, want 2", i, got)
		}
	}
	if _, err := r.Apply(ctx, addition("0", 1)); !errors.Is(err, ErrCacheNotFound) {
		t.Errorf("as a client's cache: %v", err)
	}
	if held, err := r.Held(ctx); err != nil || len(held) > 0 {
		t.Errorf("held is %q, %v", held, err)
	}
	if all, err := r.List(ctx); err != nil || len(all) > 0 {
		t.Errorf("there is %v, %v", all, err)
	}
}

// What the system keeps for itself gives way to nothing, and is written when no item of
// a client's is.
func TestSystemCacheIsNotEvicted(t *testing.T) {
	r := limited(t, 4<<20, nil)
	if err := r.Create(t.Context(), "kept", &storev1.CacheLimits{Eviction: storev1.Eviction_EVICTION_OFF.Enum()}); err != nil {
		t.Fatal(err)
	}
	add := func(rounds int64) {
		t.Helper()
		for i := range 100 {
			if result, err := r.ApplySystem(t.Context(), addition(fmt.Sprint(i), rounds)); err != nil || result.GetStatus() != 0 {
				t.Fatalf("apply: %v, %v", result, err)
			}
		}
	}
	add(1)
	flood(t, r, "", 10_000)
	for i := 0; ; i++ {
		command := set(fmt.Sprint(i), kilobyte, time.Hour)
		command.Cache = "kept"
		if result, err := r.Apply(t.Context(), command); err != nil {
			t.Fatal(err)
		} else if result.GetStatus() == storev1.Status_STATUS_NO_MEMORY {
			break
		}
	}
	add(2)
	for i := range 100 {
		if got := sumOf(t, r, fmt.Sprint(i)); got != 3 {
			t.Errorf("%d holds %d, want 3", i, got)
		}
	}
}

// mumbling is a face whose answers to commands are lost so many times.
type mumbling struct {
	Face
	machine *store.Machine
	lost    int
}

func (m *mumbling) Apply(_ context.Context, _ cluster.GroupID, command *storev1.Command) (*storev1.Result, error) {
	command.AtMs = uint64(time.Now().UnixMilli())
	result := m.machine.Apply(proto.CloneOf(command))
	if m.lost--; m.lost >= 0 {
		return nil, ErrUnknownOutcome
	}
	return result, nil
}

func (m *mumbling) View(_ context.Context, _ cluster.GroupID, query *storev1.Query, _ bool) (*storev1.Result, error) {
	return m.machine.View(query, uint64(time.Now().UnixMilli())), nil
}

// An addition counts once, however long its outcome is unknown; and when that is all
// that is known, it is said.
func TestApplySystemOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topics, err := fanout.New(fanout.Config{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		defer topics.Close()
		topology, err := cluster.NewTopology(4)
		if err != nil {
			t.Fatal(err)
		}
		through := func(lost int) *Router {
			face := &mumbling{machine: store.NewMachine(), lost: lost}
			return NewRouter(RouterConfig{
				Topology: topology, Local: NewLocal(LocalConfig{Topics: topics}), Gateway: []byte("0123456789abcdef"), Self: "m",
				Face: func(cluster.NodeID) Face { return face }, Seeds: []cluster.NodeID{"n"},
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := through(300) // some 15 s
		if _, err := r.ApplySystem(ctx, addition("k", 5)); err != nil {
			t.Fatal(err)
		}
		if got := sumOf(t, r, "k"); got != 5 {
			t.Errorf("counted %d, want 5", got)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := through(1_000_000).ApplySystem(ctx, addition("k", 5)); !errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("never heard of again: %v", err)
		}
	})
}
