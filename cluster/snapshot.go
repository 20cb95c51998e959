package cluster

import (
	"encoding/json"
	"fmt"
)

const (
	// MaxSnapshotBytes bounds a snapshot of the state that Restore will read.
	MaxSnapshotBytes = 16 << 20

	snapshotFormat = 1
)

// snapshot is the state as it is written. Lists are in their order, so equal
// states have equal bytes.
type snapshot struct {
	Format           int              `json:"format"`
	Version          uint64           `json:"version"`
	ClockMs          uint64           `json:"clock_ms"`
	Settings         Settings         `json:"settings"`
	Members          []Member         `json:"members,omitempty"`
	Tombstones       []Tombstone      `json:"tombstones,omitempty"`
	Tokens           []Token          `json:"tokens,omitempty"`
	Spent            []Spent          `json:"spent,omitempty"`
	Trust            *Trust           `json:"trust,omitempty"`
	PlacementVersion uint64           `json:"placement_version"`
	Groups           []GroupPlacement `json:"groups,omitempty"`
}

// Snapshot gives the whole state as bytes, which belong to the caller.
func (s *State) Snapshot() []byte {
	w := snapshot{
		Format: snapshotFormat, Version: s.version, ClockMs: s.clock, Settings: s.settings,
		Members: s.members, Tombstones: s.tombstones, Tokens: s.tokens, Spent: s.spent,
	}
	if !s.trust.IsZero() {
		w.Trust = &s.trust
	}
	if s.placement != nil {
		w.PlacementVersion, w.Groups = s.placement.version, s.placement.groups
	}
	data, err := json.Marshal(w)
	if err != nil {
		panic("cluster: a state of plain values cannot be encoded: " + err.Error())
	}
	return data
}

// Restore replaces the state by what Snapshot wrote, or leaves it alone and
// gives an error. Everything is checked as if it came from a stranger. data is
// not kept.
func (s *State) Restore(data []byte) error {
	if len(data) > MaxSnapshotBytes {
		return fmt.Errorf("%w: a snapshot of %d bytes, at most %d are allowed", ErrDamaged, len(data), MaxSnapshotBytes)
	}
	var w snapshot
	if err := decodeVersioned(data, snapshotFormat, &w); err != nil {
		return fmt.Errorf("snapshot of the cluster state: %w", err)
	}
	next := State{
		version: w.Version, clock: w.ClockMs, settings: w.Settings,
		members: w.Members, tombstones: w.Tombstones, tokens: w.Tokens, spent: w.Spent,
	}
	if w.Trust != nil {
		next.trust = *w.Trust
		if err := next.trust.Check(); err != nil {
			return fmt.Errorf("%w: snapshot of the cluster state: %w", ErrDamaged, err)
		}
	}
	if err := next.restorePlacement(w); err != nil {
		return fmt.Errorf("%w: snapshot of the cluster state: %w", ErrDamaged, err)
	}
	if err := next.check(); err != nil {
		return fmt.Errorf("%w: snapshot of the cluster state: %w", ErrDamaged, err)
	}
	*s = next
	return nil
}

func (s *State) restorePlacement(w snapshot) (err error) {
	if len(w.Groups) == 0 {
		if w.Version != 0 || w.Settings != (Settings{}) || len(w.Members)+len(w.Tombstones)+len(w.Tokens)+len(w.Spent) > 0 || w.Trust != nil {
			return fmt.Errorf("a cluster without groups")
		}
		return nil
	}
	if err := w.Settings.Check(); err != nil {
		return err
	}
	if len(w.Groups) != w.Settings.Groups+1 {
		return fmt.Errorf("%d groups, the settings say meta and %d", len(w.Groups), w.Settings.Groups)
	}
	if w.PlacementVersion > w.Version {
		return fmt.Errorf("placement %d is newer than the state, which is at %d", w.PlacementVersion, w.Version)
	}
	s.placement, err = NewPlacement(w.PlacementVersion, w.Groups)
	return err
}

// check requires members, tombstones and tokens to be bounded, in order,
// without repetition, and the living apart from the dead.
func (s *State) check() error {
	switch {
	case len(s.members) > MaxMembers:
		return fmt.Errorf("%d members, at most %d are allowed", len(s.members), MaxMembers)
	case len(s.tombstones) > 2*MaxTombstones:
		return fmt.Errorf("%d tombstones, at most %d are allowed", len(s.tombstones), 2*MaxTombstones)
	case len(s.tokens) > MaxTokens:
		return fmt.Errorf("%d join tokens, at most %d are allowed", len(s.tokens), MaxTokens)
	case len(s.spent) > MaxTokens:
		return fmt.Errorf("%d spent join tokens, at most %d are allowed", len(s.spent), MaxTokens)
	case !ascending(s.members, func(a, b Member) int { return compareNodes(a.Node, b.Node) }),
		!ascending(s.tombstones, compareTombstones), !ascending(s.tokens, compareTokens),
		!ascending(s.spent, compareSpent):
		return fmt.Errorf("members, tombstones or tokens are not in order")
	}
	for _, m := range s.members {
		if err := m.Check(); err != nil {
			return err
		}
		if m.State == Removed || s.Buried(m.Node, m.Store) {
			return fmt.Errorf("node %s is a member and was removed", m.Node)
		}
	}
	return nil
}

func ascending[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return true
}
