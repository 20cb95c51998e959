package route

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
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

// Where there is room for one more unless one that is under way makes an item, its end
// decides.
func TestTheLastKeyWaitsForThoseUnderWay(t *testing.T) {
	for name, test := range map[string]struct {
		makes string // the key of what the other one makes; nothing if empty
		takes time.Duration
		want  error
		told  int64
	}{
		"the other one makes nothing":   {"", 2 * time.Millisecond, nil, 0},
		"the other one makes an item":   {"other", 2 * time.Millisecond, ErrTooManyKeys, 0},
		"the other one makes this item": {"mine", 2 * time.Millisecond, nil, 0},
		"the other one takes long":      {"", crowdPatience + 1, nil, 1},
		"the other one takes too long":  {"", time.Minute, ErrTooManyKeys, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := bare(t, fanout.Config{}, noSurvey)
				made := create("chat")
				made.GetCreateCache().Limits = &storev1.CacheLimits{MaxKeys: new(uint64(1))}
				known, _ := catalogOf(t, made)
				l.meta.Store(known)
				p := soloist(l)
				if ok, _ := l.growth.take("chat", func(newly int) bool { return newly < 1 }); !ok {
					t.Fatal("there is no room for one")
				}
				go func() {
					time.Sleep(test.takes)
					if test.makes != "" {
						if _, err := p.apply(t.Context(), first(set(test.makes, "v", time.Hour))); err != nil {
							t.Error(err)
						}
					}
					l.growth.give("chat")
				}()
				go func() {
					time.Sleep(time.Millisecond)
					began := time.Now()
					if _, err := l.Apply(t.Context(), 1, first(set("third", "v", time.Hour))); !errors.Is(err, ErrTooManyKeys) || time.Since(began) > 0 {
						t.Errorf("a third one, after %v: %v", time.Since(began), err)
					}
				}()
				caller := new(idler)
				_, err := l.Apply(idling(t, caller), 1, first(set("mine", "v", time.Hour)))
				if !errors.Is(err, test.want) || test.want == nil && err != nil || caller.times.Load() != test.told {
					t.Errorf("the second one: %v, told %d times, want %v and %d", err, caller.times.Load(), test.want, test.told)
				}
				time.Sleep(time.Hour)
				l.growth.mu.Lock()
				defer l.growth.mu.Unlock()
				if len(l.growth.newly) != 0 {
					t.Errorf("still under way: %v", l.growth.newly)
				}
			})
		})
	}
}
