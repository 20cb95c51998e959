package web

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// How long a new connection may take to show what it speaks, and how many may
// be thinking about it at a time. A silent one costs a goroutine and its
// stack, some 4 KiB.
const (
	sniffTime  = 5 * time.Second
	maxWaiting = 4096
)

// Port shares one listener between native gRPC and HTTP.
type Port struct {
	listener  net.Listener
	logger    *slog.Logger
	sniffTime time.Duration
	tls       *tls.Config // nil for none
	// prove finds what an ACME server asks for; nil when none does.
	prove func(ctx context.Context, name string) (*tls.Certificate, error)

	grpc, http *side
	sniffing   sync.WaitGroup
	quit       chan struct{}
	quitOnce   sync.Once

	debts debts

	mu      sync.Mutex
	guests  guests
	waiting int // connections that did not tell yet
	closed  bool
	dropped uint64
}

// NewPort makes the port of a listener, which it owns from now on. Logger is
// told what operators should know; nil is silent. Nothing is accepted before
// Serve.
func NewPort(l net.Listener, logger *slog.Logger) *Port {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Port{
		listener: l, logger: logger, sniffTime: sniffTime, guests: newGuests(Limits{}, maxWaiting),
		grpc: newSide(l.Addr()), http: newSide(l.Addr()), quit: make(chan struct{}),
		debts: debts{due: make(map[netip.Prefix]time.Time)},
	}
}

// Limit bounds the connections of the port from now on, by any goroutine at any time.
// Those that are there stay, and proxies are known as such from their next visit.
func (p *Port) Limit(limits Limits) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.guests.limit(limits)
}

// GRPC is the listener of the connections that speak HTTP/2. Closing it refuses
// them from then on and leaves the other side alone.
func (p *Port) GRPC() net.Listener { return p.grpc }

// HTTP is the listener of all other connections.
func (p *Port) HTTP() net.Listener { return p.http }

// Serve accepts connections until Close, and then returns nil. Any other end of
// the listener is its error.
func (p *Port) Serve() error {
	var pause time.Duration
	var told time.Time
	for {
		c, err := p.listener.Accept()
		switch {
		case err == nil:
			pause = 0
			p.admit(&conn{Conn: c, port: p})
		case p.isClosed():
			return nil
		case isTemporary(err):
			// Out of file descriptors, most likely; some will come free.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if now := time.Now(); now.Sub(told) >= refusalPause {
				told = now
				p.logger.Warn("cannot accept connections, trying again and again; if they are out of file descriptors, raise their number (LimitNOFILE of systemd, ulimit -n) or lower --max-connections",
					slog.Any("err", err))
			}
			select {
			case <-time.After(pause):
			case <-p.quit:
			}
		default:
			return err
		}
	}
}

// isTemporary reports whether the same Accept may succeed later.
func isTemporary(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

func (p *Port) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// admit lets a new connection tell what it speaks, if there is a place for it.
func (p *Port) admit(c *conn) {
	if !p.enter(c) {
		c.reset()
		return
	}
	go func() {
		defer p.sniffing.Done()
		p.sort(c)
	}()
}

// enter finds a place for a connection, and counts the goroutine that it will have.
func (p *Port) enter(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if c.guest = p.guests.enter(c.RemoteAddr()); c.guest == nil {
		p.guests.report(p.logger, time.Now())
		return false
	}
	oldest, ok := p.guests.wait(c)
	if !ok {
		p.guests.leave(c.guest)
		p.guests.report(p.logger, time.Now())
		return false
	}
	if oldest != nil {
		_ = oldest.Conn.Close() // its goroutine finds out
	}
	p.sniffing.Add(1)
	p.waiting++
	return true
}

// forget frees the place of a connection that is closed.
func (p *Port) forget(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.guests.leave(c.guest)
}

// sort finds out which side the connection belongs to and hands it over.
func (p *Port) sort(c *conn) {
	p.receive(c)
	_ = c.SetDeadline(time.Now().Add(p.sniffTime)) // fails only on a connection that is dead
	carried, isHTTP2, err := p.listenTo(c)
	p.mu.Lock()
	p.guests.sorted(c)
	p.waiting--
	if err != nil && !errors.Is(err, errProved) && !p.closed {
		p.dropped++
	}
	p.mu.Unlock()
	if err != nil {
		c.drop()
		return
	}
	_ = c.SetDeadline(time.Time{})
	if isHTTP2 {
		p.grpc.give(c, carried)
	} else {
		p.http.give(c, carried)
	}
}

// receive has a connection wait whose network opens very many.
func (p *Port) receive(c *conn) {
	if c.guest.isProxy {
		return
	}
	pause := p.debts.charge(c.guest.network, connectionCost, time.Now())
	if pause == 0 {
		return
	}
	late := time.NewTimer(pause)
	defer late.Stop()
	select {
	case <-late.C:
	case <-p.quit:
	}
}

// listenTo finds out what a connection speaks: by its first bytes or, within TLS,
// by what was agreed on there.
func (p *Port) listenTo(c *conn) (carried net.Conn, isHTTP2 bool, err error) {
	if p.tls != nil {
		return p.secure(c)
	}
	isHTTP2, err = c.sniff()
	return c, isHTTP2, err
}

// Close closes the listener and both sides, drops the connections that no side
// has accepted yet and waits until nothing of the port runs. Connections that
// were accepted are their side's. It may be called more than once.
func (p *Port) Close() error {
	p.quitOnce.Do(func() { close(p.quit) })
	p.mu.Lock()
	p.closed = true
	for _, one := range p.guests.known {
		for e := one.waiting.Front(); e != nil; e = e.Next() {
			_ = e.Value.(*conn).Conn.Close()
		}
	}
	p.mu.Unlock()
	err := p.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	_, _ = p.grpc.Close(), p.http.Close()
	p.sniffing.Wait()
	return err
}
