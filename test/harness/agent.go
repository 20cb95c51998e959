package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// Order is one thing an agent is told to do.
type Order struct {
	// Do is subscribe, publish, push, fetch or quit.
	Do string `json:"do"`
	// ID names the subscription in the events that follow.
	ID string `json:"id,omitempty"`
	// Name is the topic or the list.
	Name string `json:"name,omitempty"`
	// Values are published or pushed one after the other.
	Values []string `json:"values,omitempty"`
}

// Event is one thing that happened to an agent.
type Event struct {
	// Event is subscribed, item, discontinuity, heartbeat, lost, ended, error,
	// acked, refused, fetched.
	Event string `json:"event"`
	// ID is that of the subscription.
	ID string `json:"id"`
	// Value is the item's text, or the value that was acknowledged or refused.
	Value string `json:"value"`
	// Sequence is the item's number.
	Sequence uint64 `json:"sequence"`
	// Publisher is the token id on the item.
	Publisher string `json:"publisher"`
	// Values are the entries of a fetched list.
	Values []string `json:"values"`
	// Error says what went wrong.
	Error string `json:"error"`
}

// Agent is a program that uses an official SDK and does what it is told while
// the story goes on around it. Values are sent one after the other; the agent
// reports every one as acked or refused and never sends one twice.
type Agent struct {
	what string
	in   io.WriteCloser
	log  *os.File

	mu      sync.Mutex
	events  []Event
	changed chan struct{} // closed and replaced at every event
	ended   bool
}

// StartAgent starts an agent; it ends with the test.
func StartAgent(t testing.TB, l Language, c Client) *Agent {
	t.Helper()
	a := &Agent{what: string(l) + " agent", log: openLog(t, string(l)+"-agent"), changed: make(chan struct{})}
	cmd := c.command(l, "agent")
	cmd.Stderr = a.log
	out := outputOf(cmd)
	var err error
	if a.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	start(t, a.what, cmd)
	go func() {
		readLines(out, a.log, func(line []byte) {
			var e Event
			if err := json.Unmarshal(line, &e); err == nil {
				a.add(e)
			}
		})
		a.mu.Lock()
		defer a.mu.Unlock()
		a.ended = true
		close(a.changed)
		a.changed = make(chan struct{})
	}()
	return a
}

func (a *Agent) add(e Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, e)
	close(a.changed)
	a.changed = make(chan struct{})
}

// Tell gives the agent an order. It does not wait for the result.
func (a *Agent) Tell(t testing.TB, o Order) {
	t.Helper()
	line, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(a.in, "%s\n", line); err != nil {
		t.Fatalf("%s: %v\n%s", a.what, err, tail(a.log))
	}
}

// Events returns what has happened so far, oldest first.
func (a *Agent) Events() []Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.events)
}

// Await returns as soon as what has happened satisfies the condition, and
// fails the test when it does not in time or when the agent ends before.
func (a *Agent) Await(t testing.TB, what string, condition func(events []Event) bool) {
	t.Helper()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	for {
		a.mu.Lock()
		ok, ended, changed := condition(a.events), a.ended, a.changed
		a.mu.Unlock()
		if ok {
			return
		}
		if ended {
			t.Fatalf("%s ended before %s\n%s", a.what, what, tail(a.log))
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("%s: waited %s for %s\n%s", a.what, Patience, what, tail(a.log))
		}
	}
}

// Of returns the events of one kind that belong to one subscription; an empty
// id takes those of all.
func Of(events []Event, kind, id string) []Event {
	var found []Event
	for _, e := range events {
		if e.Event == kind && (id == "" || e.ID == id) {
			found = append(found, e)
		}
	}
	return found
}
