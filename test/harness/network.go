package harness

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// wireHost is the address at which the relays of a network listen. Nodes live at
// 127.0.0.1 under the same ports. All of 127.0.0.0/8 is this machine's own on
// Linux; elsewhere the address may have to be added to the loopback interface.
const wireHost = "127.0.0.2"

// Network carries what the nodes of a cluster say to each other, over one wire
// for each pair of nodes and direction, and can cut every one of them.
//
// It is made of relays in this process and not of network namespaces: those need
// root and Linux, and a story that runs only for some is a story that fails for
// the others. A relay knows who speaks: a connection between peers begins with
// the caller's name, and a packet of gossip comes from its sender's port.
//
// A cut wire behaves as a network does that loses every packet: what is under
// way on a connection waits, nobody is told that it does, a new connection gets
// no answer, and when the wire is mended the old connections go on with what they
// had to say. Packets of gossip are lost. A stream of gossip does not tell who
// opened it, so there is none to a node at which any wire is cut.
//
// It is safe for concurrent use.
type Network struct {
	ctx     context.Context // ends with the test
	running sync.WaitGroup

	mu      sync.Mutex
	cut     map[wire]bool
	changed chan struct{} // closed and replaced when wires are cut or mended
	gossips map[int]*end  // by the node's gossip port
}

// wire leads from one node to another.
type wire struct{ from, to string }

// newNetwork makes a network without ends; it lasts as long as the test.
func newNetwork(t testing.TB) *Network {
	ctx, cancel := context.WithCancel(context.Background())
	n := &Network{ctx: ctx, cut: make(map[wire]bool), changed: make(chan struct{}), gossips: make(map[int]*end)}
	t.Cleanup(func() {
		cancel()
		n.running.Wait()
	})
	return n
}

// change cuts and mends wires.
func (n *Network) change(do func(cut map[wire]bool)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	do(n.cut)
	close(n.changed)
	n.changed = make(chan struct{})
}

// isCut reports whether a wire is cut, and returns a channel that is closed when
// that may have changed.
func (n *Network) isCut(w wire) (bool, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[w], n.changed
}

// pass waits until the wire is whole.
func (n *Network) pass(w wire) error {
	for {
		cut, changed := n.isCut(w)
		if !cut {
			return n.ctx.Err()
		}
		select {
		case <-changed:
		case <-n.ctx.Done():
			return n.ctx.Err()
		}
	}
}

// touched reports whether any wire of the node is cut.
func (n *Network) touched(node string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for w, cut := range n.cut {
		if cut && (w.from == node || w.to == node) {
			return true
		}
	}
	return false
}

// link couples two connections, one from each node, until both have said all or
// one of them fails. It closes both.
func (n *Network) link(caller, callee net.Conn, there wire) {
	back := wire{from: there.to, to: there.from}
	stop := context.AfterFunc(n.ctx, func() { _, _ = caller.Close(), callee.Close() })
	defer stop()
	var both sync.WaitGroup
	for _, way := range []struct {
		wire
		from, to net.Conn
	}{{there, caller, callee}, {back, callee, caller}} {
		both.Go(func() {
			if err := n.carry(way.wire, way.from, way.to); err != nil {
				_, _ = caller.Close(), callee.Close()
			}
		})
	}
	both.Wait()
	_, _ = caller.Close(), callee.Close()
}

// carry takes what one node says to the other, its goodbye included. What is said
// while the wire is cut waits.
func (n *Network) carry(w wire, from, to net.Conn) error {
	buffer := make([]byte, 64<<10)
	for {
		read, err := from.Read(buffer)
		if w.from != w.to {
			if err := n.pass(w); err != nil {
				return err
			}
		}
		if read > 0 {
			if _, err := to.Write(buffer[:read]); err != nil {
				return err
			}
		}
		if err == io.EOF { //nolint:errorlint // a connection returns it as it is
			return to.(*net.TCPConn).CloseWrite()
		}
		if err != nil {
			return err
		}
	}
}
