package hook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrForbidden says that a delivery would have gone to an address that webhooks
// may not reach.
var ErrForbidden = errors.New("hook: webhooks may not reach this address")

// Guard decides where webhooks may lead. A user who may put a webhook does not
// thereby get to talk to what only this machine can reach: its own services, its
// network, the metadata service of its cloud. So what is not public is refused,
// unless an operator has allowed it. A Guard is safe for concurrent use.
type Guard struct {
	prefixes []netip.Prefix
	hosts    map[string]bool
	resolver *net.Resolver // nil is the system's
}

// NewGuard makes a guard that also lets through what is allowed: addresses,
// networks in CIDR form, and names of hosts, whatever these resolve to.
func NewGuard(allow []string) (*Guard, error) {
	g := &Guard{hosts: make(map[string]bool)}
	for _, entry := range allow {
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			g.prefixes = append(g.prefixes, prefix.Masked())
			continue
		}
		if addr, err := netip.ParseAddr(entry); err == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			g.prefixes = append(g.prefixes, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		if !isHostName(entry) || endsInNumber(entry) {
			return nil, fmt.Errorf("%q is no network, address or host; want something like 10.0.0.0/8, 192.168.1.7 or hooks.internal", entry)
		}
		g.hosts[canonical(entry)] = true
	}
	return g, nil
}

// canonical is a host's name as it is compared.
func canonical(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// isHostName reports whether s could be a name in the DNS.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, r := range label {
			if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
				return false
			}
		}
	}
	return true
}

// endsInNumber reports whether some resolvers take a name for an IPv4 address,
// as in 2130706433, 0177.0.0.1, 127.1 or 0x7f.0.0.1. No name of the DNS ends in a
// number, so one that does is an attempt at something.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// CheckURL says why a webhook may not post to a URL, in words for whoever put it.
// It asks no resolver: what a name stands for is looked at when it is dialled.
func (g *Guard) CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Host == "":
		return errors.New("the URL is not absolute, want something like https://example.com/hook")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the URL's scheme must be http or https")
	case u.User != nil:
		return errors.New("the URL holds a user or a password; receivers know a webhook by its signature")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("the URL's port must be from 1 to 65535")
		}
	}
	return g.checkHost(u.Hostname())
}

func (g *Guard) checkHost(host string) error {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" || !g.permits(addr) {
			return errors.New("webhooks may not reach this address; an operator can allow it with --webhook-allow")
		}
		return nil
	}
	name := canonical(host)
	switch {
	case !isHostName(host):
		return errors.New("the URL's host is neither a name of the DNS, in its ASCII form, nor an IP address")
	case endsInNumber(host):
		return errors.New("the URL's host ends in a number: write an IPv4 address as four decimal numbers without leading zeros")
	case g.hosts[name]:
		return nil
	case name == "localhost" || strings.HasSuffix(name, ".localhost"):
		if !g.permits(netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
			return errors.New("webhooks may not reach this machine; an operator can allow it with --webhook-allow")
		}
	}
	return nil
}

// DialContext connects to an address that webhooks may reach, or fails with
// ErrForbidden. The address is looked at when the name is resolved and nothing is
// sent yet, so a name that stands for another address a moment later gains
// nothing by it.
func (g *Guard) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: attemptTime, Resolver: g.resolver}
	if !g.hosts[canonical(host)] {
		dialer.Control = g.control
	}
	return dialer.DialContext(ctx, network, addr)
}

// control is called with each address that is about to be dialled.
func (g *Guard) control(network, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !strings.HasPrefix(network, "tcp") || !g.permits(at.Addr()) {
		return ErrForbidden
	}
	return nil
}

// permits reports whether an address is public, or allowed. An IPv4 address in
// IPv6 clothes counts as what is in them.
func (g *Guard) permits(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if within(g.prefixes, addr) {
		return true
	}
	if addr.Is4() {
		return !within(refused4, addr)
	}
	return public6.Contains(addr) && !within(refused6, addr)
}

func within(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func networks(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// The registries of special-purpose addresses (RFC 6890 and its updates). Of IPv6
// only what is given out for public use is public, so that loopback, unique local
// (fc00::/7, where a cloud keeps fd00:ec2::254), link-local, multicast, the
// unspecified address and NAT64 (64:ff9b::/96, 64:ff9b:1::/48) need no line.
var (
	refused4 = networks(
		"0.0.0.0/8",       // this host; 0.0.0.0 reaches loopback
		"10.0.0.0/8",      // private
		"100.64.0.0/10",   // shared by carriers, and by clouds for services of their own
		"127.0.0.0/8",     // loopback
		"169.254.0.0/16",  // link-local, with 169.254.169.254
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // relays of 6to4
		"192.168.0.0/16",  // private
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, and broadcast
	)
	public6  = netip.MustParsePrefix("2000::/3")
	refused6 = networks(
		"2001::/23",     // protocol assignments, with Teredo, which holds IPv4 addresses
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4, which holds IPv4 addresses
		"3fff::/20",     // documentation
	)
)
