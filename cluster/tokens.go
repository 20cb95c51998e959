package cluster

import (
	"bytes"
	"encoding/hex"
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
	if s.spend(op.Digest) != nil {
		return Replica{}, errSame
	}
	return Replica{}, nil
}

// spend removes a token. The one answer for unknown, used and expired tokens
// tells a guesser nothing.
func (s *State) spend(d Digest) error {
	i, exists := slices.BinarySearchFunc(s.tokens, Token{Digest: d}, compareTokens)
	if !exists {
		return fmt.Errorf("the join token is unknown, used or expired; make a new one")
	}
	s.tokens = slices.Delete(slices.Clone(s.tokens), i, i+1)
	return nil
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
}

func (s *State) expired(t Token) bool { return t.ExpiresMs <= s.clock }
