package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
)

// Sources are the parts of a node whose numbers are shown. Each is asked at every
// reading; all but Peers, Gossip, Strangers, CertificateEnd, Vending and Waiting are
// needed.
type Sources struct {
	// Topics looks at the topics of this node.
	Topics func() fanout.Stats
	// Groups looks at the Raft groups that have a replica on this node.
	Groups func() []replica.Stats
	// Peers tells how many items each other node was sent; nil for a node that is
	// alone.
	Peers func() map[cluster.NodeID]uint64
	// Gossip tells how many other nodes are heard and how many are not any more;
	// nil for a node that does not gossip.
	Gossip func() (alive, silent int)
	// Strangers tells how many connections and packets were refused at the peer port
	// and at that of gossip, since they were not of the cluster; nil as Gossip.
	Strangers func() (peer, gossip uint64)
	// Vending tells how requests for tokens ended, by endpoint and outcome; nil for a
	// node without endpoints.
	Vending func() map[string]map[string]uint64
	// Port looks at the client port.
	Port func() Port
	// Waiting tells how many calls wait for their turn, by the lane; nil for a node
	// in which none does.
	Waiting func() map[string]int
	// Webhooks looks at the deliveries of this node.
	Webhooks func() Webhooks
	// Memory looks at what items take.
	Memory func() Memory
	// CertificateEnd tells when the client port's certificate is no longer good;
	// nil for a port without TLS.
	CertificateEnd func() time.Time
	// Version and Commit say what is running.
	Version, Commit string
}

// Webhooks are the deliveries to webhooks: what there is to do now, and how often
// things happened since the node started.
type Webhooks struct {
	// Webhooks is how many are served here, Waiting how many events wait or are
	// under way, UnderWay how many attempts are.
	Webhooks, Waiting, UnderWay int64
	// Repeats are attempts that failed and are made again, Delivered events that
	// arrived.
	Repeats, Delivered int64
	// The others are events that never will, by the reason.
	Exhausted, Refused, Forbidden, Behind, Deleted, Stopped int64
}

// Memory is what the items of a node take, and what was lost since the node started
// because there was no more, as far as this node decided it.
type Memory struct {
	// Held is what all items on this node take and Budget what they may, 0 for no
	// bound, in bytes.
	Held, Budget uint64
	// Pressed: the process has hardly any memory left.
	Pressed bool
	// Caches are those with a budget of their own, and those that lost something.
	Caches map[string]CacheMemory
}

// CacheMemory is Memory for one cache.
type CacheMemory struct {
	// Budget is that of the whole cluster, 0 for none, and Led what the cache holds in
	// the groups that this node leads if it has one.
	Budget, Led                               uint64
	EvictedItems, EvictedBytes, RefusedWrites uint64
}

// Port is what went through a client port since the node started.
type Port struct {
	// GRPC and HTTP are the two protocols that share it.
	GRPC, HTTP Traffic
	// Max is how many connections there may be.
	Max int
	// Dropped is how many connections ended before they said anything, RefusedFull
	// how many were not let in because there were too many, and RefusedAddress
	// because there were too many of one address.
	Dropped, RefusedFull, RefusedAddress uint64
	// Floods are connections of HTTP/2 that were ended for making work for nothing,
	// Late requests and answers that came to a halt on their way, Shed those for
	// which there was no room.
	Floods, Late, Shed uint64
}

// Traffic is the connections and bytes of one protocol.
type Traffic struct {
	// Open is how many connections there are, Accepted how many there were.
	Open, Accepted uint64
	// Received and Sent are bytes as they were on the wire.
	Received, Sent uint64
}

// Metrics are the metrics of one node.
type Metrics struct {
	registry *prometheus.Registry
	calls    *calls
	lookups  lookups
	refusals *prometheus.CounterVec
	sources  Sources
	logger   *slog.Logger
}

// New returns the metrics of a node. Logger is told when a reading fails; nil is
// silent.
func New(sources Sources, logger *slog.Logger) *Metrics {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	m := &Metrics{registry: prometheus.NewRegistry(), calls: newCalls(), lookups: newLookups(), refusals: newRefusals(), sources: sources, logger: logger}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "mayfly_build_info", Help: "What is running; always 1.",
		ConstLabels: prometheus.Labels{"version": sources.Version, "commit": sources.Commit, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(
		build, m.calls.ended, m.calls.took, m.calls.underWay, m.lookups.hits, m.lookups.misses, m.refusals,
		collector(sources),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Handler answers every request with the numbers of this moment, in the form the
// client asks for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(m.logger.Handler(), slog.LevelWarn),
		ErrorHandling: promhttp.ContinueOnError,
		// A reading takes a moment's look at every group; a crowd of readers
		// shall not.
		MaxRequestsInFlight: maxReadings,
	})
}

// maxReadings is how many readings may be under way at a time. A pair of
// Prometheus servers needs two.
const maxReadings = 4
