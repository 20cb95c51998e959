package abuse

import (
	"context"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// Credentials of keys that nobody made, shown to one node of a cluster, are no work for
// the others: those serve as ever, and a key that was just made is good everywhere.
func TestForgedCredentialsInACluster(t *testing.T) {
	c := harness.StartCluster(t, harness.ClusterOptions{})
	leader := c.Leader(t, 0)
	node := c.Nodes[0]
	if node == leader {
		node = c.Nodes[1]
	}
	key := leader.Secure(t)
	leader.CreateCache(t, cache)
	v := &victim{Server: node.Server, key: key}
	v.comeFromElsewhere()
	h := beHonest(t, &victim{Server: leader.Server, key: key})
	before, began := leader.Metrics(t), time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(sized(2, 10))*time.Second)
	defer cancel()
	forge(ctx, v)
	took := time.Since(began)
	after := leader.Metrics(t)
	h.stop()
	for _, err := range append(h.calls.failed, h.newcomers.failed...) {
		t.Errorf("an honest client of another node was failed: %v", err)
	}
	const cpu = "process_cpu_seconds_total"
	t.Logf("%.0f forged credentials a second at one node cost the leader of the meta group %.1f %% of a processor; honest clients there %v (p99)",
		float64(v.tries.Load())/took.Seconds(), 100*(after[cpu]-before[cpu])/took.Seconds(), h.calls.quantile(99))
	fresh := leader.CLI(t, "", "key", "create", "--superuser", "-o", "json")
	var made struct {
		APIKey string `json:"api_key"`
	}
	fresh.JSON(t, &made)
	beHonest(t, &victim{Server: node.Server, key: made.APIKey}).stop()
}
