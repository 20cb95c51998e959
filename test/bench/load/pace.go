package load

import (
	"context"
	"time"
)

// beat is how finely a pace is kept. What falls due within one beat is sent
// together.
const beat = time.Millisecond

// keepPace calls send with the numbers of items as they fall due, at an even
// rate per second, from 1 to items. A sender that cannot keep up gets more at a
// time. It returns the first error of send or the context's.
func keepPace(ctx context.Context, rate float64, items int, send func(first, n int) error) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	begin := time.Now()
	for sent := 0; sent < items; {
		due := min(items, 1+int(time.Since(begin).Seconds()*rate))
		if due > sent {
			if err := send(sent+1, due-sent); err != nil {
				return err
			}
			sent = due
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
