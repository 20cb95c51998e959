package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/memberlist"
)

const (
	// SecretBytes is the size of a secret: AES-256.
	SecretBytes = 32
	// maxSecrets is the size of the ring: the secret in use, and the one that
	// comes or goes. It is also what makes removing safe, see removeSecret.
	maxSecrets = 2
)

var (
	// ErrRingFull: the ring holds two secrets. Remove one of them first: finish
	// the rotation under way or take it back.
	ErrRingFull = errors.New("gossip: the ring holds two secrets already")
	// ErrUnknownSecret: a secret must be added before it is used.
	ErrUnknownSecret = errors.New("gossip: the secret is not on the ring")
	// ErrSecretInUse: the secret that encrypts cannot be removed. Use the other
	// first.
	ErrSecretInUse = errors.New("gossip: the secret is in use")
)

// ring is memberlist's keyring, guarded.
type ring struct {
	mu    sync.Mutex // one change at a time
	inner *memberlist.Keyring
}

// newRing takes one or two different secrets, of which the first encrypts.
func newRing(secrets [][]byte) (*ring, error) {
	if len(secrets) == 0 || len(secrets) > maxSecrets {
		return nil, fmt.Errorf("gossip: %d secrets, there must be one or two", len(secrets))
	}
	r := &ring{inner: &memberlist.Keyring{}}
	for _, s := range secrets {
		if err := r.add(s); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func checkSecret(s []byte) error {
	if len(s) != SecretBytes {
		return fmt.Errorf("gossip: a secret of %d bytes, it must have %d", len(s), SecretBytes)
	}
	if bytes.Equal(s, make([]byte, SecretBytes)) {
		return errors.New("gossip: the secret is all zeros, it must be random")
	}
	return nil
}

func (r *ring) add(s []byte) error {
	if err := checkSecret(s); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.index(s) < 0 && len(r.inner.GetKeys()) >= maxSecrets {
		return ErrRingFull
	}
	return r.inner.AddKey(bytes.Clone(s))
}

// index is the place of a secret on the ring, 0 being the one in use; -1 means
// that it is not there.
func (r *ring) index(s []byte) int {
	for i, have := range r.inner.GetKeys() {
		if bytes.Equal(have, s) {
			return i
		}
	}
	return -1
}

// addSecret makes this node understand a further secret, without using it; one
// that it has is no error.
func (m *Mesh) addSecret(s []byte) error { return m.keys.add(s) }

// useSecret makes s the one that this node encrypts with; it must have been
// added. Using the one in use is no error.
func (m *Mesh) useSecret(s []byte) error {
	m.keys.mu.Lock()
	defer m.keys.mu.Unlock()
	if m.keys.index(s) < 0 {
		return ErrUnknownSecret
	}
	return m.keys.inner.UseKey(s)
}

// removeSecret makes this node forget a secret that is not in use. One that it
// does not have is no error. What is still under way under that secret is lost,
// which gossip bears: it is said again.
func (m *Mesh) removeSecret(s []byte) error {
	m.keys.mu.Lock()
	defer m.keys.mu.Unlock()
	switch m.keys.index(s) {
	case -1:
		return nil
	case 0:
		return ErrSecretInUse
	}
	// The library shifts the keys behind this one, within the slice that readers
	// are walking, who then may miss a good key. On a ring of two none is behind.
	return m.keys.inner.RemoveKey(s)
}

// Adopt makes this node encrypt with the first of these secrets, one or two, and
// understand all of them and no other. It may hold any others before: a node that
// was away has missed the steps of a rotation, or several rotations. After an error
// it may be called again. One call is to be under way at a time.
//
// To rotate, every node adopts the old secret and the new; when all have done it,
// the new and the old; when all have done that, the new alone. Whether all have done
// a step is for the meta group to know. A step that is begun before the one before it
// is done everywhere cuts nodes off until that is made up for.
func (m *Mesh) Adopt(secrets [][]byte) error {
	if len(secrets) == 0 || len(secrets) > maxSecrets {
		return fmt.Errorf("gossip: %d secrets, there must be one or two", len(secrets))
	}
	first := secrets[0]
	for _, s := range secrets {
		if err := checkSecret(s); err != nil {
			return err
		}
	}
	// There is room for two: what was in use, and what will be.
	if err := m.forgetBut(first); err != nil {
		return err
	}
	if err := errors.Join(m.addSecret(first), m.useSecret(first), m.forgetBut(first)); err != nil {
		return err
	}
	for _, s := range secrets[1:] {
		if err := m.addSecret(s); err != nil {
			return err
		}
	}
	return nil
}

// forgetBut removes what is neither in use nor this one.
func (m *Mesh) forgetBut(secret []byte) error {
	for i, have := range m.keys.inner.GetKeys() {
		if i == 0 || bytes.Equal(have, secret) {
			continue
		}
		if err := m.removeSecret(have); err != nil {
			return err
		}
	}
	return nil
}
