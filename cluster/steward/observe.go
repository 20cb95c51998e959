package steward

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// observer asks all nodes how they are. A node that does not answer is waited
// for once; from then on its answer is welcome whenever it comes, and nobody
// waits for it.
type observer struct {
	cfg     Config
	pending sync.WaitGroup // questions under way

	mu     sync.Mutex
	judge  *judge
	asking map[cluster.NodeID]bool // a question is under way
	silent map[cluster.NodeID]bool // the last one was not answered
}

func newObserver(cfg Config) *observer {
	return &observer{cfg: cfg, judge: newJudge(cfg.Tuning), asking: make(map[cluster.NodeID]bool), silent: make(map[cluster.NodeID]bool)}
}

// observe asks everybody, twice, and gives the verdict.
func (o *observer) observe(ctx context.Context) *verdict {
	var members []cluster.Member
	var placement *cluster.Placement
	o.cfg.Record.Read(func(s *cluster.State) { members, placement = s.Members(), s.Placement() })
	if placement == nil {
		return nil // the cluster is not founded yet
	}
	o.mu.Lock()
	o.judge.members(members, time.Now())
	maps.DeleteFunc(o.silent, func(n cluster.NodeID, _ bool) bool { return o.judge.nodes[n] == nil })
	o.mu.Unlock()
	first := o.ask(ctx, members)
	second := o.ask(ctx, members)
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.judge.judge(placement, first, second, time.Now())
}

// answer is what came of one question.
type answer struct {
	node   cluster.NodeID
	report Report
	counts bool
	silent bool // nobody waits for it
}

// ask asks the members for their reports and waits for those that answered the
// last time.
func (o *observer) ask(ctx context.Context, members []cluster.Member) answers {
	results := make(chan answer, len(members))
	waiting := 0
	for _, m := range members {
		if begun, silent := o.begin(m.Node); begun {
			if !silent {
				waiting++
			}
			o.pending.Go(func() { results <- o.question(ctx, m, silent) })
		}
	}
	got := make(answers)
	for waiting > 0 || len(results) > 0 {
		a := <-results
		if a.counts {
			got[a.node] = a.report
		}
		if !a.silent {
			waiting--
		}
	}
	return got
}

// begin notes that a node is asked, unless it is already.
func (o *observer) begin(n cluster.NodeID) (begun, silent bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.asking[n] {
		return false, false
	}
	o.asking[n] = true
	return true, o.silent[n]
}

// question asks one node and tells the judge. It ends within Tuning.Ask.
func (o *observer) question(ctx context.Context, m cluster.Member, silent bool) answer {
	report, err := o.report(ctx, m.Node)
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.asking, m.Node)
	o.silent[m.Node] = err != nil
	counts := err == nil && o.judge.hear(m, report, time.Now())
	return answer{node: m.Node, report: report, counts: counts, silent: silent}
}

// report asks one node, which may be this one.
func (o *observer) report(ctx context.Context, n cluster.NodeID) (Report, error) {
	if n == o.cfg.Self {
		report := Account(o.cfg.Host, o.cfg.Boot)
		report.Trust = o.cfg.Trusts()
		return report, nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.cfg.Tuning.Ask)
	defer cancel()
	return o.cfg.Peers.Observe(ctx, n)
}

func (o *observer) doubt(n cluster.NodeID, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.judge.doubt(n, now)
}
