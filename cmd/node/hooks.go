package node

import (
	"context"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/hook"
)

// hooks delivers the webhooks of the topics that this node leads.
type hooks struct {
	guard     *hook.Guard
	deliverer *hook.Deliverer

	running sync.WaitGroup
	cut     context.CancelFunc // nil before it runs
}

// open builds the deliverer.
func (h *hooks) open(n *Node) (err error) {
	if h.guard, err = hook.NewGuard(n.config.WebhookAllow); err != nil {
		return err
	}
	h.deliverer, err = hook.New(hook.Config{
		Desk: n.router.Desk(), Decode: api.DecodeItem, Guard: h.guard,
		Count: n.accounts.meter.CountPost, Logger: n.logger,
	})
	return err
}

// start begins to deliver. The node knows by now which webhooks there are.
func (h *hooks) start() {
	ctx, cut := context.WithCancel(context.Background()) // until close
	h.cut = cut
	h.running.Go(func() { h.deliverer.Run(ctx) })
}

// hookTime bounds how long a stopping node goes on to deliver. A receiver that is
// well needs milliseconds, and one attempt may take five seconds.
const hookTime = 6 * time.Second

// close delivers what is left, as far as that goes. The topics are closed by then,
// and led by others.
func (h *hooks) close(ctx context.Context) {
	if h.cut == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hookTime)
	defer cancel()
	h.deliverer.Drain(ctx)
	h.cut()
	h.running.Wait()
}
