package route

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// A cache has as many keys as it may and not one more, however many ask at once; those
// that are there can be changed, and one that goes makes room. One that was made a moment
// ago may still count as under way as well, so of many that ask at once more may be
// refused than have to be, and ask again here.
func TestKeysAreCounted(t *testing.T) {
	r, _ := start(t, "")
	if err := r.Create(t.Context(), "chat", &storev1.CacheLimits{MaxKeys: new(uint64(5))}); err != nil {
		t.Fatal(err)
	}
	var made atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			_, err := r.Apply(t.Context(), set(fmt.Sprint(i), "v", time.Minute))
			switch {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, ErrTooManyKeys):
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range 6 {
		if _, err := r.Apply(t.Context(), set(fmt.Sprint("late-", i), "v", time.Minute)); err == nil {
			made.Add(1)
		}
	}
	if made.Load() != 5 {
		t.Fatalf("%d keys were made, want 5", made.Load())
	}
	if len(r.local.growth.newly) != 0 {
		t.Errorf("still under way: %v", r.local.growth.newly)
	}
	if led := r.LedKeys(); led["chat"] != 5 {
		t.Errorf("told to others: %v", led)
	}
	there := ""
	for i := range 40 {
		if _, ok := get(t, r, fmt.Sprint(i)); ok {
			there = fmt.Sprint(i)
		}
	}
	must(t, r, set(there, "again", time.Minute))
	remove := &storev1.Command{Cache: "chat", Key: []byte(there), Op: &storev1.Command_Delete{Delete: &storev1.Delete{}}}
	must(t, r, remove)
	must(t, r, set("new", "v", time.Minute))
	if _, err := r.Apply(t.Context(), set("one more", "v", time.Minute)); !errors.Is(err, ErrTooManyKeys) {
		t.Errorf("one more: %v", err)
	}
	r.local.elsewhere = func(string) uint64 { return 3 }
	must(t, r, &storev1.Command{Cache: "chat", Key: []byte("new"), Op: &storev1.Command_Delete{Delete: &storev1.Delete{}}})
	if _, err := r.Apply(t.Context(), set("new", "v", time.Minute)); !errors.Is(err, ErrTooManyKeys) {
		t.Errorf("although others have the rest: %v", err)
	}
}
