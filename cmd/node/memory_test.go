package node

import (
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
)

func TestMemoryIsDivided(t *testing.T) {
	c := DefaultConfig()
	if c.itemsBudget() != 0 || c.topicsBudget() != fanout.DefaultTotalBytes || c.groupLimits(16).LogBytes != 64<<20 {
		t.Errorf("without a bound: %d, %d, %+v", c.itemsBudget(), c.topicsBudget(), c.groupLimits(16))
	}
	c.Memory = 256 << 20
	limits := c.groupLimits(16)
	if c.itemsBudget() != 128<<20 || c.topicsBudget() != 32<<20 || limits.QueuedBytes != 32<<20 || limits.LogBytes != 32<<20/17 || limits.RecentBytes != 8<<20/17 {
		t.Errorf("of 256 MiB: %d, %d, %+v", c.itemsBudget(), c.topicsBudget(), limits)
	}
	c.DataDir = "somewhere"
	if on := c.groupLimits(16); on != (replica.Limits{QueuedBytes: 32 << 20, RecentBytes: 8 << 20 / 17}) {
		t.Errorf("logs on a disk: %+v", on)
	}
	c.Memory = leastMemory - 1
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "max-memory") {
		t.Errorf("too little: %v", err)
	}
	c.Memory = leastMemory
	if limits := c.groupLimits(64); limits.QueuedBytes < replica.MaxCommandBytes {
		t.Errorf("the least has no room for a command: %+v", limits)
	}
}

// The runtime knows all that is asked of it.
func TestLiveMemory(t *testing.T) {
	samples := make([]metrics.Sample, len(liveMetrics))
	for i, name := range liveMetrics {
		samples[i].Name = name
	}
	if live(samples) == 0 {
		t.Error("nothing lives")
	}
	for _, s := range samples {
		if s.Value.Kind() != metrics.KindUint64 {
			t.Errorf("%s is unknown", s.Name)
		}
	}
}
