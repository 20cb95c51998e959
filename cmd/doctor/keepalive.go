package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"

	"github.com/mayfly-broker/mayfly/cmd/endpoint"
)

const checkKeepalive = "keepalive"

const (
	// pingPause is a little longer than the 2 s that a broker wants between two
	// pings, and much shorter than the 5 min that grpc-go's servers want where
	// nobody says otherwise. SDKs ping every 5 to 10 s.
	pingPause = 2100 * time.Millisecond
	// pings are enough for a server that counts strikes: grpc-go's and ours give
	// up on the third that comes too early, and the first never does.
	pings = 4
	// parting is how long after its answer to a ping a server may leave.
	parting = 500 * time.Millisecond
	// pongTime is how long SDKs wait for the answer to a ping.
	pongTime = time.Second
)

// errAway is a server that ends the connection.
var errAway = errors.New("the connection is ended")

// keepalive pings as SDKs do whose connections are idle, and sees whether whoever
// ends HTTP/2 there, a proxy perhaps, puts up with it.
func (x *exam) keepalive(ctx context.Context) []Finding {
	h := x.at(endpoint.Cache)
	if h.unusable != "" || x.TLS && h.state.NegotiatedProtocol != "h2" {
		return nil // said before
	}
	slowest, err := x.pinged(ctx, h)
	remedy := "a proxy in front must let idle clients ping every few seconds; grpc-go servers take it with EnforcementPolicy{MinTime: 2s, PermitWithoutStream: true}"
	switch {
	case errors.Is(err, errAway):
		return []Finding{wrong(checkKeepalive, "SDKs that ping idle connections are sent away: "+err.Error(), remedy)}
	case err != nil:
		return []Finding{wrong(checkKeepalive, "pings on an idle connection are not answered: "+reason(err), remedy)}
	case slowest > pongTime:
		return []Finding{wrong(checkKeepalive, fmt.Sprintf("a ping was answered after %s, and SDKs give up after %s", slowest.Round(time.Millisecond), pongTime),
			"see why the broker, or the way to it, is slow")}
	default:
		return []Finding{ok(checkKeepalive, "%d pings on an idle connection were answered, the slowest in %s", x.Pings, max(slowest, time.Millisecond).Round(time.Millisecond))}
	}
}

// pinged pings a few times, and returns the longest time to an answer.
func (x *exam) pinged(ctx context.Context, h *host) (slowest time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, x.Timeout+time.Duration(x.Pings)*x.PingPause+parting)
	defer cancel()
	conn, err := x.connect(ctx, h, "h2")
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return 0, err
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		return 0, err
	}
	for i := range x.Pings {
		if i > 0 {
			select {
			case <-time.After(x.PingPause):
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		begin := time.Now()
		if err := x.ping(conn, framer, byte(i)); err != nil {
			return 0, err
		}
		slowest = max(slowest, time.Since(begin))
	}
	return slowest, stays(conn, framer)
}

// stays reads for a moment longer: a server that has had enough answers the last
// ping first, and leaves then.
func stays(conn net.Conn, framer *http2.Framer) error {
	_ = conn.SetDeadline(time.Now().Add(parting)) // fails only on a connection that is dead
	for {
		frame, err := framer.ReadFrame()
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			return nil
		}
		if err != nil {
			return away(err)
		}
		if f, ok := frame.(*http2.GoAwayFrame); ok {
			return gone(f)
		}
	}
}

func gone(f *http2.GoAwayFrame) error {
	return fmt.Errorf("%w: %s %s", errAway, f.ErrCode, f.DebugData())
}

// ping sends one and reads until it is answered.
func (x *exam) ping(conn net.Conn, framer *http2.Framer, number byte) error {
	_ = conn.SetDeadline(time.Now().Add(x.Timeout)) // fails only on a connection that is dead
	data := [8]byte{'d', 'o', 'c', 't', 'o', 'r', 0, number}
	if err := framer.WritePing(false, data); err != nil {
		return away(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return away(err)
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if f.IsAck() && f.Data == data {
				return nil
			}
			if !f.IsAck() {
				err = framer.WritePing(true, f.Data)
			}
		case *http2.GoAwayFrame:
			return gone(f)
		}
		if err != nil {
			return away(err)
		}
	}
}

// away tells the end of a connection from a server that is slow.
func away(err error) error {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return err
	}
	return fmt.Errorf("%w: %s", errAway, reason(err))
}
