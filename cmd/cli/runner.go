package cli

import (
	"context"
	"log/slog"
	"sync"

	"github.com/mayfly-broker/mayfly/cmd/node"
)

// runner has one node run after the other, and keeps the settings that may change
// meanwhile. It is safe for concurrent use.
type runner struct {
	mu   sync.Mutex
	cfg  node.Config
	node Node // nil while there is none
}

// config returns what the next node would be told.
func (r *runner) config() node.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cfg
}

// start brings up a node.
func (r *runner) start(ctx context.Context, newNode func(context.Context, node.Config) (Node, error)) (Node, error) {
	b, cfg := thisBuild(), r.config()
	cfg.Version, cfg.Commit = b.Version, b.Commit
	n, err := newNode(ctx, cfg)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// A node may need minutes to come up, where it waits for others.
	if live := r.cfg.Live(); live != cfg.Live() {
		if err := n.Adjust(live); err != nil { // which they passed before
			cfg.Logger.Error("settings that were taken up are not in force", slog.Any("err", err))
		}
	}
	r.node = n
	return n, nil
}

// ended is told that the node is no more.
func (r *runner) ended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.node = nil
}

// adjust has the node that runs, and those that come, keep to other settings.
func (r *runner) adjust(live node.Live) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.node != nil {
		if err := r.node.Adjust(live); err != nil {
			return err
		}
	}
	r.cfg = r.cfg.With(live)
	return nil
}
