package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

var _ api.SigningKeys = locksmith{}

// locksmith changes the keys that the cluster signs tokens with.
type locksmith struct{ n *Node }

const (
	// publishTime is how long the nodes have to hear of a new key. It is less than
	// what a command waits for its answer.
	publishTime = 4 * time.Second
	// publishPause is the pause before a node is asked again.
	publishPause = 20 * time.Millisecond
	// signedLife is how long something that was signed may live, with some room for
	// nodes that go on to sign for a moment, and whose clocks differ.
	signedLife = auth.DefaultMaxTokenLife + 5*time.Minute
)

// Rotate implements api.SigningKeys.
func (l locksmith) Rotate(ctx context.Context, force bool) (id string, othersEnd time.Time, err error) {
	rotation, err := l.rotation(force)
	if err != nil {
		return "", time.Time{}, err
	}
	id, err = l.n.router.RotateSigningKey(ctx, rotation)
	return id, rotation.OthersEnd, err
}

// Revoke implements api.SigningKeys. Nobody is waited for long: what the key has
// signed is to end now, wherever it can.
func (l locksmith) Revoke(ctx context.Context, id string) (current string, err error) {
	rotation, err := l.rotation(true)
	if err != nil {
		return "", err
	}
	return l.n.router.RevokeSigningKey(ctx, id, rotation)
}

// AddApplicationKey implements api.SigningKeys.
func (l locksmith) AddApplicationKey(ctx context.Context, key *storev1.SigningKey) error {
	return l.n.router.AddApplicationKey(ctx, key)
}

// List implements api.SigningKeys.
func (l locksmith) List(ctx context.Context) ([]*storev1.SigningKey, error) {
	if err := l.n.router.CatchUp(ctx); err != nil {
		return nil, err
	}
	return l.n.router.SigningKeys(), nil
}

func (l locksmith) rotation(force bool) (route.Rotation, error) {
	fresh, err := newSigningKey()
	return route.Rotation{
		Fresh:     fresh,
		OthersEnd: time.Now().Add(signedLife),
		Everywhere: func(ctx context.Context, index uint64) error {
			err := l.everywhere(ctx, index)
			if force && ctx.Err() == nil {
				return nil
			}
			return err
		},
	}, err
}

// newSigningKey is a new key as the catalog keeps it.
func newSigningKey() (*storev1.SigningKey, error) {
	key, err := auth.NewSigningKey(rand.Reader, time.Now())
	if err != nil {
		return nil, err
	}
	return &storev1.SigningKey{Id: key.ID, Algorithm: key.Algorithm, Secret: key.Secret, CreatedAtMs: key.CreatedAtMs}, nil
}

// everywhere returns once every other member knows what the meta group's log says
// up to an index, or says who does not after a while.
func (l locksmith) everywhere(ctx context.Context, index uint64) error {
	waiting, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	var others []cluster.NodeID
	l.n.local.Read(func(s *cluster.State) {
		for _, m := range s.Members() {
			if m.Node != l.n.host.Node() {
				others = append(others, m.Node)
			}
		}
	})
	behind := make([]bool, len(others))
	var all sync.WaitGroup
	for i, node := range others {
		all.Go(func() { behind[i] = !l.reaches(waiting, node, index) })
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, node := range others {
		if behind[i] {
			return fmt.Errorf("%w: node %s has not heard of the new key, so the old one goes on signing; "+
				"try again when the node answers, remove it if it is dead, or say --force", cluster.ErrRefused, node)
		}
	}
	return nil
}

// reaches waits until a node knows what the meta group's log says up to an index.
func (l locksmith) reaches(ctx context.Context, node cluster.NodeID, index uint64) bool {
	for ctx.Err() == nil {
		report, err := l.n.links.pool.Client(node).Observe(ctx)
		if err == nil && slices.ContainsFunc(report.Replicas, func(r steward.ReplicaReport) bool {
			return r.Group == cluster.MetaGroup && r.Progress.Applied >= index
		}) {
			return true
		}
		select {
		case <-time.After(publishPause):
		case <-ctx.Done():
		}
	}
	return false
}

// watchSigning keeps the admin credential in the data directory signed by the key
// that the cluster signs with, until ctx ends: it would end with an older one.
func (n *Node) watchSigning(ctx context.Context) {
	signer := ""
	for {
		news := n.local.Changed()
		if current := n.router.CurrentSigningKey().GetId(); current != "" && current != signer {
			if err := n.leaveAdminToken(); err != nil {
				n.logger.Error("the admin credential in the data directory is not renewed", slog.Any("err", err))
			} else {
				signer = current
			}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// ensureSigningKey gives a newborn cluster the key that signs its tokens.
func ensureSigningKey(ctx context.Context, router *route.Router) error {
	if router.CurrentSigningKey() != nil {
		return nil
	}
	key, err := newSigningKey()
	if err != nil {
		return err
	}
	if err := router.AddFirstSigningKey(ctx, key); err != nil {
		return err
	}
	if router.CurrentSigningKey() == nil {
		return errors.New("another node made one, and this node has not heard of it")
	}
	return nil
}
