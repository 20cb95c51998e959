package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Whatever the sizes and wherever it fails: answers come in order and without
// gaps, no more than width run at a time, and nothing runs on afterwards.
func TestInOrder(t *testing.T) {
	fault := errors.New("fault")
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 50).Draw(t, "n")
		width := rapid.IntRange(1, 8).Draw(t, "width")
		failDo := rapid.IntRange(-1, 60).Draw(t, "do fails at")
		failEmit := rapid.IntRange(-1, 60).Draw(t, "emit fails at")
		var running, most atomic.Int64
		var got []int
		err := inOrder(context.Background(), n, width, func(_ context.Context, i int) (int, error) {
			now := running.Add(1)
			defer running.Add(-1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			if i == failDo {
				return 0, fault
			}
			return i, nil
		}, func(i int) error {
			if i == failEmit {
				return fault
			}
			got = append(got, i)
			return nil
		})
		want := n
		for _, at := range []int{failDo, failEmit} {
			if at >= 0 {
				want = min(want, at)
			}
		}
		if (err != nil) != (want < n) {
			t.Fatalf("error %v after %d of %d", err, len(got), n)
		}
		if len(got) != want || !slices.IsSorted(got) || want > 0 && got[want-1] != want-1 {
			t.Fatalf("emitted %v, want 0 to %d", got, want-1)
		}
		if running.Load() != 0 || most.Load() > int64(width) {
			t.Fatalf("%d still run, at most %d ran at a time, width %d", running.Load(), most.Load(), width)
		}
	})
}

func TestInOrderRunsThingsTogether(t *testing.T) {
	var running sync.WaitGroup
	running.Add(4)
	err := inOrder(t.Context(), 4, 4, func(context.Context, int) (int, error) {
		running.Done()
		running.Wait() // for ever, if they ran one after the other
		return 0, nil
	}, func(int) error { return nil })
	if err != nil {
		t.Error(err)
	}
}

func TestGetBatchAnswersInOrder(t *testing.T) {
	w := newWorld(t, settings{})
	request := &cachepb.GetBatchRequest{}
	for i := range 100 {
		key := fmt.Sprint("k", i)
		if i%3 == 0 {
			w.set(t, key, fmt.Sprint("v", i))
		}
		request.Items = append(request.Items, &cachepb.GetRequest{CacheKey: []byte(key)})
	}
	stream := ok[cachepb.Scs_GetBatchClient](t)(w.scs.GetBatch(in(t.Context()), request))
	for i := range 100 {
		r := ok[*cachepb.GetBatchResponse](t)(stream.Recv())
		if hit := i%3 == 0; hit != (r.GetResult() == cachepb.ECacheResult_Hit) || hit != (string(r.GetCacheBody()) == fmt.Sprint("v", i)) {
			t.Fatalf("answer %d is %v", i, r)
		}
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("the batch ends with %v", err)
	}
	if err := drain(w.scs.GetBatch(in(t.Context()), &cachepb.GetBatchRequest{})); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
}

func TestSetBatch(t *testing.T) { synctest.Test(t, testSetBatch) }

func testSetBatch(t *testing.T) {
	w := newWorld(t, settings{})
	request := &cachepb.SetBatchRequest{}
	for i := range 100 {
		request.Items = append(request.Items, &cachepb.SetRequest{
			CacheKey: []byte(fmt.Sprint("k", i/2%40)), CacheBody: []byte(fmt.Sprint("v", i)), TtlMilliseconds: minute,
		})
	}
	// Later writes are quicker, so that those of one key would swap.
	var writes atomic.Int64
	w.failWith(func(string) error {
		time.Sleep(time.Duration(100-writes.Add(1)) * time.Millisecond)
		return nil
	})
	stream := ok[cachepb.Scs_SetBatchClient](t)(w.scs.SetBatch(in(t.Context()), request))
	for range 100 {
		if r := ok[*cachepb.SetBatchResponse](t)(stream.Recv()); r.GetResult() != cachepb.ECacheResult_Ok {
			t.Fatalf("answer is %v", r)
		}
	}
	w.failWith(nil)
	for i := range 40 {
		want := fmt.Sprint("v", 2*i+1)
		if i < 10 {
			want = fmt.Sprint("v", 80+2*i+1)
		}
		if v, _ := w.get(t, fmt.Sprint("k", i)); v != want {
			t.Errorf("key %d holds %q, want %q: the last of equal keys counts", i, v, want)
		}
	}
	w.failWith(func(string) error { return route.ErrNotExecuted })
	wants(t, drain(w.scs.SetBatch(in(t.Context()), request)), codes.Unavailable)
}

func TestKeysExist(t *testing.T) {
	w := newWorld(t, settings{})
	w.set(t, "a", "v")
	w.push(t, "l", "v")
	r := ok[*cachepb.KeysExistResponse](t)(w.scs.KeysExist(in(t.Context()), &cachepb.KeysExistRequest{CacheKeys: bytesOf("a", "b", "l", "a")}))
	if !slices.Equal(r.GetExists(), []bool{true, false, true, true}) {
		t.Errorf("exists: %v", r.GetExists())
	}
	empty := ok[*cachepb.KeysExistResponse](t)(w.scs.KeysExist(in(t.Context()), &cachepb.KeysExistRequest{}))
	if len(empty.GetExists()) != 0 {
		t.Errorf("of no keys: %v", empty)
	}
}
