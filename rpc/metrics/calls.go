package metrics

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
)

// durations are the bounds of the histogram of calls, in seconds: from a read in
// memory to a client's patience.
var durations = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// calls counts the calls of all methods.
type calls struct {
	ended    *prometheus.CounterVec
	took     *prometheus.HistogramVec
	underWay *prometheus.GaugeVec

	mu      sync.Mutex
	methods []*Method
}

func newCalls() *calls {
	of := []string{"service", "method"}
	return &calls{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mayfly_calls_total", Help: "Calls that ended, by the gRPC status they ended with.",
		}, append(of, "code")),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "mayfly_call_duration_seconds", Help: "How long unary calls took in this node.", Buckets: durations,
		}, of),
		underWay: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mayfly_calls_in_flight", Help: "Calls that are being served; for Subscribe, the live subscriptions of clients.",
		}, of),
	}
}

// Method counts the calls of one method.
type Method struct {
	calls         *calls
	service, name string
	stream        bool
	used          atomic.Pointer[series]
	ended         [codes.Unauthenticated + 1]atomic.Pointer[prometheus.Counter]
}

// series are what every call of a method touches. They exist from its first call
// on, so that a node shows only what it is used for.
type series struct {
	took     prometheus.Observer
	underWay prometheus.Gauge
}

// Method returns what counts the calls of a method, named as gRPC does:
// "/service/method". It is to be asked once per method. How long a stream lived
// says nothing about the node, so streams are counted and not timed.
func (m *Metrics) Method(full string, stream bool) *Method {
	service, name, _ := strings.Cut(strings.TrimPrefix(full, "/"), "/")
	method := &Method{calls: m.calls, service: service, name: name, stream: stream}
	m.calls.mu.Lock()
	defer m.calls.mu.Unlock()
	m.calls.methods = append(m.calls.methods, method)
	return method
}

// Begin counts a call that begins.
func (m *Method) Begin() {
	s := m.used.Load()
	if s == nil {
		s = &series{underWay: m.calls.underWay.WithLabelValues(m.service, m.name)}
		if !m.stream {
			s.took = m.calls.took.WithLabelValues(m.service, m.name)
		}
		m.used.Store(s) // two first calls store the same
	}
	s.underWay.Inc()
}

// End counts the end of a call that began.
func (m *Method) End(code codes.Code, took time.Duration) {
	s := m.used.Load()
	s.underWay.Dec()
	if s.took != nil {
		s.took.Observe(took.Seconds())
	}
	if int(code) >= len(m.ended) {
		code = codes.Unknown // gRPC has no others
	}
	ended := m.ended[code].Load()
	if ended == nil {
		counter := m.calls.ended.WithLabelValues(m.service, m.name, code.String())
		ended = &counter
		m.ended[code].Store(ended)
	}
	(*ended).Inc()
}
