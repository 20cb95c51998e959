package web

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mayfly-broker/mayfly/rpc/address"
)

// anyOrigin stands for all origins in a list.
const anyOrigin = "*"

// CheckOrigins names the first text that no browser would send as an origin.
func CheckOrigins(origins []string) error {
	for _, origin := range origins {
		if origin == anyOrigin {
			continue
		}
		u, err := url.Parse(origin)
		switch {
		case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https", u.Scheme+"://"+u.Host != origin,
			strings.ToLower(origin) != origin, strings.Contains(origin, anyOrigin):
			return fmt.Errorf("origin %q: want scheme://host or scheme://host:port in lower case and nothing behind, such as https://chat.example; or * alone", origin)
		}
	}
	return nil
}

// What pages may send and read, beside what they always may. Names of headers are
// listed one by one, since * would not cover Authorization.
const (
	allowMethods  = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
	allowHeaders  = "authorization, cache, agent, runtime-version, read-concern, content-type, accept, x-grpc-web, x-user-agent, grpc-timeout, last-event-id"
	exposeHeaders = "grpc-status, grpc-message, err, mayfly-outcome"
	preflightAge  = "86400" // seconds, which browsers cut to what they like
)

// guarded keeps out pages that have no business here. In open mode a browser on
// this machine is a way around the loopback address: any page in it could send
// requests. So the origin of a page must be among those that are allowed, and the
// name that it reached us by must be this machine's own, or a page could have its
// own name resolved to this address.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open := s.config.Gate.Open()
		if open && !loopback(r.Host) {
			refuse(w, http.StatusMisdirectedRequest, "FAILED_PRECONDITION", "While no API key exists this node answers to localhost and 127.0.0.1 only.")
			return
		}
		origin := r.Header.Get("Origin")
		if origin == "" {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Add("Vary", "Origin")
		if !s.allowed(origin, r, open) {
			refuse(w, http.StatusForbidden, "PERMISSION_DENIED", "Pages of this origin may not call this node; --allow-origins on the node changes that.")
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true") // there are none but those a page sends itself
		h.Set("Access-Control-Expose-Headers", exposeHeaders)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			s.turnAway()
			h.Set("Access-Control-Allow-Methods", allowMethods)
			h.Set("Access-Control-Allow-Headers", s.pageHeaders)
			h.Set("Access-Control-Max-Age", preflightAge)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// allowed reports whether pages of the origin may call.
func (s *Server) allowed(origin string, r *http.Request, open bool) bool {
	scheme, host, _ := strings.Cut(origin, "://")
	switch {
	case scheme != "http" && scheme != "https":
		return false // "null", for instance, which every sandbox has
	case strings.EqualFold(host, r.Host): // our own pages
		return true
	case len(s.config.Origins) == 0:
		return loopback(host)
	default:
		return slices.Contains(s.config.Origins, origin) || !open && slices.Contains(s.config.Origins, anyOrigin)
	}
}

// loopback reports whether the host of a URL, with or without a port, is this
// machine and can be nothing else.
func loopback(host string) bool {
	if name, port, err := net.SplitHostPort(host); err == nil && strings.Trim(port, "0123456789") == "" {
		host = name // and what has no number behind the colon is no host at all
	}
	return address.Loopback(host)
}
