package gossip

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// ether is a network in memory, for stories in fake time. Cut cables swallow
// packets, and dials through them hang, as they do in a partition. Nothing in
// it ever waits for a reader of packets: full is lost, as with UDP.
type ether struct {
	mu    sync.Mutex
	hosts map[netip.AddrPort]*antenna
	cut   func(from, to netip.AddrPort) bool
	loss  float64 // of packets
}

func newEther() *ether { return &ether{hosts: make(map[netip.AddrPort]*antenna)} }

// setCut decides from now on which cables are cut; nil heals all.
func (e *ether) setCut(cut func(from, to netip.AddrPort) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cut = cut
}

// setLoss drops that part of the packets from now on.
func (e *ether) setLoss(part float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loss = part
}

// isolate cuts every cable of one address.
func (e *ether) isolate(a netip.AddrPort) {
	e.setCut(func(from, to netip.AddrPort) bool { return (from == a) != (to == a) })
}

// reach finds the host at to; nil with cut set means that the cable is cut.
func (e *ether) reach(from, to netip.AddrPort) (a *antenna, cut bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cut != nil && e.cut(from, to) {
		return nil, true
	}
	return e.hosts[to], false
}

// loses decides the fate of a packet.
func (e *ether) loses() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return rand.Float64() < e.loss
}

// listen is a Config.carry.
func (e *ether) listen(bind netip.AddrPort) (carrier, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hosts[bind] != nil {
		return nil, errors.New("address in use")
	}
	a := &antenna{
		ether: e, self: bind,
		packets: make(chan *memberlist.Packet, 256),
		streams: make(chan net.Conn),
		closed:  make(chan struct{}),
	}
	e.hosts[bind] = a
	return a, nil
}

// antenna is the carrier of one node.
type antenna struct {
	ether   *ether
	self    netip.AddrPort
	packets chan *memberlist.Packet
	streams chan net.Conn
	closed  chan struct{}
}

func (a *antenna) PacketCh() <-chan *memberlist.Packet { return a.packets }
func (a *antenna) StreamCh() <-chan net.Conn           { return a.streams }
func (a *antenna) GetAutoBindPort() int                { return int(a.self.Port()) }

func (a *antenna) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, err
	}
	at := time.Now()
	peer, _ := a.ether.reach(a.self, to)
	if peer == nil || a.ether.loses() {
		return at, nil
	}
	p := &memberlist.Packet{Buf: append([]byte(nil), b...), From: net.UDPAddrFromAddrPort(a.self), Timestamp: at}
	select {
	case peer.packets <- p:
	default:
	}
	return at, nil
}

func (a *antenna) Dial(ctx context.Context, addr string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	peer, cut := a.ether.reach(a.self, to)
	if _, deaf := a.ether.reach(to, a.self); cut || deaf { // a handshake takes both ways
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if peer == nil {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	select {
	case peer.streams <- far:
		return near, nil
	case <-peer.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (a *antenna) Shutdown() error {
	a.ether.mu.Lock()
	defer a.ether.mu.Unlock()
	delete(a.ether.hosts, a.self)
	close(a.closed)
	return nil
}
