package harness

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

func listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatalf("listen for a story: %v", err)
	}
	return l
}

// attend serves the connections that a listener takes, in goroutines of running, until
// ctx ends: that closes the listener and all of them. A connection is closed when it
// has been served.
func attend(ctx context.Context, running *sync.WaitGroup, l net.Listener, serve func(net.Conn)) {
	running.Go(func() {
		defer context.AfterFunc(ctx, func() { _ = l.Close() })()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer func() { _ = conn.Close() }()
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				serve(conn)
			})
		}
	})
}

// attendAll is attend at an address until the test ends. It returns the address.
func attendAll(t testing.TB, addr string, serve func(context.Context, net.Conn)) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := listen(t, addr)
	var running sync.WaitGroup
	attend(ctx, &running, l, func(conn net.Conn) { serve(ctx, conn) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return l.Addr().String()
}

// couple carries bytes both ways until one side has ended.
func couple(ctx context.Context, a, b net.Conn) {
	end := func() { _, _ = a.Close(), b.Close() }
	defer context.AfterFunc(ctx, end)()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0]) // whatever ends it ends both
			end()
		})
	}
	both.Wait()
}
