package cli

import (
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

// maxKeyWeight is the largest weight that the broker takes.
const maxKeyWeight = 1000

// keyLimits are the flags that bound a key.
type keyLimits struct {
	operations, subscriptions, weight uint32
	throughput                        int64
}

func (l *keyLimits) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var(config.Integer(&l.operations, 1, math.MaxInt32), "max-operations", "operations a second with the key, what it is refreshed or rotated to, and all their tokens, publishing included, in the whole cluster (default no limit)")
	flags.Var(config.Size(&l.throughput), "max-throughput", "size of requests and answers a second, likewise (default no limit)")
	flags.Var(config.Integer(&l.subscriptions, 1, math.MaxInt32), "max-subscriptions", "subscriptions at a time, likewise (default no limit)")
	flags.Var(config.Integer(&l.weight, 1, maxKeyWeight), "weight", "how large a part of a busy node the key has beside others (default 1)")
	for _, name := range []string{"max-operations", "max-throughput", "max-subscriptions", "weight"} {
		flags.Lookup(name).DefValue = ""
	}
}

// message is nil when there are no limits.
func (l *keyLimits) message() (*adminpb.KeyLimits, error) {
	switch {
	case *l == keyLimits{}:
		return nil, nil
	case l.throughput != 0 && (l.throughput < 1<<10 || l.throughput>>10 > math.MaxUint32):
		return nil, fmt.Errorf("--max-throughput: %s a second, want 1KiB to 4095GiB", config.FormatSize(l.throughput))
	}
	return &adminpb.KeyLimits{
		MaxTrafficRate: l.operations, MaxThroughputKbps: uint32(l.throughput >> 10), MaxSubscriptionCount: l.subscriptions, Weight: l.weight,
	}, nil
}

// keyLimitsRow is the limits of a key in JSON; what is not limited is null.
type keyLimitsRow struct {
	MaxOperations     *uint32 `json:"max_traffic_rate"`
	MaxThroughputKBPS *uint32 `json:"max_throughput_kbps"`
	MaxSubscriptions  *uint32 `json:"max_subscription_count"`
	Weight            uint32  `json:"weight"`
}

// newKeyLimitsRow is nil for a key without limits.
func newKeyLimitsRow(l *adminpb.KeyLimits) *keyLimitsRow {
	if l == nil {
		return nil
	}
	return &keyLimitsRow{bound(l.GetMaxTrafficRate()), bound(l.GetMaxThroughputKbps()), bound(l.GetMaxSubscriptionCount()), max(1, l.GetWeight())}
}

func bound(n uint32) *uint32 {
	if n == 0 {
		return nil
	}
	return &n
}

// formatKeyLimits writes limits for people, "-" for none.
func formatKeyLimits(l *adminpb.KeyLimits) string {
	var parts []string
	if n := l.GetMaxTrafficRate(); n != 0 {
		parts = append(parts, fmt.Sprintf("%d/s", n))
	}
	if n := l.GetMaxThroughputKbps(); n != 0 {
		parts = append(parts, config.FormatSize(int64(n)<<10)+"/s")
	}
	if n := l.GetMaxSubscriptionCount(); n != 0 {
		parts = append(parts, fmt.Sprintf("%d subscriptions", n))
	}
	if n := l.GetWeight(); n != 0 {
		parts = append(parts, fmt.Sprintf("weight %d", n))
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}
