package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// deadliner is a listener that can be woken up without being closed.
type deadliner interface {
	SetDeadline(at time.Time) error
}

// listen answers on the peer port until stop is called, which waits for the
// answers under way and leaves the port open. A port that fails ends the
// convention.
func (c *convention) listen(fail context.CancelCauseFunc) (stop func()) {
	h := &hearing{convention: c, open: make(map[net.Conn]struct{})}
	h.running.Go(func() {
		if err := h.accept(); err != nil {
			fail(fmt.Errorf("peer: the peer port: %w", err))
		}
	})
	return h.stop
}

// hearing is the answering side of a convention.
type hearing struct {
	convention *convention
	running    sync.WaitGroup
	refused    hush
	lobby      lobby // of all that are heard: they have one thing to say

	mu      sync.Mutex
	stopped bool
	open    map[net.Conn]struct{}
}

// stop ends it and gives the port back.
func (h *hearing) stop() {
	port := h.convention.config.Listener.(deadliner) // newConvention has looked
	h.mu.Lock()
	h.stopped = true
	for conn := range h.open {
		_ = conn.Close()
	}
	h.mu.Unlock()
	_ = port.SetDeadline(time.Unix(1, 0))
	h.running.Wait()
	_ = port.SetDeadline(time.Time{})
}

// accept takes connections in until stop, and returns nil then.
func (h *hearing) accept() error {
	for {
		conn, err := h.convention.config.Listener.Accept()
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return err
		case h.isStopped():
			return nil
		default:
			h.convention.config.Logger.Warn("the peer port cannot accept", slog.Any("err", err))
			time.Sleep(acceptPause) //nolint:forbidigo // there is no event to wait for
			continue
		}
		h.lobby.receive(conn, &h.running, h.convention.config.Logger, h.hear)
	}
}

func (h *hearing) isStopped() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stopped
}

// meet notes a connection, unless the hearing is over.
func (h *hearing) meet(conn net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped {
		h.open[conn] = struct{}{}
	}
	return !h.stopped
}

// hear serves one caller and closes its connection. Who has to make room meanwhile asks
// again in its next round.
func (h *hearing) hear(one *stranger) {
	raw := one.Conn
	defer func() { _ = raw.Close() }()
	if !h.meet(raw) {
		return
	}
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.open, raw)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), helloTime)
	conn, claimed, err := trust.Port{Founders: h.convention.config.Wallet}.Accept(ctx, raw)
	cancel()
	if err != nil {
		if !h.lobby.leave(one) && errors.Is(err, net.ErrClosed) {
			return // it had to make room
		}
		h.refused.tell(h.convention.config.Logger, raw, claimed, err)
		return
	}
	hello, theirs, err := hearHello(conn)
	if err != nil {
		return
	}
	version, refusal := h.convention.newborn.speaks.common(theirs)
	if refusal == nil && !fits(conn, hello, trust.FoundingCluster) {
		refusal = errNotTheHolder
	}
	if answer(conn, version, refusal) != nil || refusal != nil {
		return
	}
	in := new(peerv1.FoundRequest)
	if conn.SetDeadline(time.Now().Add(helloTime)) != nil || readFrame(conn, in, maxNewbornRequest) != nil {
		return
	}
	_ = writeFrame(conn, h.convention.respond(hello, in), maxNewbornAnswer)
}

// respond answers a candidate, and promises what it asks for if that is right.
func (c *convention) respond(hello *peerv1.Hello, in *peerv1.FoundRequest) *peerv1.FoundResponse {
	out := new(peerv1.FoundResponse)
	err := c.consider(hello, in)
	if err != nil {
		out.Refusal, _ = refuse(err)
	}
	out.Promised = err == nil && in.GetProposal() != nil
	out.Candidate = c.assembly.introduction()
	return out
}

func (c *convention) consider(hello *peerv1.Hello, in *peerv1.FoundRequest) error {
	member, err := newcomerOf(in.GetCandidate().GetSelf())
	if err != nil {
		return fmt.Errorf("%w: %w", route.ErrInvalid, err)
	}
	if err := saysTheSame(hello, member); err != nil {
		return err
	}
	now := time.Now()
	c.assembly.hear(in.GetCandidate(), now)
	if in.GetProposal() == nil {
		return nil
	}
	charter, err := charterOf(in.GetProposal())
	if err != nil {
		return fmt.Errorf("%w: %w", route.ErrInvalid, err)
	}
	return c.assembly.promise(member, charter, now)
}
