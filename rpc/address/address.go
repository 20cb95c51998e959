package address

import (
	"net"
	"net/netip"
	"strings"
)

// Loopback reports whether a host, without a port, is this machine and can be nothing
// else: in a URL that means an address of loopback, or localhost and all names below
// it. An IPv6 address may stand in brackets.
func Loopback(host string) bool {
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761, 6.3
		return strings.Trim(host, nameLetters) == ""
	}
	return isLoopback(host)
}

// nameLetters are what names of hosts are made of. Around anything else a URL may end
// sooner, as at a #, or begin later, as behind an @.
const nameLetters = "abcdefghijklmnopqrstuvwxyz0123456789-_."

// LoopbackPort reports whether host:port, to listen at or to dial, is reached from
// this machine alone. Names below localhost do not count: a resolver is asked for
// them, which may say anything.
func LoopbackPort(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && (host == "localhost" || isLoopback(host))
}

func isLoopback(text string) bool {
	ip := net.ParseIP(text)
	return ip != nil && ip.IsLoopback()
}

// Network is what one customer of a provider has: an address, or 64 bits of IPv6. It
// is the zero prefix for the zero address.
func Network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // fails only for more bits than there are
	return p
}
