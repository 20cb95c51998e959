package peer

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/rpc/usage"
)

func TestUsageOfAnotherNode(t *testing.T) {
	want := []usage.Sample{
		{Step: 7, Counters: usage.Counters{Operations: 1, Errors: 2, BytesIn: 3, BytesOut: 4, Hits: 5, Misses: 6, Published: 7, Delivered: 8, Subscriptions: 9}},
		{Step: 9},
	}
	var w town
	w.served(t, &double{}, func(c *ServerConfig) { c.Usage = func() []usage.Sample { return want } })
	got, err := w.caller(t).Usage(t.Context())
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %s", err, cmp.Diff(want, got))
	}
}

func TestUsageIsBounded(t *testing.T) {
	var w town
	w.served(t, &double{}, func(c *ServerConfig) {
		c.Usage = func() []usage.Sample { return make([]usage.Sample, usage.Samples+1) }
	})
	if got, err := w.caller(t).Usage(t.Context()); err == nil {
		t.Errorf("%d samples were taken", len(got))
	}
}

// A node that does not count says so, and nothing else of it suffers.
func TestUsageOfANodeThatDoesNotCount(t *testing.T) {
	var w town
	w.served(t, &double{})
	if _, err := w.caller(t).Usage(t.Context()); !errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("%v", err)
	}
}

// A node is asked how far it has counted without telling all that it did, whether or not
// it knows.
func TestHowFarAnotherNodeHasCounted(t *testing.T) {
	for name, want := range map[string]time.Time{"known": time.UnixMilli(1_795_253_924_953), "unknown": {}} {
		t.Run(name, func(t *testing.T) {
			var w town
			w.served(t, &double{}, func(c *ServerConfig) {
				c.Usage = func() []usage.Sample { t.Error("asked for samples"); return nil }
				if !want.IsZero() {
					c.Counted = func() time.Time { return want }
				}
			})
			if got, err := w.caller(t).Counted(t.Context()); err != nil || !got.Equal(want) {
				t.Errorf("%v, %v, want %v", got, err, want)
			}
		})
	}
}
