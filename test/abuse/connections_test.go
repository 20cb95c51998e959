package abuse

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// connect makes connections by the ten thousand, says nothing or little on them, and
// keeps them until there are too many for itself.
func connect(ctx context.Context, v *victim) {
	const kept = 6000 // the attacker's own file descriptors are bounded, too
	attempts := int64(sized(4000, 100_000))
	var mu sync.Mutex
	open := make([]net.Conn, 0, kept)
	keep := func(conn net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		if len(open) == kept {
			_ = open[0].Close()
			open = open[1:]
		}
		open = append(open, conn)
	}
	crowd(32, func(i int) {
		for ctx.Err() == nil && v.tries.Add(1) <= attempts {
			conn, err := v.dial(ctx)
			if err != nil {
				rest(ctx, time.Millisecond)
				continue
			}
			switch i % 4 {
			case 0:
				_, _ = io.WriteString(conn, http2.ClientPreface[:8])
			case 1:
				_, _ = io.WriteString(conn, "GET /livez HTT")
			}
			keep(conn)
		}
	})
	rest(ctx, time.Second)
}

// idle connects, says all that must be said, and never asks for anything.
func idle(ctx context.Context, v *victim) {
	crowd(sized(500, 8000), func(int) {
		if _, err := v.rude(ctx, true); err == nil {
			v.tries.Add(1)
		}
	})
	<-ctx.Done()
}

// bother says nonsense to the peer port, or nothing at all.
func bother(ctx context.Context, v *victim) {
	crowd(16, func(i int) {
		junk := make([]byte, 64<<10)
		_, _ = rand.Read(junk)
		persist(ctx, func() bool {
			conn, err := v.dialTo(ctx, v.peer)
			if err != nil {
				return false
			}
			v.tries.Add(1)
			if i%2 == 0 {
				_, err := conn.Write(junk)
				_ = conn.Close()
				return err == nil
			}
			return rest(ctx, 10*time.Millisecond) // and it stays open
		})
	})
}
