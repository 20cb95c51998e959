package cli

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/node"
	"github.com/mayfly-broker/mayfly/rpc/fault"
)

// faultOptions are the settings with which a broker is made worse than it is.
type faultOptions struct {
	percent, seed, clock int
	admin                string
}

func (o *faultOptions) settings() []config.Setting {
	return []config.Setting{
		{Name: "fault-percent", Help: "how many of a hundred calls fail, are late or lose the stream they are answered with", Value: config.Integer(&o.percent, 0, 100)},
		{Name: "fault-seed", Help: "number that decides which calls these are", Value: config.Integer(&o.seed, 0, 1<<31-1)},
		{Name: "clock", Help: "how many times as fast time passes for whatever expires", Value: config.Integer(&o.clock, 1, 100_000)},
		{Name: "admin-listen", Help: "address of a port where GET /block breaks the connections of all clients, and GET /unblock mends it", Value: config.Text(&o.admin), Default: "none"},
	}
}

// apply puts the settings into a node's.
func (o *faultOptions) apply(cfg *node.Config) error {
	injector, err := fault.NewInjector(uint64(o.seed), float64(o.percent)/100)
	if err != nil {
		return err
	}
	cfg.Faults = injector
	if o.clock > 1 {
		cfg.Pace = float64(o.clock)
	}
	return nil
}

// serveAdmin serves the admin port, if there is to be one, until the function that
// it returns is called. The node must be made after it.
func (o *faultOptions) serveAdmin(ctx context.Context, cfg *node.Config) (stop func(), err error) {
	if o.admin == "" {
		return func() {}, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.admin)
	if err != nil {
		return nil, err
	}
	line := new(fault.Line)
	cfg.Line = line
	server := &http.Server{Handler: line.Admin(), ReadHeaderTimeout: 5 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // until it is closed
	return func() {
		_ = server.Close() // nothing is left to be said
		serving.Wait()
	}, nil
}
