package proc

import (
	"context"
	"fmt"
	"net"
	"time"
)

// FreeAddr returns a loopback address that nothing listens on at this moment.
func FreeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // answered at once
	if err != nil {
		return "", fmt.Errorf("no free port on 127.0.0.1: %w", err)
	}
	addr := listener.Addr().String()
	return addr, listener.Close()
}

// Await returns when the child accepts connections at addr, and fails when it
// ends before or ctx does.
func (c *Child) Await(ctx context.Context, addr string) error {
	var dialer net.Dialer
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if conn, err := dialer.DialContext(ctx, "tcp", addr); err == nil {
			return conn.Close()
		}
		select {
		case <-c.done:
			return c.Ended()
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w", c.Name, addr, context.Cause(ctx))
		case <-poll.C:
		}
	}
}
