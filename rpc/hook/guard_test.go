package hook

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func guard(t *testing.T, allow ...string) *Guard {
	t.Helper()
	g, err := NewGuard(allow)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestURLs(t *testing.T) {
	g := guard(t, "10.1.0.0/16", "hooks.internal", "fd12::/16")
	for url, good := range map[string]bool{
		"https://example.com/hook?a=b":  true,
		"http://example.com:8080":       true,
		"https://93.184.215.14/":        true,
		"https://[2606:2800:21f::1]/":   true,
		"http://10.1.2.3/":              true,
		"http://[::ffff:10.1.2.3]/":     true,
		"http://[fd12::1]/":             true,
		"http://HOOKS.internal./":       true,
		"http://xn--mnchen-3ya.example": true,
		"http://a_b.example/":           true,

		"":                                  false,
		"example.com":                       false,
		"/hook":                             false,
		"https:///hook":                     false,
		"https:example.com":                 false,
		"ftp://example.com/":                false,
		"file:///etc/passwd":                false,
		"gopher://example.com/":             false,
		"https://user@example.com/":         false,
		"https://user:password@example.com": false,
		"https://@example.com/":             false,
		"https://example.com:0/":            false,
		"https://example.com:/":             false,
		"https://example.com:65536/":        false,
		"https://exa mple.com/":             false,
		"https://exämple.com/":              false,
		"https://example..com/":             false,
		"https://%65xample.com\x7f/":        false,

		// Loopback and this machine, in all their spellings.
		"http://127.0.0.1/":            false,
		"http://127.9.9.9:8080/":       false,
		"http://localhost/":            false,
		"http://LOCALHOST./":           false,
		"http://a.localhost/":          false,
		"http://[::1]/":                false,
		"http://[::]/":                 false,
		"http://0.0.0.0/":              false,
		"http://0/":                    false,
		"http://127.1/":                false,
		"http://2130706433/":           false,
		"http://0177.0.0.1/":           false,
		"http://0x7f000001/":           false,
		"http://0x7f.0.0.1/":           false,
		"http://0x7F.0x1/":             false,
		"http://127.0.0.1./":           false,
		"http://127.0.0.0x1/":          false,
		"http://127.0.0.01/":           false,
		"http://1２7.0.0.1/":            false,
		"http://①②⑦.0.0.1/":            false,
		"http://%31%32%37.0.0.1/":      false,
		"http://[::ffff:127.0.0.1]/":   false,
		"http://[::ffff:7f00:1]/":      false,
		"http://[::127.0.0.1]/":        false,
		"http://[64:ff9b::127.0.0.1]/": false,
		"http://[64:ff9b:1::7f00:1]/":  false,
		"http://[2002:7f00:1::]/":      false,
		"http://[2001:0:7f00:1::]/":    false,
		// The networks behind it, and the services of clouds.
		"http://10.0.0.1/":                  false,
		"http://172.31.255.255/":            false,
		"http://192.168.0.1/":               false,
		"http://100.100.100.200/":           false,
		"http://169.254.169.254/latest":     false,
		"http://[::ffff:169.254.169.254]/":  false,
		"http://[fd00:ec2::254]/":           false,
		"http://[fe80::1]/":                 false,
		"http://[fe80::1%25eth0]/":          false,
		"http://[2606:2800:21f::1%25eth0]/": false,
		"http://[fc00::1]/":                 false,
		"http://[ff02::1]/":                 false,
		"http://224.0.0.1/":                 false,
		"http://255.255.255.255/":           false,
		"http://192.0.2.1/":                 false,
		"http://[2001:db8::1]/":             false,
	} {
		if err := g.CheckURL(url); (err == nil) != good {
			t.Errorf("%q: %v", url, err)
		} else if err != nil && strings.Contains(url, "://") && strings.Contains(err.Error(), url) {
			t.Errorf("%q is in the refusal", url)
		}
	}
}

func TestWhatIsAllowed(t *testing.T) {
	g := guard(t, "127.0.0.0/8", "192.168.1.7", "::ffff:10.0.0.1", "fd00::/8")
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::ffff:127.0.0.1": true, "192.168.1.7": true, "192.168.1.8": false, "10.0.0.1": true,
		"10.0.0.2": false, "fd00:ec2::254": true, "::1": false, "8.8.8.8": true, "fe80::1%lo": false,
		"64:ff9b::7f00:1": false,
	} {
		if got := g.permits(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if err := guard(t, "127.0.0.1").CheckURL("http://localhost:9/"); err != nil {
		t.Errorf("localhost, with loopback allowed: %v", err)
	}
	for _, bad := range []string{"", "10.0.0.0/33", "http://example.com", "a b", "127.1", "0x7f000001", "*.example.com", "fe80::1%lo", "host:80"} {
		if _, err := NewGuard([]string{bad}); err == nil {
			t.Errorf("%q is allowed as something", bad)
		}
	}
}

// resolver answers questions for addresses with the next of its answers, over a
// pipe instead of a network.
type resolver struct {
	t       *testing.T
	mu      sync.Mutex
	answers []string
}

func (r *resolver) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	go func() {
		defer func() { _ = far.Close() }()
		for {
			head := make([]byte, 2)
			if _, err := far.Read(head[:1]); err != nil {
				return
			}
			if _, err := far.Read(head[1:]); err != nil {
				return
			}
			question := make([]byte, int(head[0])<<8|int(head[1]))
			for n := 0; n < len(question); {
				k, err := far.Read(question[n:])
				if err != nil {
					return
				}
				n += k
			}
			answer := r.answer(question)
			if _, err := far.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)); err != nil {
				return
			}
		}
	}()
	return near, nil // a stream, so it speaks DNS as over TCP
}

func (r *resolver) answer(question []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		r.t.Error(err)
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		r.mu.Lock()
		addr := netip.MustParseAddr(r.answers[0])
		if len(r.answers) > 1 {
			r.answers = r.answers[1:]
		}
		r.mu.Unlock()
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
			Body:   &dnsmessage.AResource{A: addr.As4()},
		}}
	}
	packed, err := m.Pack()
	if err != nil {
		r.t.Error(err)
	}
	return packed
}

// A name may stand for one address when it is looked at and for another one when
// it is dialled: only the one that is dialled counts.
func TestResolverThatChangesItsMind(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	dial := func(g *Guard, host string, answers ...string) error {
		r := &resolver{t: t, answers: answers}
		g.resolver = &net.Resolver{PreferGo: true, Dial: r.dial}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		conn, err := g.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	for _, answer := range []string{"127.0.0.1", "0.0.0.0", "10.0.0.1", "169.254.169.254", "192.168.7.7"} {
		if err := dial(guard(t), "rebind.test", answer); !errors.Is(err, ErrForbidden) {
			t.Errorf("a name for %s: %v", answer, err)
		}
	}
	g := guard(t, "127.0.0.2")
	if err := dial(g, "rebind.test", "127.0.0.2", "127.0.0.1"); errors.Is(err, ErrForbidden) {
		t.Errorf("the address that is allowed: %v", err)
	}
	if err := dial(g, "rebind.test", "127.0.0.1"); !errors.Is(err, ErrForbidden) {
		t.Errorf("the same name for another one: %v", err)
	}
	if err := dial(guard(t, "rebind.test"), "rebind.test", "127.0.0.1"); err != nil {
		t.Errorf("a host that is allowed by name: %v", err)
	}
	if err := dial(guard(t, "rebind.test"), "other.test", "127.0.0.1"); !errors.Is(err, ErrForbidden) {
		t.Errorf("another host for the same address: %v", err)
	}
	for _, literal := range []string{"127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"} {
		if err := dial(guard(t), literal, "8.8.8.8"); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s itself: %v", literal, err)
		}
	}
}
