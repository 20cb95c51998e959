package gossip

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/mayfly-broker/mayfly/cluster"
)

const (
	// maxClusterIDLen bounds the cluster id, which precedes every packet.
	maxClusterIDLen = 64
	// maxAddrs bounds the addresses that one host name stands for.
	maxAddrs = 16
	// lookupTime bounds the look-up of this node's own addresses.
	lookupTime = 5 * time.Second

	// Busy hosts with two cores miss answers of half a second, the library's
	// limit. With 9 s until a silent node is given up, a pause of its garbage
	// collector or its disk is no death. The interval leaves time after a direct
	// probe for detours over other nodes and TCP: with an interval of a second a
	// network that drops every tenth packet made some false alarms a day, with
	// this one none.
	probeTimeout  = time.Second
	probeInterval = 1500 * time.Millisecond
	suspicionMult = 6
	// deadMemory is how long one that was given up is still told the news, and
	// remembered here: a short partition then heals by itself.
	deadMemory = 5 * time.Minute
	// reclaimTime after a node was given up its name may appear at another
	// address.
	reclaimTime = 30 * time.Second
)

// Config describes a Mesh. Fields are required unless they say otherwise.
type Config struct {
	// Node names this node.
	Node cluster.NodeID
	// Cluster is the cluster's id, 1 to 64 bytes: what other clusters say is
	// dropped.
	Cluster string
	// Secrets are one or two secrets of 32 bytes that all nodes of the cluster
	// hold. The first encrypts, both decrypt; the second is for a node that
	// starts while secrets are rotated, see Mesh.Adopt. They are copied.
	Secrets [][]byte

	// Bind is the host:port to listen on, with TCP and UDP; port 0 chooses a
	// free one.
	Bind string
	// Advertise is the host:port where others reach Bind; it is looked up once.
	// Empty means Bind, which then must not be the unspecified address; port 0
	// means the port of Bind.
	Advertise string
	// Claim is what the others are told of this node.
	Claim Claim

	// Seeds are host:port of nodes to ask while nobody is heard. A node that is
	// alone, or always has a record, needs none.
	Seeds []string
	// Registered names the members on record. It is called every 10 s from one
	// goroutine and must not block; the result is not changed. Optional, but
	// without it a long partition is for ever.
	Registered func() []Address

	// Logger is optional: silent when nil.
	Logger *slog.Logger

	strangers *atomic.Uint64 // of all journals

	// carry replaces the sockets in tests that cut cables.
	carry func(bind netip.AddrPort) (carrier, error)
}

// Address is where a member on record gossips.
type Address struct {
	Node cluster.NodeID
	// Addr is host:port; a host name is looked up each time.
	Addr string
}

// complete fills in what may be left out and refuses what cannot work.
func (c *Config) complete() error {
	if _, err := cluster.ParseNodeID(string(c.Node)); err != nil {
		return err
	}
	if n := len(c.Cluster); n == 0 || n > maxClusterIDLen {
		return fmt.Errorf("gossip: the cluster id has %d bytes, it must have 1 to %d", n, maxClusterIDLen)
	}
	if c.Registered == nil {
		c.Registered = func() []Address { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.strangers = new(atomic.Uint64)
	if c.carry == nil {
		lib := c.libraryLog()
		c.carry = func(bind netip.AddrPort) (carrier, error) { return listen(bind, lib) }
	}
	return nil
}

// libraryLog makes the logger that memberlist writes to.
func (c *Config) libraryLog() *log.Logger {
	j := newJournal(c.Logger)
	j.strangers = c.strangers
	return log.New(j, "", 0)
}

// addrs are what Bind and Advertise stand for.
func (c *Config) addrs() (bind, advertise netip.AddrPort, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	if bind, err = resolveOne(ctx, c.Bind); err != nil {
		return bind, advertise, fmt.Errorf("gossip: address to listen on: %w", err)
	}
	advertise = bind
	if c.Advertise != "" {
		if advertise, err = resolveOne(ctx, c.Advertise); err != nil {
			return bind, advertise, fmt.Errorf("gossip: address to advertise: %w", err)
		}
	}
	if advertise.Addr().IsUnspecified() {
		return bind, advertise, fmt.Errorf("gossip: other nodes cannot reach %s, give an address to advertise", advertise.Addr())
	}
	return bind, advertise, nil
}

// settings are the library's.
func (c *Config) settings(t *transport, keys *memberlist.Keyring, e *ears) *memberlist.Config {
	s := memberlist.DefaultLANConfig()
	s.Name = string(c.Node)
	s.Label = c.Cluster
	s.Keyring = keys
	s.Transport = t
	s.BindAddr, s.BindPort = t.advertise.Addr().String(), int(t.advertise.Port())
	s.AdvertiseAddr, s.AdvertisePort = s.BindAddr, s.BindPort
	s.ProbeInterval, s.ProbeTimeout, s.SuspicionMult = probeInterval, probeTimeout, suspicionMult
	s.GossipToTheDeadTime, s.DeadNodeReclaimTime = deadMemory, reclaimTime
	s.Delegate, s.Alive, s.Events, s.Conflict = e, e, e, e
	s.Logger = c.libraryLog()
	return s
}

// resolveOne prefers an IPv4 address where a name has both kinds.
func resolveOne(ctx context.Context, addr string) (netip.AddrPort, error) {
	found, err := resolve(ctx, addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for _, a := range found {
		if a.Addr().Is4() {
			return a, nil
		}
	}
	return found[0], nil
}

// resolve gives the addresses that host:port stands for, at least one. No host
// at all is the unspecified address.
func resolve(ctx context.Context, addr string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%q is not host:port", clip(addr))
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("the port of %q must be a number up to 65535", clip(addr))
	}
	if host == "" {
		host = "0.0.0.0"
	}
	ips := make([]netip.Addr, 1)
	if ips[0], err = netip.ParseAddr(host); err != nil {
		if ips, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			return nil, err
		}
	}
	if len(ips) == 0 {
		return nil, errors.New("no address for " + clip(host))
	}
	var found []netip.AddrPort
	for _, ip := range ips[:min(len(ips), maxAddrs)] {
		found = append(found, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return found, nil
}
