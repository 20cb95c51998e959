package web

import (
	"net/http/httptest"
	"testing"
)

// Whoever writes an address into a header is not believed, unless it is a proxy that
// is trusted; and then no further than to the first stranger.
func TestWhoSentARequest(t *testing.T) {
	for name, test := range map[string]struct {
		proxies   []string
		remote    string
		forwarded []string
		want      string
	}{
		"nobody between":             {nil, "192.0.2.1:1234", nil, "192.0.2.1"},
		"a liar":                     {nil, "192.0.2.1:1234", []string{"198.51.100.1"}, "192.0.2.1"},
		"a liar beside a proxy":      {[]string{"10.0.0.0/8"}, "192.0.2.1:1234", []string{"10.0.0.1, 198.51.100.1"}, "192.0.2.1"},
		"a proxy":                    {[]string{"10.0.0.0/8"}, "10.0.0.1:1234", []string{"192.0.2.1"}, "192.0.2.1"},
		"one address as a proxy":     {[]string{"10.0.0.1"}, "10.0.0.1:1234", []string{"192.0.2.1"}, "192.0.2.1"},
		"not that one":               {[]string{"10.0.0.1"}, "10.0.0.2:1234", []string{"192.0.2.1"}, "10.0.0.2"},
		"a proxy, quiet":             {[]string{"10.0.0.0/8"}, "10.0.0.1:1234", nil, "10.0.0.1"},
		"a liar behind a proxy":      {[]string{"10.0.0.0/8"}, "10.0.0.1:1234", []string{"198.51.100.1, 192.0.2.1"}, "192.0.2.1"},
		"in several headers":         {[]string{"10.0.0.0/8"}, "10.0.0.1:1234", []string{"198.51.100.1", "192.0.2.1"}, "192.0.2.1"},
		"two proxies":                {[]string{"10.0.0.0/8"}, "10.0.0.1:1234", []string{"192.0.2.1,10.0.0.2"}, "192.0.2.1"},
		"proxies all the way":        {[]string{"10.0.0.0/8"}, "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"with a port":                {[]string{"10.0.0.0/8"}, "10.0.0.1:1234", []string{"192.0.2.1:999"}, "192.0.2.1"},
		"IPv6":                       {[]string{"::1"}, "[::1]:1234", []string{"2001:db8::1"}, "2001:db8::1"},
		"IPv6 with a port":           {[]string{"::1"}, "[::1]:1234", []string{"[2001:db8::1]:99"}, "2001:db8::1"},
		"IPv6 in brackets":           {[]string{"::1"}, "[::1]:1234", []string{"[2001:db8::1]"}, "2001:db8::1"},
		"IPv4 in IPv6":               {[]string{"::ffff:10.0.0.1"}, "[::ffff:10.0.0.1]:1234", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		"nonsense behind a proxy":    {[]string{"10.0.0.0/8"}, "10.0.0.1:1234", []string{"192.0.2.1, unknown"}, "10.0.0.1"},
		"an empty one at the end":    {[]string{"10.0.0.0/8"}, "10.0.0.1:1234", []string{"192.0.2.1,"}, "10.0.0.1"},
		"from where nobody can know": {[]string{"10.0.0.0/8"}, "pipe", []string{"192.0.2.1"}, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, newKeyring(t).gate(t), nil)
			var err error
			if s.config.Proxies, err = ParseProxies(test.proxies); err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = test.remote
			r.Header["X-Forwarded-For"] = test.forwarded
			if got := s.from(r).String(); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestParseProxies(t *testing.T) {
	for _, bad := range []string{"", "proxy", "10.0.0.1/8", "10.0.0.0/33", "*", "10.0.0.1:80"} {
		if _, err := ParseProxies([]string{"10.0.0.0/8", bad}); err == nil {
			t.Errorf("%q is taken for a proxy", bad)
		}
	}
}
