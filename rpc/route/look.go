package route

import (
	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
)

// Look tells which group a topic belongs to, who leads it as far as this node knows
// ("" for nobody), and how the topic is here; known is false when this node has
// nothing to do with it.
func (r *Router) Look(cache, topic string) (g cluster.GroupID, leader cluster.NodeID, here fanout.View, known bool) {
	g = r.group(cache, []byte(topic))
	at, _ := r.guess(g)
	here, known = r.local.topics.Look(uint32(g), fanout.Key{Cache: cache, Topic: topic})
	return g, at.node, here, known
}
