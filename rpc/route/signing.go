package route

import (
	"context"
	"time"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Rotation is how the cluster comes to sign with another key.
type Rotation struct {
	// Fresh is a new key. It is not needed if there is a published one that waits
	// to be used, as after a rotation that was cut short.
	Fresh *storev1.SigningKey
	// Everywhere returns when every node knows what the meta group's log says up to
	// an index, or with the reason why not. Nobody signs with a key before.
	Everywhere func(ctx context.Context, index uint64) error
	// OthersEnd is when what was signed before is no longer good.
	OthersEnd time.Time
}

// RotateSigningKey publishes a key, has the cluster sign with it once every node
// knows it, and lets the old ones end later. It returns the id of the key in use.
// Errors: those of Everywhere, ErrLimit and the outcomes.
func (r *Router) RotateSigningKey(ctx context.Context, rotation Rotation) (id string, err error) {
	if err := r.CatchUp(ctx); err != nil {
		return "", err
	}
	key := r.waitingSigningKey()
	if key == nil {
		key = rotation.Fresh
		if err := r.addSigningKey(withoutAct(ctx), key); err != nil {
			return "", err
		}
	}
	index, _ := r.local.meta.Load().applied()
	if err := rotation.Everywhere(ctx, index); err != nil {
		return "", err
	}
	return key.GetId(), r.useSigningKey(ctx, key.GetId(), rotation.OthersEnd)
}

// waitingSigningKey returns a key that is published and was never used.
func (r *Router) waitingSigningKey() *storev1.SigningKey {
	for _, key := range r.SigningKeys() {
		if !key.GetApplication() && key.GetUsedFromMs() == 0 && key.GetEndsAtMs() == 0 {
			return key
		}
	}
	return nil
}

// AddApplicationKey records a signing key that an application holds. Errors:
// ErrInvalid, ErrLimit and the outcomes.
func (r *Router) AddApplicationKey(ctx context.Context, key *storev1.SigningKey) error {
	return r.addSigningKey(ctx, key)
}

// RevokeSigningKey makes all that a key has signed useless at once, and returns the
// id of the key that the cluster signs with: another one, by a rotation, if that
// was the key. Errors: ErrSigningKeyNotFound and those of a rotation.
func (r *Router) RevokeSigningKey(ctx context.Context, id string, rotation Rotation) (current string, err error) {
	if err := r.CatchUp(ctx); err != nil {
		return "", err
	}
	if current = r.CurrentSigningKey().GetId(); current == id {
		if current, err = r.RotateSigningKey(withoutAct(ctx), rotation); err != nil {
			return "", err
		}
	}
	return current, r.removeSigningKey(ctx, id)
}
