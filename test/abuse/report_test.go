package abuse

import (
	"fmt"
	"testing"
	"time"
)

// row is what came of one attack.
type row struct {
	name                string
	tries               int64
	took                time.Duration
	before, peak, after int64
	honest              *honest
}

// report prints a row of the table, as docs/operations.md has it.
func report(t *testing.T, r row) {
	t.Helper()
	per := "0"
	if s := r.took.Seconds(); s > 0 {
		per = fmt.Sprintf("%.0f", float64(r.tries)/s)
	}
	mib := func(n int64) int64 { return n >> 20 }
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
	t.Logf("| %s | %d | %s | %d / %d / %d | %d | %s / %s | %d | %s / %s |", r.name, r.tries, per,
		mib(r.before), mib(r.peak), mib(r.after),
		len(r.honest.calls.took), ms(r.honest.calls.quantile(50)), ms(r.honest.calls.quantile(99)),
		len(r.honest.newcomers.took), ms(r.honest.newcomers.quantile(50)), ms(r.honest.newcomers.quantile(99)))
}
