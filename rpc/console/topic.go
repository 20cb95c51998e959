package console

import (
	"net/http"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// Topic is what a node knows of a topic.
type Topic struct {
	// Group is the group that the topic belongs to, Leader the node that leads it,
	// empty when that is not known.
	Group  cluster.GroupID
	Leader string
	// Known: the node leads the topic or mirrors it, so Page and Sequence, the
	// position given out last, are known; Sequence 0 stands for none yet.
	Known          bool
	Page, Sequence uint64
	// Subscriptions are those of clients of this node.
	Subscriptions int
}

// topic tells where a topic lives and how far it is.
func (c *Console) topic(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	cache, topic := query.Get("cache"), query.Get("topic")
	if cache == "" || topic == "" {
		web.Refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", "The query needs cache and topic.")
		return
	}
	t := c.config.Broker.Look(cache, topic)
	answer := struct {
		Group         string  `json:"group"`
		Leader        string  `json:"leader"`
		Page          *uint64 `json:"page"`
		Sequence      *uint64 `json:"sequence"`
		Subscriptions int     `json:"subscriptions"`
	}{Group: t.Group.Name(), Leader: t.Leader, Subscriptions: t.Subscriptions}
	if t.Known {
		answer.Page, answer.Sequence = &t.Page, &t.Sequence
	}
	web.Answer(w, answer)
}
