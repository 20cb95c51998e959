package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// collector turns the numbers of the sources into metrics at every reading.
type collector Sources

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	topics          = describe("mayfly_topics", "Topics that this node remembers, idle ones included.")
	subscriptions   = describe("mayfly_topic_subscriptions", "Subscriptions to topics on this node, those of other nodes included.")
	logItems        = describe("mayfly_topic_log_items", "Items kept for subscribers that resume.")
	logBytes        = describe("mayfly_topic_log_bytes", "Memory of those items.")
	published       = describe("mayfly_topic_items_published_total", "Items that topics led by this node have numbered.")
	mirrored        = describe("mayfly_topic_items_mirrored_total", "Items that this node took from the leaders of their topics.")
	delivered       = describe("mayfly_topic_items_delivered_total", "Items that subscriptions took, each of them counted for itself.")
	discontinuities = describe("mayfly_topic_discontinuities_total", "Times that a subscription was told it had missed items.")
	exhausted       = describe("mayfly_topic_pages_exhausted", "Groups whose topics are no longer forgotten until leadership moves.")

	peerItems = describe("mayfly_peer_items_sent_total", "Items sent to another node, for all who subscribe to them there.", "peer")
	gossiping = describe("mayfly_gossip_peers", "Other nodes that gossip knows, by whether they are heard: alive, or silent for five minutes at most.", "state")

	strangers = describe("mayfly_strangers_refused_total", "Connections to the peer port whose caller did not prove to be of the cluster, and packets and streams that are not of the gossip of the cluster.", "port")

	raftGroups   = describe("mayfly_raft_groups", "Raft groups with a replica on this node, by what the replica is.", "role")
	raftTerm     = describe("mayfly_raft_term", "Raft's term.", "group")
	raftLeading  = describe("mayfly_raft_leading", "1 if this replica leads the group and serves it.", "group")
	raftLeader   = describe("mayfly_raft_leader_known", "1 if this replica knows who leads the group.", "group")
	raftApplied  = describe("mayfly_raft_applied_index", "Last log entry whose effects can be read.", "group")
	raftCommit   = describe("mayfly_raft_commit_index", "Last log entry that this replica knows to be committed.", "group")
	raftLast     = describe("mayfly_raft_last_index", "Last log entry that is stored here.", "group")
	raftSnapshot = describe("mayfly_raft_snapshot_index", "Last log entry contained in the newest snapshot.", "group")
	raftLog      = describe("mayfly_raft_log_bytes", "Size of the log's records.", "group")
	raftQueued   = describe("mayfly_raft_queued_commands", "Commands that were accepted and not answered yet.", "group")

	waiting = describe("mayfly_calls_waiting", "Calls that wait for their turn because the node is busy, by lane.", "lane")

	webhooks         = describe("mayfly_webhooks", "Webhooks that this node serves, as the leader of their topics.")
	webhookWaiting   = describe("mayfly_webhook_events_waiting", "Events that wait for a webhook's receiver, those under way included.")
	webhookUnderWay  = describe("mayfly_webhook_attempts_in_flight", "Deliveries to webhooks under way.")
	webhookRepeats   = describe("mayfly_webhook_attempts_failed_total", "Deliveries that failed and are tried again.")
	webhookDelivered = describe("mayfly_webhook_events_delivered_total", "Events that a webhook's receiver has taken.")
	webhookDead      = describe("mayfly_webhook_dead_letters_total", "Events that no webhook's receiver has taken or will take, by what became of them.", "reason")

	connections = describe("mayfly_connections", "Open connections on the client port.", "protocol")
	accepted    = describe("mayfly_connections_accepted_total", "Connections accepted on the client port.", "protocol")
	certificate = describe("mayfly_tls_certificate_end_timestamp_seconds", "When the certificate of the client port is no longer good, in Unix time.")
	dropped     = describe("mayfly_connections_dropped_total", "Connections to the client port that ended, or were ended, before they said anything or agreed on TLS.")
	maxConns    = describe("mayfly_connections_max", "Connections that the client port may have at a time.")
	refused     = describe("mayfly_connections_refused_total", "Connections to the client port that were not let in: it was full, or their address has too many.", "reason")
	curbed      = describe("mayfly_http2_curbed_total", "Floods: connections ended for frames that make work for nothing. Late: requests and answers that came to a halt. Shed: those for which there was no room.", "reason")
	received    = describe("mayfly_received_bytes_total", "Bytes received on the client port.", "protocol")
	sent        = describe("mayfly_sent_bytes_total", "Bytes sent on the client port.", "protocol")
)

// Describe implements prometheus.Collector. It names nothing in advance: which
// groups there are is known at the reading only.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	out := readings(to)
	out.topics(c)
	if c.Peers != nil {
		for peer, items := range c.Peers() {
			out.counter(peerItems, items, string(peer))
		}
	}
	if c.Gossip != nil {
		alive, silent := c.Gossip()
		out.gauge(gossiping, float64(alive), "alive")
		out.gauge(gossiping, float64(silent), "silent")
	}
	if c.Strangers != nil {
		peer, gossip := c.Strangers()
		out.counter(strangers, peer, "peer")
		out.counter(strangers, gossip, "gossip")
	}
	if c.Vending != nil {
		out.vending(c.Vending())
	}
	if c.Waiting != nil {
		for lane, n := range c.Waiting() {
			out.gauge(waiting, float64(n), lane)
		}
	}
	out.groups(c.Groups())
	out.webhooks(c.Webhooks())
	out.memory(c.Memory())
	if c.CertificateEnd != nil {
		out.gauge(certificate, float64(c.CertificateEnd().Unix()))
	}
	port := c.Port()
	out.gauge(maxConns, float64(port.Max))
	out.counter(dropped, port.Dropped)
	out.counter(refused, port.RefusedFull, "full")
	out.counter(refused, port.RefusedAddress, "address")
	out.counter(curbed, port.Floods, "flood")
	out.counter(curbed, port.Late, "late")
	out.counter(curbed, port.Shed, "shed")
	out.traffic("grpc", port.GRPC)
	out.traffic("http", port.HTTP)
}

// readings is where the numbers of one reading go.
type readings chan<- prometheus.Metric

func (out readings) gauge(d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (out readings) counter(d *prometheus.Desc, v uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (out readings) topics(c collector) {
	s := c.Topics()
	out.gauge(topics, float64(s.Topics))
	out.gauge(subscriptions, float64(s.Subscriptions))
	out.gauge(logItems, float64(s.Items))
	out.gauge(logBytes, float64(s.Bytes))
	out.gauge(exhausted, float64(s.PagesExhausted))
	out.counter(published, uint64(s.Published))
	out.counter(mirrored, uint64(s.Fed))
	out.counter(delivered, uint64(s.Delivered))
	out.counter(discontinuities, uint64(s.Discontinuities))
}

func (out readings) groups(all []replica.Stats) {
	leading := 0
	for _, s := range all {
		group, leads, known := strconv.FormatUint(uint64(s.Group), 10), 0.0, 0.0
		if s.Leading {
			leading++
			leads = 1
		}
		if s.Leader != "" {
			known = 1
		}
		out.gauge(raftLeading, leads, group)
		out.gauge(raftLeader, known, group)
		out.gauge(raftTerm, float64(s.Term), group)
		out.gauge(raftApplied, float64(s.Applied), group)
		out.gauge(raftCommit, float64(s.Committed), group)
		out.gauge(raftLast, float64(s.LastIndex), group)
		out.gauge(raftSnapshot, float64(s.SnapshotIndex), group)
		out.gauge(raftLog, float64(s.LogBytes), group)
		out.gauge(raftQueued, float64(s.Queued), group)
	}
	out.gauge(raftGroups, float64(leading), "leader")
	out.gauge(raftGroups, float64(len(all)-leading), "follower")
}

func (out readings) webhooks(w Webhooks) {
	out.gauge(webhooks, float64(w.Webhooks))
	out.gauge(webhookWaiting, float64(w.Waiting))
	out.gauge(webhookUnderWay, float64(w.UnderWay))
	out.counter(webhookRepeats, uint64(w.Repeats))
	out.counter(webhookDelivered, uint64(w.Delivered))
	for reason, n := range map[string]int64{
		"exhausted": w.Exhausted, "refused": w.Refused, "forbidden": w.Forbidden,
		"behind": w.Behind, "deleted": w.Deleted, "stopped": w.Stopped,
	} {
		out.counter(webhookDead, uint64(n), reason)
	}
}

func (out readings) traffic(protocol string, t Traffic) {
	out.gauge(connections, float64(t.Open), protocol)
	out.counter(accepted, t.Accepted, protocol)
	out.counter(received, t.Received, protocol)
	out.counter(sent, t.Sent, protocol)
}
