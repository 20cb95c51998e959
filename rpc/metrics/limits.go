package metrics

import "github.com/prometheus/client_golang/prometheus"

func newRefusals() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mayfly_limit_refusals_total", Help: "Calls refused because of a limit, by the limit and the cache; no cache for calls that are about none.",
	}, []string{"limit", "cache"})
}

// Refused counts a call that was refused because of a limit.
func (m *Metrics) Refused(limit, cache string) { m.refusals.WithLabelValues(limit, cache).Inc() }
