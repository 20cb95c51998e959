package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// callsPerKey is how many calls are made on a key before the next one takes its
// place: the effort to explain a history grows quickly with its length and with
// the calls of unknown outcome in it.
const callsPerKey = 60

// Load is a number of clients who make random calls on few keys, so that they
// meet.
type Load struct {
	// Doors are the nodes, of which each call picks one.
	Doors *Doors
	// Cache exists.
	Cache string
	// Seed fixes what each client wants.
	Seed uint64
	// Clients call one after the other, with a pause between calls of Pause on
	// average.
	Clients int
	Pause   time.Duration
	// Lookers only read, with a pause of LookPause, and do not mind to wait at a
	// node that is silent: one that was frozen finds their questions when it goes
	// on, and must not answer from what it knew before.
	Lookers   int
	LookPause time.Duration
	// History takes what came of it.
	History *History

	scalars, lists [3]rotation
}

// rotation is a key that is replaced by another after a number of calls.
type rotation struct{ calls atomic.Int64 }

func (r *rotation) key(name string, i int) string {
	return fmt.Sprint(name, i, "-", (r.calls.Add(1)-1)/callsPerKey)
}

// now is the key of this moment.
func (r *rotation) now(name string, i int) string {
	return fmt.Sprint(name, i, "-", max(0, r.calls.Load()-1)/callsPerKey)
}

// Run makes calls until ctx ends.
func (l *Load) Run(ctx context.Context) {
	var all sync.WaitGroup
	for id := range l.Clients {
		all.Go(func() { l.client(ctx, id) })
	}
	for id := range l.Lookers {
		all.Go(func() { l.looker(ctx, l.Clients+id) })
	}
	all.Wait()
}

// looker reads what others write.
func (l *Load) looker(ctx context.Context, id int) {
	r := rand.New(rand.NewPCG(l.Seed, uint64(id)))
	c := client{cache: l.Cache, within: glanceTime}
	for ctx.Err() == nil {
		slot := r.IntN(len(l.scalars))
		key, in := l.scalars[slot].now("scalar", slot), Input{Do: Get}
		if r.IntN(2) == 0 {
			key, in = l.lists[slot].now("list", slot), Input{Do: Fetch}
		}
		c.recordAt(context.WithoutCancel(ctx), l.History, l.Doors.pick(r), id, key, in)
		rest(ctx, r, l.LookPause)
	}
}

func (l *Load) client(ctx context.Context, id int) {
	r := rand.New(rand.NewPCG(l.Seed, uint64(id)))
	c := client{doors: l.Doors, cache: l.Cache}
	for count := 0; ctx.Err() == nil; count++ {
		fresh := fmt.Sprint(id, ".", count)
		if slot := r.IntN(len(l.scalars)); r.IntN(2) == 0 {
			// The call is made to its end although the round is over.
			c.record(context.WithoutCancel(ctx), l.History, r, id, l.scalars[slot].key("scalar", slot), wishScalar(r, fresh))
		} else {
			c.record(context.WithoutCancel(ctx), l.History, r, id, l.lists[slot].key("list", slot), wishList(r, fresh))
		}
		rest(ctx, r, l.Pause)
	}
}

// wishScalar picks a call on a scalar. Values are few numbers, so that conditions
// hold now and then, or the fresh text, which shows who wrote it.
func wishScalar(r *rand.Rand, fresh string) Input {
	value := func() string {
		if r.IntN(2) == 0 {
			return strconv.Itoa(r.IntN(4))
		}
		return fresh
	}
	switch r.IntN(12) {
	case 0, 1:
		return Input{Do: Set, Value: value()}
	case 2:
		return Input{Do: Delete}
	case 3:
		return Input{Do: SetAbsent, Value: value()}
	case 4, 5:
		return Input{Do: SetEqual, Value: value(), Check: strconv.Itoa(r.IntN(4))}
	case 6:
		return Input{Do: SetNotEqual, Value: value(), Check: strconv.Itoa(r.IntN(4))}
	case 7, 8:
		return Input{Do: Increment, Amount: int64(r.IntN(3)) - 1}
	default:
		return Input{Do: Get}
	}
}

// wishList picks a call on a list. One pushed value in four is not unique, for
// Remove to find.
func wishList(r *rand.Rand, fresh string) Input {
	if r.IntN(4) == 0 {
		fresh = "common"
	}
	switch r.IntN(12) {
	case 0, 1, 2:
		return Input{Do: PushBack, Value: fresh}
	case 3, 4:
		return Input{Do: PushFront, Value: fresh}
	case 5:
		return Input{Do: PopFront}
	case 6:
		return Input{Do: PopBack}
	case 7:
		return Input{Do: Remove, Value: "common"}
	case 8:
		return Input{Do: Length}
	default:
		return Input{Do: Fetch}
	}
}

// rest pauses for some time around the given one, or until ctx ends.
func rest(ctx context.Context, r *rand.Rand, about time.Duration) {
	timer := time.NewTimer(time.Duration(r.Int64N(int64(2*about) + 1)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
