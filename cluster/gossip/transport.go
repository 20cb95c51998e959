package gossip

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	// maxStreams bounds the streams that others opened. Every node opens one now
	// and then; each may cost maxStreamBytes.
	maxStreams = 64
	// maxStreamBytes bounds what one stream makes the node keep, most of it
	// before the sender is known to hold the secret. A full table of members is
	// a fifth of it; the library alone would take 20 MiB.
	maxStreamBytes = 1 << 20

	// labelMark opens a packet or stream that carries a label; then follow the
	// length of the label in one byte, and the label.
	labelMark = 244
	// cipherVersion is the only encryption that Mayfly speaks: AES-GCM without
	// padding.
	cipherVersion = 1
	// messageHeader stands before the cipher's version in a stream: the type of
	// the message and its length in four bytes. A packet has neither.
	messageHeader = 5

	// listenTries: a port that is free for TCP may be taken for UDP.
	listenTries = 10
)

// errCipher guards against a panic. The version of the cipher is not
// authenticated: in what was overheard, version 1 can be turned into 0, under
// which the library takes padding off that was never there. Strangers' words
// may pass: the library refuses them, with a message about the label.
var errCipher = errors.New("not encrypted as gossip is, or changed on the way")

// carrier is a network: the library's sockets, or that of a test.
type carrier interface {
	WriteTo(b []byte, addr string) (time.Time, error)
	PacketCh() <-chan *memberlist.Packet
	StreamCh() <-chan net.Conn
	// Shutdown may wait until what it has received is taken from the channels.
	Shutdown() error
	Dial(ctx context.Context, addr string) (net.Conn, error)
	// GetAutoBindPort is the port that is listened on.
	GetAutoBindPort() int
}

// sockets is the real network.
type sockets struct{ *memberlist.NetTransport }

func listen(bind netip.AddrPort, lib *log.Logger) (carrier, error) {
	tries := 1
	if bind.Port() == 0 {
		tries = listenTries
	}
	for {
		t, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{bind.Addr().String()}, BindPort: int(bind.Port()), Logger: lib,
		})
		if err == nil {
			return sockets{t}, nil
		}
		if tries--; tries == 0 {
			return nil, err
		}
	}
}

func (sockets) Dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// transport stands between memberlist and a carrier. It refuses what would harm
// the library, and owns every stream and two goroutines; Shutdown ends them
// all, so that nothing outlives it for long.
type transport struct {
	carrier
	advertise netip.AddrPort
	header    []byte // what packets and streams of the cluster begin with
	log       *journal
	packets   chan *memberlist.Packet
	streams   chan net.Conn

	ctx    context.Context // ends when Shutdown begins
	cancel context.CancelFunc
	down   chan struct{} // closed when the carrier is shut down
	wg     sync.WaitGroup

	mu      sync.Mutex
	open    map[*stream]struct{}
	inbound int // how many of open came from outside
}

var _ memberlist.Transport = (*transport)(nil)

// newTransport listens. The caller owes it one Shutdown.
func newTransport(cfg *Config, log *journal) (*transport, error) {
	bind, advertise, err := cfg.addrs()
	if err != nil {
		return nil, err
	}
	inner, err := cfg.carry(bind)
	if err != nil {
		return nil, fmt.Errorf("gossip: listen on %s: %w", bind, err)
	}
	if advertise.Port() == 0 {
		advertise = netip.AddrPortFrom(advertise.Addr(), uint16(inner.GetAutoBindPort()))
	}
	t := &transport{
		carrier:   inner,
		advertise: advertise,
		header:    append([]byte{labelMark, byte(len(cfg.Cluster))}, cfg.Cluster...),
		log:       log,
		packets:   make(chan *memberlist.Packet),
		streams:   make(chan net.Conn),
		down:      make(chan struct{}),
		open:      make(map[*stream]struct{}),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.wg.Go(t.relayPackets)
	t.wg.Go(t.relayStreams)
	return t, nil
}

// FinalAdvertiseAddr is settled already; the library's own values are not asked.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.advertise.Addr().AsSlice(), int(t.advertise.Port()), nil
}

func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// DialTimeout opens a stream; it fails at once after Shutdown.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	defer cancel()
	conn, err := t.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	s := t.keep(conn, false)
	if s == nil {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	return s, nil
}

// relayPackets hands packets on until Shutdown, and then drains the carrier.
func (t *transport) relayPackets() {
	for {
		select {
		case p := <-t.carrier.PacketCh():
			if !t.sound(p.Buf) {
				t.log.stranger(p.From.String(), "gossip: a packet was dropped", "error", errCipher)
				continue
			}
			select {
			case t.packets <- p:
			case <-t.ctx.Done():
			}
		case <-t.down:
			return
		}
	}
}

// sound tells whether a packet may be shown to the library, see errCipher.
func (t *transport) sound(b []byte) bool {
	rest, ours := bytes.CutPrefix(b, t.header)
	return !ours || len(rest) == 0 || rest[0] == cipherVersion
}

// relayStreams hands streams on until Shutdown, and then drains the carrier.
func (t *transport) relayStreams() {
	for {
		select {
		case conn := <-t.carrier.StreamCh():
			s := t.keep(conn, true)
			if s == nil {
				_ = conn.Close()
				if t.ctx.Err() == nil {
					t.log.warn("gossip: a stream was refused, too many are open", "from", conn.RemoteAddr().String(), "limit", maxStreams)
				}
				continue
			}
			select {
			case t.streams <- s:
			case <-t.ctx.Done():
				_ = s.Close()
			}
		case <-t.down:
			return
		}
	}
}

// keep guards a stream and remembers it until it is closed, or gives nil when
// there is no room or no time left.
func (t *transport) keep(conn net.Conn, inbound bool) *stream {
	s := &stream{Conn: conn, from: bufio.NewReader(io.LimitReader(conn, maxStreamBytes))}
	if inbound {
		s.header = t.header
	}
	s.forget = sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.open, s)
		if inbound {
			t.inbound--
		}
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil || inbound && t.inbound >= maxStreams {
		return nil
	}
	if inbound {
		t.inbound++
	}
	t.open[s] = struct{}{}
	return s
}

// Shutdown closes the sockets and all streams, and waits for the goroutines.
func (t *transport) Shutdown() error {
	t.cancel()
	err := t.carrier.Shutdown()
	close(t.down)
	t.wg.Wait()
	t.mu.Lock()
	left := make([]*stream, 0, len(t.open))
	for s := range t.open {
		left = append(left, s)
	}
	t.mu.Unlock()
	for _, s := range left {
		_ = s.Close()
	}
	return err
}

// stream ends after maxStreamBytes, fails when the cipher's version is not ours
// (see errCipher), and tells when it is closed. Reads come from one goroutine.
type stream struct {
	net.Conn
	from    *bufio.Reader
	header  []byte // what the other side begins with: our label, or nothing in a reply
	checked bool
	forget  func()
}

func (s *stream) Read(p []byte) (int, error) {
	if !s.checked {
		// Whatever is shorter is no message, and for the library to refuse.
		at := len(s.header) + messageHeader
		head, err := s.from.Peek(at + 1)
		if err == nil && bytes.HasPrefix(head, s.header) && head[at] != cipherVersion {
			return 0, errCipher
		}
		s.checked = true
	}
	return s.from.Read(p)
}

func (s *stream) Close() error {
	s.forget()
	return s.Conn.Close()
}
