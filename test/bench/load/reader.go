package load

import (
	"fmt"
	"sync/atomic"
	"time"
)

// reader is the account of one subscription. Apart from warmed it belongs to
// the goroutine that receives for it, until done has been called.
type reader struct {
	// want is how many items there will be, numbered from 1.
	want uint64
	// done is called once, when the last of them has come.
	done func()

	warmed     atomic.Uint64 // warm-up items seen
	count, sum uint64
	latency    histogram
}

// take counts an item and fails when there are more than there should be, or
// when the right number of items turns out not to be the right ones.
func (r *reader) take(s stamp) error {
	if s.number == warmup {
		r.warmed.Add(1)
		return nil
	}
	r.latency.add(time.Since(epoch) - s.at)
	r.count++
	r.sum += s.number
	switch {
	case r.count > r.want:
		return fmt.Errorf("a subscriber got item %d, after all %d had come", s.number, r.want)
	case r.count < r.want:
		return nil
	case r.sum != r.want*(r.want+1)/2:
		return fmt.Errorf("a subscriber got %d items, but not each exactly once", r.want)
	}
	r.done()
	return nil
}
