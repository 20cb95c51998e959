package faults

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// Warm publishes to every topic until each of its readers has seen an item, so
// that all of them know where they are. Listen must have been called.
func (t *Topics) Warm(tb testing.TB) {
	tb.Helper()
	doors, count := t.Doors.All(), 0
	harness.Eventually(tb, harness.Patience, "every reader's first item", func() (bool, string) {
		count++
		for _, topic := range t.Names {
			t.publish(tb.Context(), doors[count%len(doors)], topic, fmt.Sprint("warm.", count))
		}
		readers := t.Readers()
		for _, r := range readers {
			if !r.hasSeen() {
				return false, r.Name + " has seen nothing"
			}
		}
		return len(readers) == len(t.Names)*len(doors), "readers are starting"
	})
}

// hasSeen reports whether the reader was sent an item.
func (r *Reader) hasSeen() bool {
	for _, e := range r.Events() {
		if e.Kind == Item {
			return true
		}
	}
	return false
}

// Settle waits until every reader knows of everything that was published, but not
// longer than within. Publishing must have ended.
func (t *Topics) Settle(ctx context.Context, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(again)
	defer tick.Stop()
	for {
		if len(t.Check(true).Problems) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Check judges all topics, see CheckTopic.
func (t *Topics) Check(quiet bool) (v TopicVerdict) {
	published := make(map[string][]Publication)
	for _, p := range t.Published() {
		published[p.Topic] = append(published[p.Topic], p)
	}
	seen := make(map[string][]ReaderLog)
	for _, r := range t.Readers() {
		seen[r.Topic] = append(seen[r.Topic], ReaderLog{r.Name, r.Events()})
	}
	for _, topic := range t.Names {
		v.add(CheckTopic(published[topic], seen[topic], quiet))
	}
	return v
}
