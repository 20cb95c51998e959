package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

const (
	// GossipKeyLen is the length of a key that gossip is encrypted with, in bytes.
	GossipKeyLen = 32
	// maxAuthorityPart bounds a certificate or a key of an authority, which have
	// some hundred bytes.
	maxAuthorityPart = 4 << 10
	// maxHeld is how many keys, or authorities, are held at a time: the one in use,
	// and one that comes or goes.
	maxHeld = 2
)

// Authority issues the certificates by which nodes know each other. To this
// package it is bytes.
type Authority struct {
	// Certificate is in DER.
	Certificate []byte `json:"certificate"`
	// Key is the private key, in PKCS #8 and DER.
	Key []byte `json:"key"`
}

// Equal reports whether both are the same.
func (a Authority) Equal(b Authority) bool {
	return bytes.Equal(a.Certificate, b.Certificate) && bytes.Equal(a.Key, b.Key)
}

func (a Authority) check() error {
	for _, part := range [][]byte{a.Certificate, a.Key} {
		if len(part) == 0 || len(part) > maxAuthorityPart {
			return fmt.Errorf("a part of an authority has %d bytes, it must have 1 to %d", len(part), maxAuthorityPart)
		}
	}
	return nil
}

// Stage says how far a rotation is. Every stage begins when all nodes have done
// what the one before it wants.
type Stage string

// The stages, in their order.
const (
	// Settled: there is no rotation under way.
	Settled Stage = ""
	// Spreading: all nodes are to understand the new beside the old.
	Spreading Stage = "spreading"
	// Switching: all nodes are to use the new, and still understand the old.
	Switching Stage = "switching"
)

// Trust is the secrets by which the nodes of a cluster know each other. It is a
// value; its lists are not written to. It prints as what it is about, and never as
// what it holds.
type Trust struct {
	// Serial counts the changes, from 1 on; 0 is no trust at all.
	Serial uint64 `json:"serial"`
	Stage  Stage  `json:"stage,omitempty"`
	// Authorities: the first issues certificates, all are believed.
	Authorities []Authority `json:"authorities"`
	// GossipKeys: the first encrypts gossip, all decrypt it.
	GossipKeys [][]byte `json:"gossip_keys"`
}

// String tells how many secrets there are.
func (t Trust) String() string {
	if t.Stage == Settled {
		return fmt.Sprintf("trust %d", t.Serial)
	}
	return fmt.Sprintf("trust %d, %s", t.Serial, t.Stage)
}

// GoString is String.
func (t Trust) GoString() string { return t.String() }

// IsZero reports whether there is none.
func (t Trust) IsZero() bool { return t.Serial == 0 }

// Strict reports whether a rotation is under way that changes the authority. A node
// that missed a stage of it could not come back, so each waits for every member.
func (t Trust) Strict() bool { return len(t.Authorities) > 1 }

// Check requires that nodes can trust each other by it.
func (t Trust) Check() error {
	most := maxHeld
	switch t.Stage {
	case Settled:
		most = 1
	case Spreading, Switching:
	default:
		return fmt.Errorf("trust: an unknown stage %.32q", string(t.Stage))
	}
	if t.Serial == 0 {
		return errors.New("trust: it has no serial number")
	}
	if n := len(t.Authorities); n == 0 || n > most {
		return fmt.Errorf("trust: %d authorities, there are 1 to %d", n, most)
	}
	if n := len(t.GossipKeys); n == 0 || n > most {
		return fmt.Errorf("trust: %d gossip keys, there are 1 to %d", n, most)
	}
	for _, a := range t.Authorities {
		if err := a.check(); err != nil {
			return fmt.Errorf("trust: %w", err)
		}
	}
	for _, k := range t.GossipKeys {
		if len(k) != GossipKeyLen || bytes.Equal(k, make([]byte, GossipKeyLen)) {
			return fmt.Errorf("trust: a gossip key of %d bytes, it must have %d that are not all zero", len(k), GossipKeyLen)
		}
	}
	return nil
}

// rotated begins a rotation to these.
func (t Trust) rotated(key []byte, authority *Authority) (Trust, error) {
	if t.Stage != Settled {
		return t, fmt.Errorf("a rotation of keys is %s; another can begin when it is done", t.Stage)
	}
	if slices.ContainsFunc(t.GossipKeys, func(have []byte) bool { return bytes.Equal(have, key) }) {
		return t, errors.New("the new gossip key is the old one")
	}
	next := Trust{Serial: t.Serial + 1, Stage: Spreading, Authorities: t.Authorities, GossipKeys: [][]byte{t.GossipKeys[0], key}}
	if authority != nil {
		next.Authorities = []Authority{t.Authorities[0], *authority}
	}
	return next, next.Check()
}

// turned is the next stage of a rotation.
func (t Trust) turned() (Trust, error) {
	next := Trust{Serial: t.Serial + 1, Authorities: slices.Clone(t.Authorities), GossipKeys: slices.Clone(t.GossipKeys)}
	switch t.Stage {
	case Spreading:
		next.Stage = Switching
		slices.Reverse(next.Authorities)
		slices.Reverse(next.GossipKeys)
	case Switching:
		next.Authorities, next.GossipKeys = next.Authorities[:1], next.GossipKeys[:1]
	default:
		return t, errors.New("no rotation of keys is under way")
	}
	return next, nil
}

// Trust is how the nodes know each other; zero in the first moment of a cluster.
func (s *State) Trust() Trust { return s.trust }

// Entrust gives a cluster its first trust, which the founders have agreed on.
type Entrust struct {
	Trust Trust `json:"trust"`
}

func (*Entrust) kind() string  { return "entrust" }
func (*Entrust) planned() bool { return false }

func (op *Entrust) apply(s *State) (Replica, error) {
	if !s.trust.IsZero() {
		return Replica{}, errSame
	}
	if err := op.Trust.Check(); err != nil {
		return Replica{}, err
	}
	s.trust = op.Trust
	return Replica{}, nil
}

// Rotate begins to replace the gossip key and, if one is named, the authority.
type Rotate struct {
	GossipKey []byte     `json:"gossip_key"`
	Authority *Authority `json:"authority,omitempty"`
}

func (*Rotate) kind() string  { return "rotate" }
func (*Rotate) planned() bool { return false }

func (op *Rotate) apply(s *State) (_ Replica, err error) {
	if s.trust.IsZero() {
		return Replica{}, errors.New("the cluster has no keys yet")
	}
	s.trust, err = s.trust.rotated(op.GossipKey, op.Authority)
	return Replica{}, err
}

// Turn takes a rotation to its next stage, after all nodes that have to have done
// what the present one wants.
type Turn struct {
	// Serial is that of the trust whose stage is done.
	Serial uint64 `json:"serial"`
}

func (*Turn) kind() string  { return "turn" }
func (*Turn) planned() bool { return false }

func (op *Turn) apply(s *State) (_ Replica, err error) {
	if op.Serial != s.trust.Serial {
		return Replica{}, errSame // another leader has
	}
	s.trust, err = s.trust.turned()
	return Replica{}, err
}
