package peer

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"
)

// portion is the part of the peer port that one taker listens to.
type portion struct {
	mux   *Mux
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
	leave func() // may be nil
}

func newPortion(m *Mux, addr net.Addr, leave func()) *portion {
	return &portion{mux: m, addr: addr, conns: make(chan net.Conn, backlog), done: make(chan struct{}), leave: leave}
}

// give hands over a connection, or closes it when nobody takes it.
func (p *portion) give(conn net.Conn) {
	patience := time.NewTimer(helloTime)
	defer patience.Stop()
	select {
	case p.conns <- conn:
		select {
		case <-p.done:
			p.drain() // it may have come after the last look
		default:
		}
	case <-p.done:
		_ = conn.Close()
	case <-patience.C:
		_ = conn.Close()
	}
}

// drain closes what nobody will take any more.
func (p *portion) drain() {
	for {
		select {
		case conn := <-p.conns:
			_ = conn.Close()
		default:
			return
		}
	}
}

// closed reports whether nobody takes connections any more.
func (p *portion) closed() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Accept implements net.Listener.
func (p *portion) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *portion) Close() error {
	p.once.Do(func() {
		close(p.done)
		if p.leave != nil {
			p.leave()
		}
		p.drain()
	})
	return nil
}

// Addr implements net.Listener.
func (p *portion) Addr() net.Addr { return p.addr }

// A peer that is gone without a word is noticed within some six seconds, idle
// or in the middle of something (reliability.md 2.3).
const (
	keepIdle     = 3 * time.Second
	keepInterval = time.Second
	keepCount    = 3
	unsentFor    = 6 * time.Second
)

var dialer = net.Dialer{
	KeepAliveConfig: keepAlive,
	Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { limitUnsent(int(fd)) })
	},
}

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	return dialer.DialContext(ctx, "tcp", addr)
}

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: keepIdle, Interval: keepInterval, Count: keepCount}

// tune gives an accepted connection the settings of a dialled one.
func tune(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	_ = tcp.SetKeepAliveConfig(keepAlive) // a connection that is gone already shows it soon enough
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { limitUnsent(int(fd)) })
	}
}
