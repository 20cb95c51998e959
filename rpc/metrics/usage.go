package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/grpc/codes"

	"github.com/mayfly-broker/mayfly/rpc/usage"
)

// lookups counts what was asked about items.
type lookups struct{ hits, misses prometheus.Counter }

func newLookups() lookups {
	of := func(result string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mayfly_lookups_total", Help: "Questions about items, by whether the item was there.",
			ConstLabels: prometheus.Labels{"result": result},
		})
	}
	return lookups{of("hit"), of("miss")}
}

// Lookup counts a question about an item.
func (m *Metrics) Lookup(found bool) {
	if found {
		m.lookups.hits.Inc()
	} else {
		m.lookups.misses.Inc()
	}
}

// Usage is what was counted since the node started, as operators read it: calls
// about the health of the node and what it speaks are no operations, a stream that
// its client ended is no error, and what goes to other nodes is not delivered yet.
func (m *Metrics) Usage() usage.Counters {
	topics, port := m.sources.Topics(), m.sources.Port()
	u := usage.Counters{
		BytesIn: port.GRPC.Received + port.HTTP.Received, BytesOut: port.GRPC.Sent + port.HTTP.Sent,
		Hits: count(m.lookups.hits), Misses: count(m.lookups.misses),
		Published: uint64(topics.Published), Delivered: uint64(topics.Delivered),
	}
	if m.sources.Peers != nil {
		for _, items := range m.sources.Peers() {
			u.Delivered -= min(u.Delivered, items) // read a moment later
		}
	}
	m.calls.mu.Lock()
	defer m.calls.mu.Unlock()
	for _, method := range m.calls.methods {
		if !strings.HasPrefix(method.service, "grpc.") {
			method.addTo(&u)
		}
	}
	return u
}

// addTo adds the calls of a method.
func (m *Method) addTo(u *usage.Counters) {
	for code := range m.ended {
		ended := m.ended[code].Load()
		if ended == nil {
			continue
		}
		n := count(*ended)
		u.Operations += n
		if c := codes.Code(code); c != codes.OK && c != codes.Canceled {
			u.Errors += n
		}
	}
	if s := m.used.Load(); s != nil && m.stream {
		u.Subscriptions += uint64(max(0, value(s.underWay).GetGauge().GetValue()))
	}
}

func count(c prometheus.Counter) uint64 { return uint64(value(c).GetCounter().GetValue()) }

func value(m prometheus.Metric) *dto.Metric {
	into := new(dto.Metric)
	if err := m.Write(into); err != nil {
		return nil // counters and gauges never fail, and what is not there reads as 0
	}
	return into
}
