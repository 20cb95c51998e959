package load

import (
	"errors"
	"time"
)

// System names the kind of server that a task is for.
type System string

// The systems under test.
const (
	Mayfly System = "mayfly"
	NATS   System = "nats"
	Redis  System = "redis"
)

// Task is what one client process is to do. Exactly one of the fields below
// Addr is set.
type Task struct {
	System System
	// Addr is the server as host:port.
	Addr string

	Fanout *Fanout `json:",omitempty"`
	Unary  *Unary  `json:",omitempty"`
	Hold   *Hold   `json:",omitempty"`
	Fill   *Fill   `json:",omitempty"`
	Gather *Gather `json:",omitempty"`
}

// Fanout publishes items to one topic at an even pace, and has subscribers that
// read all of them.
type Fanout struct {
	Topic       string
	Subscribers int
	// Through is where the items are published, as host:port; the task's Addr
	// when it is empty.
	Through string `json:",omitempty"`
	// PerConnection is how many subscriptions share a connection.
	PerConnection int
	// Form is how the subscriptions are carried; only Mayfly has more than one.
	Form Form `json:",omitempty"`
	// Payload is the size of an item in bytes, at least minPayload.
	Payload int
	// Rate is how many items are published per second, Items how many in all.
	Rate  float64
	Items int
}

// Unary repeats one call from a number of callers, each of which makes its next
// call when it has the answer to its last.
type Unary struct {
	Call    Call
	Callers int
	// PerConnection is how many callers share a connection, 0 for the usual number.
	PerConnection int `json:",omitempty"`
	// Key is the API key of all callers, empty for none.
	Key string `json:",omitempty"`
	// Payload is the size of a value in bytes.
	Payload int
	// Lasting is for how long the callers go on.
	Lasting time.Duration
	// Names are the keys or lists that the calls go to in turn; when there are
	// none, so many that all groups of a server take part.
	Names []string `json:",omitempty"`
}

// Call names a unary call.
type Call string

// The calls that can be measured. Each goes to one of many keys in turn.
const (
	// Get reads a scalar that is there.
	Get Call = "get"
	// Set writes a scalar over one that is there.
	Set Call = "set"
	// Push appends to a list that keeps its last 100 entries.
	Push Call = "push"
	// Fetch reads the last 10 entries of a list of 100.
	Fetch Call = "fetch"
)

// Hold keeps idle subscriptions, each to a topic of its own.
type Hold struct {
	Subscriptions, PerConnection int
}

// Fill appends entries to lists until each has its share.
type Fill struct {
	Lists, PerList int
	// Payload is the size of an entry in bytes.
	Payload int
}

// Gather adds elements of 20 bytes, in no order, to collections of a type until
// each has its share.
type Gather struct {
	Type             Type
	Collections, Per int
}

// Type names a type of collection.
type Type string

// The types that can be gathered. A field of a dictionary gets a value of 20
// bytes, a member of a sorted set a score that is different for each.
const (
	Dictionaries Type = "dictionary"
	Sets         Type = "set"
	SortedSets   Type = "sorted set"
)

// Report is the outcome of a run.
type Report struct {
	// Operations counts deliveries, calls, subscriptions, list entries or elements.
	Operations int64
	// Published counts the items that were published.
	Published int64 `json:",omitempty"`
	// Elapsed is from the first operation to the end of the last.
	Elapsed time.Duration
	// Latency is that of the operations: of a delivery, from the publish to
	// the subscriber's hands.
	Latency Quantiles
}

var errNoTask = errors.New("a task needs exactly one of Fanout, Unary, Hold, Fill and Gather")

// job makes the task's job.
func (t Task) job() (job, error) {
	var jobs []job
	if t.Fanout != nil {
		jobs = append(jobs, &fanoutJob{task: t, Fanout: *t.Fanout})
	}
	if t.Unary != nil {
		jobs = append(jobs, &unaryJob{addr: t.Addr, Unary: *t.Unary})
	}
	if t.Hold != nil {
		jobs = append(jobs, &holdJob{task: t, Hold: *t.Hold})
	}
	if t.Fill != nil {
		jobs = append(jobs, &fillJob{addr: t.Addr, Fill: *t.Fill})
	}
	if t.Gather != nil {
		jobs = append(jobs, &gatherJob{task: t, Gather: *t.Gather})
	}
	if len(jobs) != 1 {
		return nil, errNoTask
	}
	return jobs[0], nil
}
