package endpoint

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text, host, address string
		port                int
		isAddress           bool
	}{
		{"mayfly.example.com", "mayfly.example.com", "mayfly.example.com:443", 0, false},
		{" Mayfly.Example.COM\n", "mayfly.example.com", "mayfly.example.com:443", 0, false},
		{"mayfly.example.com:8443", "mayfly.example.com", "mayfly.example.com:8443", 8443, false},
		{"localhost", "localhost", "localhost:443", 0, false},
		{"10.0.0.1", "10.0.0.1", "10.0.0.1:443", 0, true},
		{"10.0.0.1:8080", "10.0.0.1", "10.0.0.1:8080", 8080, true},
		{"[::1]:8080", "::1", "[::1]:8080", 8080, true},
		{"::1", "::1", "[::1]:443", 0, true},
	} {
		e, err := Parse(tt.text)
		if err != nil || e.Host != tt.host || e.Port != tt.port || e.IsAddress() != tt.isAddress || e.Address(e.Host) != tt.address {
			t.Errorf("%q is %+v, %v, want %+v", tt.text, e, err, tt)
		}
		if back, err := Parse(e.String()); err != nil || back != e {
			t.Errorf("%q becomes %q, which is %+v, %v", tt.text, e.String(), back, err)
		}
	}
	for _, tt := range []struct{ text, says string }{
		{"", "empty"},
		{"https://mayfly.example.com", "without a scheme"},
		{"mayfly.example.com/", "without a scheme"},
		{"mayfly.example.com:0", "no port"},
		{"mayfly.example.com:99999", "no port"},
		{"may fly", "holds"},
		{"mayfly..com", "no label"},
		{"-mayfly.com", "no label"},
		{"*.mayfly.com", "holds"},
		{strings.Repeat("a.", 121) + "b", "longest"},
		{strings.Repeat("a", 64), "no label"},
		{"a:b:c", "holds"},
	} {
		if e, err := Parse(tt.text); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q is %+v, %v, want an error that says %q", tt.text, e, err, tt.says)
		}
	}
}

// What SDKs derive is written down in full, so that a slip in the table shows.
func TestNames(t *testing.T) {
	e, err := Parse("mayfly.example.com:8443")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range e.Names() {
		got = append(got, n.Host)
		if n.Role.For() == "" {
			t.Errorf("nobody needs %s", n.Host)
		}
	}
	want := []string{
		"cache.mayfly.example.com", "control.mayfly.example.com", "token.mayfly.example.com", "storage.mayfly.example.com",
		"web.cache.mayfly.example.com", "web.control.mayfly.example.com", "web.token.mayfly.example.com",
		"api.cache.mayfly.example.com", "mayfly.example.com",
	}
	if !slices.Equal(got, want) {
		t.Errorf("names are %q, want %q", got, want)
	}
	if e.Name(WebToken) != "web.token.mayfly.example.com" || e.Name(Base) != "mayfly.example.com" {
		t.Errorf("%q, %q", e.Name(WebToken), e.Name(Base))
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"mayfly.example.com", "[::1]:80", "10.0.0.1", "a:b", "[", "x:1:2", "a.b:65535"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		if back, err := Parse(e.String()); err != nil || back != e {
			t.Errorf("%q is %+v, and its text %q is %+v, %v", text, e, e.String(), back, err)
		}
	})
}
