package harness

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
)

// end is where the wires of one node end: relays in front of its ports.
type end struct {
	network *Network
	node    string
	// peer and gossip are the node's own addresses.
	peer, gossip string
	packets      net.PacketConn
	gossipAddr   net.Addr
}

// connect puts relays in front of a node whose ports are at these addresses. The
// node is to advertise wireHost.
func (n *Network) connect(t testing.TB, node, peer, gossip string) {
	t.Helper()
	e := &end{network: n, node: node, peer: peer, gossip: gossip}
	var err error
	if e.gossipAddr, err = net.ResolveUDPAddr("udp", gossip); err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	if e.packets, err = lc.ListenPacket(t.Context(), "udp", outside(gossip)); err != nil {
		t.Fatalf("relay of gossip: %v", err)
	}
	calls, streams := listen(t, outside(peer)), listen(t, outside(gossip))
	n.mu.Lock()
	n.gossips[e.gossipAddr.(*net.UDPAddr).Port] = e
	n.mu.Unlock()
	context.AfterFunc(n.ctx, func() { _ = e.packets.Close() })
	attend(n.ctx, &n.running, calls, e.call)
	attend(n.ctx, &n.running, streams, e.stream)
	n.running.Go(e.relayPackets)
}

// outside is an address as the other nodes see it.
func outside(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err) // the harness made it
	}
	return net.JoinHostPort(wireHost, port)
}

// call relays a connection to the peer port, which begins with the caller's name.
func (e *end) call(conn net.Conn) {
	hello, caller := readHello(conn)
	w := wire{from: caller, to: e.node}
	if caller != e.node && e.network.pass(w) != nil {
		return
	}
	node, err := e.dial(e.peer)
	if err != nil {
		return // it is down
	}
	if _, err := node.Write(hello); err != nil {
		_ = node.Close()
		return
	}
	e.network.link(conn, node, w)
}

// stream relays a stream of gossip.
func (e *end) stream(conn net.Conn) {
	if e.network.touched(e.node) {
		return
	}
	if node, err := e.dial(e.gossip); err == nil {
		e.network.link(conn, node, wire{from: e.node, to: e.node})
	}
}

func (e *end) dial(addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(e.network.ctx, "tcp", addr)
}

// relayPackets relays packets of gossip. The node sees them come from where their
// sender can be answered.
func (e *end) relayPackets() {
	buffer := make([]byte, 64<<10)
	for {
		size, from, err := e.packets.ReadFrom(buffer)
		if err != nil {
			if e.network.ctx.Err() != nil {
				return
			}
			continue // what a node that is down refused
		}
		e.network.mu.Lock()
		sender := e.network.gossips[from.(*net.UDPAddr).Port]
		lost := sender == nil || e.network.cut[wire{from: sender.node, to: e.node}]
		e.network.mu.Unlock()
		if !lost {
			_, _ = sender.packets.WriteTo(buffer[:size], e.gossipAddr) // a packet may be lost
		}
	}
}

// readHello reads the first words of a connection between peers, by which the
// caller claims a name: that is the server name of its handshake. Who says nothing
// of the kind is let through as nobody.
func readHello(conn net.Conn) (raw []byte, caller string) {
	first := &recorder{Conn: conn}
	_ = tls.Server(first, &tls.Config{ //nolint:gosec // nothing is answered
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			caller = hello.ServerName
			return nil, io.EOF // it is the node's turn
		},
	}).Handshake() //nolint:noctx // the connection ends with the network
	return first.raw, caller
}

// recorder keeps what is read of a connection, and swallows what is said to it.
type recorder struct {
	net.Conn
	raw []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.raw = append(r.raw, p[:n]...)
	return n, err
}

func (*recorder) Write(p []byte) (int, error) { return len(p), nil }
