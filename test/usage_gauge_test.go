package test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// gauge stands between clients and a broker and measures the messages that go either
// way, as they are on the wire: what a client of any SDK would measure.
type gauge struct {
	Addr string
	to   string

	mu    sync.Mutex
	calls map[callID]*gauged
	conns int
}

// callID is a stream of a connection.
type callID struct {
	conn   int
	stream uint32
}

// gauged is what one call has moved.
type gauged struct {
	subscribe bool
	in, out   uint64
	items     []uint64 // sizes
}

// measured is what clients used.
type measured struct {
	Requests   uint64 `json:"requests"`
	Deliveries uint64 `json:"deliveries"`
	Units      uint64 `json:"units"`
	BytesIn    uint64 `json:"bytes_in"`
	BytesOut   uint64 `json:"bytes_out"`
}

func (m measured) plus(n measured) measured {
	return measured{m.Requests + n.Requests, m.Deliveries + n.Deliveries, m.Units + n.Units, m.BytesIn + n.BytesIn, m.BytesOut + n.BytesOut}
}

// covers tells whether no number is below the other's.
func (m measured) covers(n measured) bool {
	return m.Requests >= n.Requests && m.Deliveries >= n.Deliveries && m.Units >= n.Units && m.BytesIn >= n.BytesIn && m.BytesOut >= n.BytesOut
}

// unitsOf is how many steps of 1,024 bytes a message begins.
func unitsOf(bytes uint64) uint64 { return max(1, (bytes+1023)/1024) }

// startGauge puts a gauge before a broker.
func startGauge(t *testing.T, to string) *gauge {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gauge{Addr: l.Addr().String(), to: to, calls: map[callID]*gauged{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { g.pass(client) })
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return g
}

// pass carries one connection.
func (g *gauge) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer server.Close()
	g.mu.Lock()
	g.conns++
	conn := g.conns
	g.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { g.carry(conn, server, client, true); _ = server.Close() })
	both.Go(func() { g.carry(conn, client, server, false); _ = client.Close() })
	both.Wait()
}

// carry copies one direction, and measures it on the way.
func (g *gauge) carry(conn int, to io.Writer, from io.Reader, requests bool) {
	seen, copied := io.Pipe()
	var reading sync.WaitGroup
	reading.Go(func() {
		g.read(conn, seen, requests)
		_, _ = io.Copy(io.Discard, seen)
	})
	_, _ = io.Copy(io.MultiWriter(copied, to), from)
	_ = copied.Close()
	reading.Wait()
}

// read measures the messages of one direction of HTTP/2.
func (g *gauge) read(conn int, from io.Reader, requests bool) {
	if requests {
		if _, err := io.ReadFull(from, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
	}
	framer := http2.NewFramer(io.Discard, from)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	parts := map[uint32][]byte{} // of messages, by stream
	for {
		frame, err := framer.ReadFrame()
		var broken http2.StreamError
		switch {
		case errors.As(err, &broken):
			continue
		case err != nil:
			return
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			if requests {
				g.begin(callID{conn, f.StreamID}, f.PseudoValue("path"))
			}
		case *http2.DataFrame:
			part := append(parts[f.StreamID], f.Data()...)
			for len(part) >= 5 && len(part) >= 5+int(binary.BigEndian.Uint32(part[1:])) {
				size := 5 + int(binary.BigEndian.Uint32(part[1:]))
				g.message(callID{conn, f.StreamID}, part[5:size], requests)
				part = part[size:]
			}
			parts[f.StreamID] = part
		}
	}
}

// begin notes a call about what caches hold.
func (g *gauge) begin(id callID, path string) {
	if !strings.HasPrefix(path, "/cache_client.Scs/") && !strings.HasPrefix(path, "/cache_client.pubsub.Pubsub/") {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls[id] = &gauged{subscribe: strings.HasSuffix(path, "/Subscribe")}
}

func (g *gauge) message(id callID, message []byte, request bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.calls[id]
	size := uint64(len(message))
	switch {
	case c == nil:
	case request:
		c.in += size
	case !c.subscribe:
		c.out += size
	default:
		var m pubsubpb.SubscribeResponse
		if proto.Unmarshal(message, &m) == nil && m.GetItem() != nil { // no heartbeat, no discontinuity
			c.items = append(c.items, size)
		}
	}
}

// total sums up what was measured.
func (g *gauge) total() (sum measured) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.calls {
		sum = sum.plus(measured{Requests: 1, Units: unitsOf(c.in + c.out), BytesIn: c.in, BytesOut: c.out})
		for _, size := range c.items {
			sum = sum.plus(measured{Deliveries: 1, Units: unitsOf(size), BytesOut: size})
		}
	}
	return sum
}
