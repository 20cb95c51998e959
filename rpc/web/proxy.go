package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/grpc/peer"
)

// maxRelays bounds how many addresses of a request's way are looked at.
const maxRelays = 16

// ParseProxies reads networks and addresses of proxies. It names the first text that
// is neither.
func ParseProxies(texts []string) ([]netip.Prefix, error) {
	var proxies []netip.Prefix
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			proxies = append(proxies, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil || network.Masked() != network {
			return nil, fmt.Errorf("proxy %q: want an address such as 10.0.0.5, or a network such as 10.0.0.0/24", text)
		}
		proxies = append(proxies, network)
	}
	return proxies, nil
}

// from is the address of whoever sent the request: who is at the other end of the
// connection or, if that is a proxy that is trusted, who that says it was. Each
// proxy adds an address at the end of X-Forwarded-For, so what a client wrote into it
// stands before what was seen of the client.
func (s *Server) from(r *http.Request) netip.Addr {
	from := readAddress(r.RemoteAddr)
	way := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for range maxRelays {
		if len(way) == 0 || !s.isProxy(from) {
			break
		}
		before := readAddress(strings.TrimSpace(way[len(way)-1]))
		if !before.IsValid() {
			break
		}
		from, way = before, way[:len(way)-1]
	}
	return from
}

// introduced has calls know where they come from, as those over native gRPC do.
func (s *Server) introduced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr := &peer.Peer{Addr: &net.TCPAddr{IP: s.from(r).AsSlice()}}
		next.ServeHTTP(w, r.WithContext(peer.NewContext(r.Context(), addr)))
	})
}

func (s *Server) isProxy(addr netip.Addr) bool { return isAmong(addr, s.config.Proxies) }

func isAmong(addr netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr.WithZone("")) })
}

// readAddress reads an address with or without a port; what is none is the zero one.
func readAddress(text string) netip.Addr {
	if with, err := netip.ParseAddrPort(text); err == nil {
		return with.Addr().Unmap()
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}
