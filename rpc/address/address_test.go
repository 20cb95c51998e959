package address

import (
	"net/netip"
	"testing"
)

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "app.localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "[::1]": true,
		"": false, "evil.example#.localhost": false, "evil.example/.localhost": false, "a:b@c.localhost": false, "localhost.example": false, "notlocalhost": false, "10.0.0.1": false, "::": false, "0.0.0.0": false, "localhost:80": false,
	} {
		if Loopback(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
	for addr, want := range map[string]bool{
		"localhost:1": true, "127.0.0.1:1": true, "[::1]:1": true,
		"app.localhost:1": false, "LOCALHOST:1": false, ":1": false, "0.0.0.0:1": false, "[::]:1": false, "127.0.0.1": false, "": false, "10.0.0.1:1": false,
	} {
		if LoopbackPort(addr) != want {
			t.Errorf("%q: %v", addr, !want)
		}
	}
}

func TestNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8::1:2:3:4": "2001:db8::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Network(netip.MustParseAddr(text)); got.String() != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if got := Network(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("the zero address: %s", got)
	}
}
