package peer

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
)

const (
	// hushFor is how long the log is not told a thing again. Who is refused comes
	// again several times a second.
	hushFor = time.Minute
	// maxHushed bounds the things that are remembered.
	maxHushed = 256
)

// hush keeps the log from being told the same again and again. It is safe for
// concurrent use.
type hush struct {
	mu   sync.Mutex
	told map[string]time.Time
}

// news reports whether the log is to be told a thing now.
func (h *hush) news(what string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at, told := h.told[what]; told && now.Sub(at) < hushFor {
		return false
	}
	if len(h.told) >= maxHushed {
		maps.DeleteFunc(h.told, func(_ string, at time.Time) bool { return now.Sub(at) >= hushFor })
	}
	if len(h.told) >= maxHushed {
		return false // strangers must not fill the log by being many
	}
	if h.told == nil {
		h.told = make(map[string]time.Time)
	}
	h.told[what] = now
	return true
}

// tell has the log say that the handshake of a caller has failed, by which it
// claims to be, at most once a minute for each machine.
func (h *hush) tell(log *slog.Logger, conn net.Conn, claimed string, err error) {
	from := conn.RemoteAddr().String()
	level := slog.LevelWarn
	if errors.Is(err, trust.ErrSilent) {
		level = slog.LevelDebug // somebody looks whether the port is open
	}
	host, _, split := net.SplitHostPort(from)
	if split != nil {
		host = from
	}
	if log.Enabled(context.Background(), level) && h.news("handshake "+host, time.Now()) {
		log.Log(context.Background(), level, "a connection was refused", slog.String("from", from), slog.String("claims", clip(claimed)), slog.Any("err", err))
	}
}
