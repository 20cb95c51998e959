package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// State is what the meta group agrees on about its cluster: settings, members,
// tombstones, join tokens and the placement. It is a state machine: it changes
// only by Apply, and the same changes in the same order make the same bytes of
// Snapshot on every replica. No clock, no chance, no map order is involved.
//
// The caller owns the lock: Apply and Restore need it exclusively, everything
// else may run together. What State hands out is never written to afterwards
// and may be kept without the lock, but must not be modified.
type State struct {
	version    uint64
	clock      uint64 // ms since the Unix epoch, the latest a change told
	settings   Settings
	members    []Member    // by node
	tombstones []Tombstone // by node
	tokens     []Token     // by digest
	spent      []Spent     // by digest
	trust      Trust       // zero in a cluster's first moment
	placement  *Placement  // nil before the cluster is founded
}

// NewState is the state before a cluster is founded.
func NewState() *State { return &State{} }

// Version counts the changes that had an effect.
func (s *State) Version() uint64 { return s.version }

// Founded reports whether the cluster exists yet. Before that only Found is
// accepted.
func (s *State) Founded() bool { return s.placement != nil }

// Settings are what the cluster was born with, and its feature level.
func (s *State) Settings() Settings { return s.settings }

// Members are all members in the order of their names, the removed left out.
func (s *State) Members() []Member { return s.members }

// Member gives one member; ok is false for strangers and the removed.
func (s *State) Member(n NodeID) (m Member, ok bool) {
	if i, found := s.memberAt(n); found {
		return s.members[i], true
	}
	return Member{}, false
}

// Buried reports whether the name, or the store, belonged to a member that was
// removed. Neither is ever let in again.
func (s *State) Buried(n NodeID, store string) bool {
	return slices.ContainsFunc(s.tombstones, func(t Tombstone) bool {
		return t.Store == store || t.Node != "" && t.Node == n
	})
}

// Placement is the present placement, nil before the cluster is founded.
func (s *State) Placement() *Placement { return s.placement }

// Tokens are the join tokens that were not used yet, expired ones included
// until a later change drops them.
func (s *State) Tokens() []Token { return s.tokens }

// View joins the state with what was seen, for Plan and the checks. Steps
// planned on it are to be proposed with the Version of the same moment.
func (s *State) View(observed map[GroupID]Observed, health map[NodeID]Health) View {
	return View{Members: s.members, Placement: s.placement, Observed: observed, Health: health}
}

// Equal reports whether both states are the same to the last byte.
func (s *State) Equal(o *State) bool { return bytes.Equal(s.Snapshot(), o.Snapshot()) }

func (s *State) memberAt(n NodeID) (int, bool) {
	return slices.BinarySearchFunc(s.members, n, func(m Member, n NodeID) int { return compareNodes(m.Node, n) })
}

// Status says how a change went.
type Status uint8

const (
	// Done: the state is as the change wants it.
	Done Status = iota
	// Conflict: the state is not the one the change was made for. Look again.
	Conflict
	// Refused: the change is not possible, Detail says why.
	Refused
)

// Errors that Outcome.Err wraps.
var (
	// ErrConflict: the state has moved on since it was looked at.
	ErrConflict = errors.New("cluster: the state has changed meanwhile, look again")
	// ErrRefused: the rules do not allow the change.
	ErrRefused = errors.New("cluster: change refused")
)

// Outcome is the answer to a change.
type Outcome struct {
	Status Status
	// Version of the state afterwards.
	Version uint64
	// Detail of a refusal.
	Detail string
	// Replica that a CreateReplica numbered.
	Replica Replica
}

// Err is nil when the change is done, otherwise it wraps ErrConflict or
// ErrRefused.
func (o Outcome) Err() error {
	switch o.Status {
	case Done:
		return nil
	case Conflict:
		return fmt.Errorf("%w (it is at version %d)", ErrConflict, o.Version)
	default:
		return fmt.Errorf("%w: %s", ErrRefused, o.Detail)
	}
}

// Apply carries out one change. It never panics on what a change holds. A change
// that is refused, conflicts or finds everything as it wants it has no effect.
// The change is not kept.
func (s *State) Apply(c Change) Outcome {
	if c.Op == nil {
		return s.refuse(errors.New("the change is empty"))
	}
	if c.AtMs > MaxAtMs {
		return s.refuse(fmt.Errorf("the time %d ms is beyond all reason", c.AtMs))
	}
	next := *s
	next.advance(c.AtMs)
	if _, founding := c.Op.(*Found); founding == s.Founded() {
		if founding {
			return s.refuse(errors.New("the cluster is founded already"))
		}
		return s.refuse(errors.New("the cluster is not founded yet"))
	}
	if c.Expect != 0 && c.Expect != s.version {
		return Outcome{Status: Conflict, Version: s.version}
	}
	if c.Expect == 0 && c.Op.planned() {
		return s.refuse(fmt.Errorf("a change %q must name the version of the state it was made for", c.Op.kind()))
	}
	next.version++
	created, err := c.Op.apply(&next)
	switch {
	case errors.Is(err, errSame):
		return Outcome{Version: s.version}
	case err != nil:
		return s.refuse(err)
	}
	*s = next
	return Outcome{Version: s.version, Replica: created}
}

// errSame: the state is already as the change wants it.
var errSame = errors.New("nothing to change")

func (s *State) refuse(err error) Outcome {
	return Outcome{Status: Refused, Version: s.version, Detail: err.Error()}
}
