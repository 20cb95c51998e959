package cluster

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// MaxTokens bounds the join tokens that wait to be used.
const MaxTokens = 256

// Digest is the SHA-256 of a join token. The token itself is never on record.
type Digest [32]byte

// MarshalText gives 64 hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("a digest has %d digits, not %d", hex.EncodedLen(len(d)), len(text))
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return fmt.Errorf("a digest is hexadecimal: %w", err)
	}
	return nil
}

// Token lets one node join.
type Token struct {
	Digest Digest `json:"digest"`
	// ExpiresMs is the time from which on it is worth nothing, in milliseconds
	// since the Unix epoch.
	ExpiresMs uint64 `json:"expires_ms"`
}

// Spent is a token that has let a node in and has not expired, so that the node
// may ask again when it did not hear the answer; nobody else may.
type Spent struct {
	Token
	Node  NodeID `json:"node"`
	Store string `json:"store"`
}

func compareSpent(a, b Spent) int { return compareTokens(a.Token, b.Token) }

func compareTokens(a, b Token) int { return bytes.Compare(a.Digest[:], b.Digest[:]) }

func compareTombstones(a, b Tombstone) int {
	if c := compareNodes(a.Node, b.Node); c != 0 {
		return c
	}
	return bytes.Compare([]byte(a.Store), []byte(b.Store))
}

// AddToken makes a join token usable once, until it expires.
type AddToken struct {
	Token Token `json:"token"`
}

func (*AddToken) kind() string  { return "add-token" }
func (*AddToken) planned() bool { return false }

func (op *AddToken) apply(s *State) (Replica, error) {
	i, exists := slices.BinarySearchFunc(s.tokens, op.Token, compareTokens)
	switch {
	case exists && s.tokens[i] == op.Token:
		return Replica{}, errSame
	case exists:
		return Replica{}, fmt.Errorf("there is such a join token already, with another expiry")
	case op.Token.ExpiresMs <= s.clock:
		return Replica{}, fmt.Errorf("the join token expires before it begins")
	case len(s.tokens) >= MaxTokens:
		return Replica{}, fmt.Errorf("%d join tokens wait to be used, which is the limit", MaxTokens)
	}
	s.tokens = slices.Insert(slices.Clone(s.tokens), i, op.Token)
	return Replica{}, nil
}

// RemoveToken takes a join token back. That there is none is no error.
type RemoveToken struct {
	Digest Digest `json:"digest"`
}

func (*RemoveToken) kind() string  { return "remove-token" }
func (*RemoveToken) planned() bool { return false }

func (op *RemoveToken) apply(s *State) (Replica, error) {
	_, err := s.take(op.Digest)
	if err != nil {
		err = errSame
	}
	return Replica{}, err
}

// spend has a node use a token up. The one answer for unknown, used and expired
// tokens tells a guesser nothing.
func (s *State) spend(d Digest, m Member) error {
	t, err := s.take(d)
	if err != nil {
		return err
	}
	one := Spent{Token: t, Node: m.Node, Store: m.Store}
	i, _ := slices.BinarySearchFunc(s.spent, one, compareSpent)
	s.spent = slices.Insert(slices.Clone(s.spent), i, one)
	if len(s.spent) > MaxTokens { // the node whose time ends first asks with a new one
		first := slices.MinFunc(s.spent, func(a, b Spent) int { return cmp.Compare(a.ExpiresMs, b.ExpiresMs) })
		s.spent = slices.DeleteFunc(s.spent, func(x Spent) bool { return x == first })
	}
	return nil
}

// take removes a token that may be used.
func (s *State) take(d Digest) (Token, error) {
	i, exists := slices.BinarySearchFunc(s.tokens, Token{Digest: d}, compareTokens)
	if !exists {
		return Token{}, errors.New("the join token is unknown, used or expired; make a new one")
	}
	t := s.tokens[i]
	s.tokens = slices.Delete(slices.Clone(s.tokens), i, i+1)
	return t, nil
}

// again lets a member ask once more to be let in. What it is told then are the
// secrets of the cluster, and names and stores are none: so it takes the token
// that it was let in by or, when that is over, a new one.
func (s *State) again(d Digest, m Member) error {
	i, exists := slices.BinarySearchFunc(s.spent, Spent{Token: Token{Digest: d}}, compareSpent)
	if exists && s.spent[i].Node == m.Node && s.spent[i].Store == m.Store {
		return errSame
	}
	return s.spend(d, m)
}

// advance moves the clock forward and drops the tokens that expired.
func (s *State) advance(atMs uint64) {
	if atMs <= s.clock {
		return
	}
	s.clock = atMs
	if slices.ContainsFunc(s.tokens, s.expired) {
		s.tokens = slices.DeleteFunc(slices.Clone(s.tokens), s.expired)
	}
	if over := func(x Spent) bool { return s.expired(x.Token) }; slices.ContainsFunc(s.spent, over) {
		s.spent = slices.DeleteFunc(slices.Clone(s.spent), over)
	}
}

func (s *State) expired(t Token) bool { return t.ExpiresMs <= s.clock }
