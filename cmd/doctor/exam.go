package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cmd/endpoint"
)

// Config says what to examine, and as whom.
type Config struct {
	// Endpoint is what clients are given.
	Endpoint endpoint.Endpoint
	// Derived: clients derive names from the endpoint, as the SDKs do by
	// themselves. Else everything is at the endpoint itself, to which SDKs are
	// pointed by overrides.
	Derived bool
	// TLS: the client port is to speak TLS. It must be set when Derived is.
	TLS bool
	// Address, host:port, is connected to in place of every name; empty looks
	// names up.
	Address string
	// Resolve has names lead to addresses, whatever DNS says.
	Resolve map[string]netip.Addr
	// Roots are the authorities to trust beside those of this machine, and
	// RootsFile where they came from; nil for none.
	Roots     []*x509.Certificate
	RootsFile string
	// Credential is the raw key or token, and Wrapped the text in which it came
	// with an endpoint around it; both may be empty.
	Credential, Wrapped string
	// Cache is one to subscribe in; empty takes the first that can be found.
	Cache string
	// Origin is that of pages that are to reach the broker; empty leaves them out.
	Origin string
	// Version is that of this program; empty compares none.
	Version string
	// Timeout bounds each step.
	Timeout time.Duration

	// Now is the local clock; nil is the machine's.
	Now func() time.Time
	// Lookup asks DNS; nil is the machine's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Pings is how many HTTP/2 pings are sent; 0 is as many as show that somebody
	// minds. PingPause is how long to wait between two of them; 0 is somewhat more
	// than brokers want clients to.
	Pings     int
	PingPause time.Duration
}

// Examine makes every check and returns what was found, in an order that stays
// the same. It returns early, with what it has, when ctx is done.
func Examine(ctx context.Context, c Config) []Finding {
	x := newExam(c)
	steps := [][]func(context.Context) []Finding{
		{x.names},
		{x.ports},
		{x.secured},
		{x.native, x.keepalive, x.pages, x.cors, x.plain, x.clock, x.version, x.credential, x.minted, x.streams},
	}
	var all []Finding
	for _, checks := range steps {
		if ctx.Err() != nil {
			break
		}
		all = append(all, together(ctx, checks)...)
	}
	discreet(all, c.Wrapped, c.Credential)
	return all
}

// together makes checks at the same time, and returns what they found in their
// order.
func together(ctx context.Context, checks []func(context.Context) []Finding) []Finding {
	found := make([][]Finding, len(checks))
	var running sync.WaitGroup
	for i, check := range checks {
		running.Go(func() { found[i] = check(ctx) })
	}
	running.Wait()
	return slices.Concat(found...)
}

// exam is one examination. What a step has found is written before the next one
// begins, and only read from then on.
type exam struct {
	Config
	hosts []*host
	trust *x509.CertPool // nil for what the machine trusts
	// bare: names were to be derived, and there are none below an address.
	bare bool
}

// host is a name under which clients come, and what is known of it.
type host struct {
	endpoint.Name
	addrs []netip.Addr
	// unusable says why later checks need not try; empty as long as they can.
	unusable string
	// trusted: its certificate is good. peers are what it sent.
	trusted bool
	state   tls.ConnectionState
}

func newExam(c Config) *exam {
	x := &exam{Config: c, trust: roots(c.Roots)}
	if x.Derived && x.Endpoint.IsAddress() {
		x.Derived, x.bare = false, true
	}
	if x.Now == nil {
		x.Now = time.Now
	}
	if x.Lookup == nil {
		x.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	x.PingPause, x.Pings = cmp.Or(x.PingPause, pingPause), cmp.Or(x.Pings, pings)
	for _, n := range c.Endpoint.Names() {
		switch {
		case n.Role == endpoint.Storage: // nobody serves it
		case x.Derived, n.Role == endpoint.Base:
			x.hosts = append(x.hosts, &host{Name: n})
		}
	}
	return x
}

// roots are these authorities and those of the machine; nil for the latter alone.
func roots(own []*x509.Certificate) *x509.CertPool {
	if len(own) == 0 {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, c := range own {
		pool.AddCert(c)
	}
	return pool
}

// at is the host that has the role, which is the only one when no names are
// derived.
func (x *exam) at(r endpoint.Role) *host {
	for _, h := range x.hosts {
		if h.Role == r {
			return h
		}
	}
	return x.hosts[len(x.hosts)-1]
}

// among returns the hosts of some roles, each once.
func (x *exam) among(roles ...endpoint.Role) (hosts []*host) {
	for _, r := range roles {
		if h := x.at(r); !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// needed reports whether clients fail without the name, rather than some of them.
func (x *exam) needed(h *host) bool {
	return !x.Derived || h.Role.Native() || h.Role.Web() && x.Origin != ""
}

// bad is a finding about a host: wrong when it is needed, else a warning.
func (x *exam) bad(check string, h *host, found, remedy string) Finding {
	if x.needed(h) {
		return wrong(check, found, remedy)
	}
	return warning(check, found, remedy)
}

// step bounds one step of a check.
func (x *exam) step(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, x.Timeout)
}

// each does the same for several hosts at once.
func each(hosts []*host, do func(*host)) {
	var running sync.WaitGroup
	for _, h := range hosts {
		running.Go(func() { do(h) })
	}
	running.Wait()
}

// dial connects to a host, where it is or where it is said to be.
func (x *exam) dial(ctx context.Context, name string) (net.Conn, error) {
	target := x.Address
	if target == "" {
		target = x.Endpoint.Address(name)
		if address, ok := x.Resolve[name]; ok {
			target = x.Endpoint.Address(address.String())
		}
	}
	return new(net.Dialer).DialContext(ctx, "tcp", target)
}

// settings are those of TLS for calls to a host. Its certificate was looked at
// before; what was wrong with it is said there, and nothing secret is sent to who
// has a bad one.
func (x *exam) settings(h *host, protocols ...string) *tls.Config {
	return &tls.Config{
		ServerName: h.Host, MinVersion: tls.VersionTLS12, NextProtos: protocols,
		InsecureSkipVerify: !h.trusted, //nolint:gosec // see above
		RootCAs:            x.trust, Time: x.Now,
	}
}

// connect is dial, and within TLS a handshake that offers those protocols.
func (x *exam) connect(ctx context.Context, h *host, protocols ...string) (net.Conn, error) {
	conn, err := x.dial(ctx, h.Host)
	if err != nil || !x.TLS {
		return conn, err
	}
	inner := tls.Client(conn, x.settings(h, protocols...))
	if err := inner.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return inner, nil
}

// proven reports whether a credential may be sent to a host.
func (x *exam) proven(h *host) bool { return !x.TLS || h.trusted }

// present is the credential for a host, empty when there is none or the host has
// not proved who it is.
func (x *exam) present(h *host) string {
	if !x.proven(h) {
		return ""
	}
	return x.Credential
}

// url is a path at a host.
func (x *exam) url(h *host, path string) string {
	scheme := "http"
	if x.TLS {
		scheme = "https"
	}
	return scheme + "://" + strings.TrimSuffix(x.Endpoint.Address(h.Host), defaultPorts[scheme]) + path
}

// defaultPorts are not written into URLs, as browsers do not.
var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

// reason is why something failed, in few words.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "no answer in time"
	}
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		if last := errors.Unwrap(operation.Err); last != nil {
			return last.Error()
		}
		return operation.Err.Error()
	}
	return err.Error()
}
