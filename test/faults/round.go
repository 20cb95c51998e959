package faults

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// Round is one cluster, the clients who use it, and what is done to it.
type Round struct {
	// Seed fixes the plan and the clients' wishes.
	Seed uint64
	// Length is about how long the cluster suffers; founding it, coming to rest
	// and judging take some seconds more.
	Length time.Duration
}

const (
	cache  = "faults"
	groups = 4
	nodes  = 3
	topics = 3
	// settleTime is within what readers of a cluster that is whole must know of
	// the last item.
	settleTime = 20 * time.Second
	shown      = 12 // problems of a kind that are printed; the files have the rest
)

// round is a Round under way.
type round struct {
	Round
	t       *testing.T
	cluster *harness.Cluster
	doors   Doors
	history *History
	load    *Load
	ledger  *Ledger
	topics  *Topics
	events  strings.Builder // what was done, for people
	judged  bool
}

// Run runs the round and fails the test if a promise was broken. Then histories,
// streams and the nodes' logs stay in the directory that it names.
func (r Round) Run(t *testing.T) {
	t.Logf("plan:\n%s", describe(Plan(r.Seed, groups, nodes, r.Length)))
	x := &round{Round: r, t: t, history: NewHistory(), topics: new(Topics)}
	defer x.conclude() // also when something on the way was fatal
	x.cluster = harness.StartCluster(t, harness.ClusterOptions{Nodes: nodes, Groups: groups, Args: []string{"--heartbeat", Heartbeat.String()}})
	x.doors.Open(t, x.cluster.Nodes...)
	OpenCache(t, &x.doors, cache)
	x.clients()
	x.suffer()
	x.judged = true
	for _, p := range x.judge() {
		t.Error(p)
	}
}

// conclude tells what was done, and, if the round failed, how to repeat it and
// where what is known of it is kept.
func (x *round) conclude() {
	x.t.Logf("what was done:\n%s", x.events.String())
	if !x.t.Failed() && x.judged {
		return
	}
	x.keep()
	x.t.Errorf("seed %d: histories and logs are in %s\nto repeat it: make faults SEED=%d MINUTES=%.3g",
		x.Seed, harness.OutDir(x.t), x.Seed, x.Length.Minutes())
}

// clients prepares those who use the cluster.
func (x *round) clients() {
	x.load = &Load{Doors: &x.doors, Cache: cache, Seed: x.Seed, Clients: 12, Pause: 20 * time.Millisecond,
		Lookers: 24, LookPause: 150 * time.Millisecond, History: x.history}
	x.ledger = &Ledger{Doors: &x.doors, Cache: cache, Seed: x.Seed, Writers: 3, Pause: 40 * time.Millisecond, History: x.history}
	x.topics = &Topics{Doors: &x.doors, Cache: cache, Seed: x.Seed, Publishers: 2, Pause: 50 * time.Millisecond, Clock: x.history}
	for group := range topics {
		x.topics.Names = append(x.topics.Names, x.cluster.NameIn(group+1, cache, "topic"))
	}
}

// suffer lets clients use the cluster while the plan is carried out, and a moment
// longer, and then waits until all is quiet.
func (x *round) suffer() {
	listening, deafen := context.WithCancel(x.t.Context())
	using, rest := context.WithCancel(x.t.Context())
	var readers, users sync.WaitGroup
	defer readers.Wait()
	defer deafen()
	defer users.Wait()
	defer rest()
	readers.Go(func() { x.topics.Listen(listening) })
	x.topics.Warm(x.t)
	users.Go(func() { x.load.Run(using) })
	users.Go(func() { x.ledger.Write(using) })
	users.Go(func() { x.topics.Publish(using) })

	n := nemesis{x.cluster, x.say}
	for _, s := range Plan(x.Seed, groups, nodes, x.Length) {
		n.harm(x.t, s)
	}
	pause(x.t, 2*time.Second)
	rest()
	users.Wait()
	x.say("quiet")
	x.topics.Settle(x.t.Context(), settleTime)
	x.say("settled")
}

// say notes what is done now.
func (x *round) say(format string, args ...any) {
	fmt.Fprintf(&x.events, "%8.3fs  %s\n", x.history.Now().Seconds(), fmt.Sprintf(format, args...))
}

// judge compares what the clients saw with what was promised.
func (x *round) judge() (problems []string) {
	ops := x.history.Ops()
	outcomes := make(map[Outcome]int)
	for _, op := range ops {
		outcomes[op.Outcome]++
		if op.strange {
			problems = append(problems, fmt.Sprintf("%s %s at %s, %v: %s", op.In.Do, op.Key, op.Node, op.Call, op.Error))
		}
	}
	var ledgers []string
	for _, d := range x.doors.All() {
		ledgers = append(ledgers, x.ledger.Audit(x.t.Context(), d)...)
	}
	verdict := Check(slices.DeleteFunc(slices.Clone(ops), func(op Op) bool { return strings.HasPrefix(op.Key, "ledger") }))
	var histories []string
	for i := range verdict.Wrong {
		w := &verdict.Wrong[i]
		page := filepath.Join(harness.OutDir(x.t), w.Key+".html")
		histories = append(histories, fmt.Sprintf("no order of the %d calls on %s explains their answers, see %s (%v)", len(w.Ops), w.Key, page, w.Draw(page)))
	}
	streams := x.topics.Check(true)
	if streams.Back > 1 && 2*streams.Back > streams.Turns {
		problems = append(problems, fmt.Sprintf("%d of %d times the numbers of a topic went back when it changed hands", streams.Back, streams.Turns))
	}
	x.t.Logf("%d calls: %d done, %d refused, %d unknown; %d keys judged, undecided %v; %d items published, %d discontinuities, %d turns of pages (%d back); longest time without a write %s",
		len(ops), outcomes[Done], outcomes[Refused], outcomes[Unknown], verdict.Keys, verdict.Undecided,
		len(x.topics.Published()), streams.Gaps, streams.Turns, streams.Back, longestStill(ops).Round(time.Millisecond))
	if outcomes[Done] < len(ops)/4 {
		problems = append(problems, "fewer than a quarter of the calls were answered: that proves nothing")
	}
	for _, kind := range [][]string{ledgers, histories, streams.Problems} {
		problems = append(problems, kind[:min(len(kind), shown)]...)
		if len(kind) > shown {
			problems = append(problems, fmt.Sprintf("... and %d more like these", len(kind)-shown))
		}
	}
	return problems
}

// longestStill is the longest time in which no write was acknowledged.
func longestStill(ops []Op) (longest time.Duration) {
	var last time.Duration
	for _, op := range ops {
		if op.Outcome == Done && !op.In.Do.reads() {
			if last > 0 {
				longest = max(longest, op.Return-last)
			}
			last = op.Return
		}
	}
	return longest
}

// keep writes down what the clients saw, beside the nodes' logs.
func (x *round) keep() {
	files := map[string]func(io.Writer) error{
		"history.jsonl":   x.history.Write,
		"published.jsonl": func(w io.Writer) error { return writeLines(w, x.topics.Published()) },
		"events.txt":      func(w io.Writer) error { _, err := io.WriteString(w, x.events.String()); return err },
	}
	for _, r := range x.topics.Readers() {
		files["reader-"+r.Name+".jsonl"] = func(w io.Writer) error { return writeLines(w, r.Events()) }
	}
	for name, write := range files {
		f, err := os.Create(filepath.Join(harness.OutDir(x.t), name))
		if err == nil {
			err = write(f)
			_ = f.Close()
		}
		if err != nil {
			x.t.Errorf("keeping %s: %v", name, err)
		}
	}
}
