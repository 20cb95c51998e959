package console

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/usage"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// everyNode stands for all members in a query.
const everyNode = "all"

// chart is an hour as the pages draw it: each series has a value for every step,
// the oldest first, null where nothing was measured.
type chart struct {
	From   int64                `json:"from"`
	Step   int64                `json:"step"` // milliseconds
	Points int                  `json:"points"`
	Series map[string][]*uint64 `json:"series"`
	// Nodes are those that the numbers are of; Missing did not answer.
	Nodes   []string `json:"nodes"`
	Missing []string `json:"missing"`
}

// series are the lines of the chart.
var series = map[string]func(*usage.Counters) *uint64{
	"operations":    func(c *usage.Counters) *uint64 { return &c.Operations },
	"errors":        func(c *usage.Counters) *uint64 { return &c.Errors },
	"bytes_in":      func(c *usage.Counters) *uint64 { return &c.BytesIn },
	"bytes_out":     func(c *usage.Counters) *uint64 { return &c.BytesOut },
	"hits":          func(c *usage.Counters) *uint64 { return &c.Hits },
	"misses":        func(c *usage.Counters) *uint64 { return &c.Misses },
	"published":     func(c *usage.Counters) *uint64 { return &c.Published },
	"delivered":     func(c *usage.Counters) *uint64 { return &c.Delivered },
	"subscriptions": func(c *usage.Counters) *uint64 { return &c.Subscriptions },
}

// usage answers for the node asked, for the one that the query names, or for all.
func (c *Console) usage(w http.ResponseWriter, r *http.Request) {
	members := c.config.Broker.Nodes()
	asked := []string{c.config.Node}
	switch name := r.URL.Query().Get("node"); {
	case name == everyNode:
		asked = members
	case name == "":
	case !slices.Contains(members, name):
		web.Refuse(w, http.StatusNotFound, "NOT_FOUND", "There is no such node in the cluster; node=all adds up all of them.")
		return
	default:
		asked = []string{name}
	}
	histories, missing := c.gather(r.Context(), asked)
	if len(missing) == len(asked) {
		web.Refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", "The node does not tell what it did: it is down, or of an older version.")
		return
	}
	answered := slices.DeleteFunc(slices.Clone(asked), func(name string) bool { return slices.Contains(missing, name) })
	web.Answer(w, newChart(usage.Sum(time.Now(), histories...), answered, missing))
}

// nodePatience is less than a question has, so that a node that does not answer
// does not spoil the sum of the others.
const nodePatience = 2 * time.Second

// gather asks nodes at the same time.
func (c *Console) gather(ctx context.Context, nodes []string) (histories [][]usage.Sample, missing []string) {
	ctx, cancel := context.WithTimeout(ctx, nodePatience)
	defer cancel()
	answers, failures := make([][]usage.Sample, len(nodes)), make([]error, len(nodes))
	var all sync.WaitGroup
	for i, node := range nodes {
		all.Go(func() { answers[i], failures[i] = c.config.Broker.Usage(ctx, node) })
	}
	all.Wait()
	for i, err := range failures {
		if err != nil {
			missing = append(missing, nodes[i])
		} else {
			histories = append(histories, answers[i])
		}
	}
	return histories, missing
}

func newChart(w *usage.Window, nodes, missing []string) chart {
	c := chart{
		From: usage.Start(w.First).UnixMilli(), Step: usage.Step.Milliseconds(), Points: len(w.Columns),
		Series: make(map[string][]*uint64, len(series)), Nodes: nodes, Missing: append([]string{}, missing...),
	}
	for name, of := range series {
		line := make([]*uint64, len(w.Columns))
		for i, column := range w.Columns {
			if column != nil {
				line[i] = of(column)
			}
		}
		c.Series[name] = line
	}
	return c
}
