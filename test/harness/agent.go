package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"
)

// Order is one thing an agent is told to do.
type Order struct {
	// Do is subscribe, publish, push, fetch or quit, or what else the program says
	// that it can.
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
	// acked, refused, fetched, or what else the program says.
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
	*Feed[Event]
	in io.WriteCloser
}

// StartAgent starts the named program as an agent; it ends with the test.
func StartAgent(t testing.TB, l Language, program string, c Client) *Agent {
	t.Helper()
	cmd := c.command(l, program)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	feed := follow(t, string(l)+" program "+program, cmd, func(line []byte) (e Event, ok bool) {
		return e, json.Unmarshal(line, &e) == nil
	})
	return &Agent{feed, in}
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

// CloseInput tells the agent that no order will follow.
func (a *Agent) CloseInput(t testing.TB) {
	t.Helper()
	if err := a.in.Close(); err != nil {
		t.Fatal(err)
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
