package faults

import (
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"
)

// Outcome says what the caller of a call knows of its effect.
type Outcome uint8

// The outcomes of a call.
const (
	// Unknown: it may have happened, may still happen, or may never do so.
	Unknown Outcome = iota
	// Done: it happened between call and return, and its answer is known.
	Done
	// Refused: it changed nothing and never will.
	Refused
)

// String is the outcome's name in histories.
func (o Outcome) String() string { return [...]string{"unknown", "done", "refused"}[o] }

// MarshalText writes the outcome's name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Action is what a call asks of a key.
type Action string

// The actions on a scalar.
const (
	Get         Action = "get"
	Set         Action = "set"
	Delete      Action = "delete"
	SetAbsent   Action = "set-if-absent"
	SetEqual    Action = "set-if-equal"
	SetNotEqual Action = "set-if-not-equal"
	Increment   Action = "increment"
)

// The actions on a list.
const (
	PushFront Action = "push-front"
	PushBack  Action = "push-back"
	PopFront  Action = "pop-front"
	PopBack   Action = "pop-back"
	Fetch     Action = "fetch"
	Length    Action = "length"
	Remove    Action = "remove"
)

// isList reports whether the action is one on a list.
func isList(a Action) bool {
	return slices.Contains([]Action{PushFront, PushBack, PopFront, PopBack, Fetch, Length, Remove}, a)
}

// reads reports whether the action changes nothing.
func (a Action) reads() bool { return a == Get || a == Fetch || a == Length }

// Input is a call without its key.
type Input struct {
	Do Action `json:"do"`
	// Value is written, pushed or removed. It holds no line break and is never
	// empty.
	Value string `json:"value,omitempty"`
	// Check is compared with what is stored.
	Check string `json:"check,omitempty"`
	// Amount is added.
	Amount int64 `json:"amount,omitempty"`
}

// Output is an answer. Answers are compared with ==.
type Output struct {
	// Found: there was something, or a condition held.
	Found bool `json:"found,omitempty"`
	// Text is what was read or popped; the values of a list end with a line
	// break each.
	Text string `json:"text,omitempty"`
	// Number is a length or a sum.
	Number int64 `json:"number,omitempty"`
	// Declined: the stored value is not of the kind that the action works on.
	Declined bool `json:"declined,omitempty"`
}

// Op is one call that a client made. Call and Return count from the beginning of
// the round.
type Op struct {
	Client  int           `json:"client"`
	Node    string        `json:"node"`
	Key     string        `json:"key"`
	Call    time.Duration `json:"call"`
	Return  time.Duration `json:"return"`
	In      Input         `json:"in"`
	Out     Output        `json:"out,omitzero"`
	Outcome Outcome       `json:"outcome"`
	// Error is what the client was told when the call was not done.
	Error string `json:"error,omitempty"`

	strange bool // no fault explains the error
}

// History is what all clients did. It only grows and is safe for concurrent use.
type History struct {
	began time.Time

	mu  sync.Mutex
	ops []Op
}

// NewHistory begins an empty history at this moment.
func NewHistory() *History { return &History{began: time.Now()} }

// Now is the time since the beginning.
func (h *History) Now() time.Duration { return time.Since(h.began) }

func (h *History) add(op Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
}

// Ops returns what was recorded so far, in the order of the returns. The slice
// must not be changed.
func (h *History) Ops() []Op {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ops[:len(h.ops):len(h.ops)]
}

// Write writes one operation per line, as JSON.
func (h *History) Write(w io.Writer) error { return writeLines(w, h.Ops()) }

func writeLines[T any](w io.Writer, all []T) error {
	lines := json.NewEncoder(w)
	for _, one := range all {
		if err := lines.Encode(one); err != nil {
			return err
		}
	}
	return nil
}
