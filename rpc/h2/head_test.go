package h2

import (
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
)

func TestTimeouts(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond, "5u": 5 * time.Microsecond,
		"6n": 6, "99999999n": 99_999_999, "99999999H": 1<<63 - 1, "0S": 0,
	} {
		if got, ok := readTimeout(text); !ok || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "S", "1", "1s", "123456789S", "-1S", "1.5S", "+1S", " 1S", "1 S"} {
		if got, ok := readTimeout(text); ok {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

// fields are those of a good request, with changes: a value of "" takes the
// field away.
func fields(changes ...string) []hpack.HeaderField {
	all := []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/s/m"},
		{Name: ":authority", Value: "here"}, {Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
	}
	for i := 0; i < len(changes); i += 2 {
		kept := all[:0]
		for _, f := range all {
			if f.Name != changes[i] {
				kept = append(kept, f)
			}
		}
		all = kept
		if changes[i+1] != "" {
			all = append(all, hpack.HeaderField{Name: changes[i], Value: changes[i+1]})
		}
	}
	return all
}

func TestRequestsAreChecked(t *testing.T) {
	for name, test := range map[string]struct {
		fields []hpack.HeaderField
		http   int
		code   codes.Code
	}{
		"good":                   {fields(), 0, codes.OK},
		"host instead":           {fields(":authority", "", "host", "here"), 0, codes.OK},
		"both":                   {fields("host", "there"), 0, codes.OK},
		"a subtype":              {fields("content-type", "application/grpc+proto"), 0, codes.OK},
		"a parameter":            {fields("content-type", "application/grpc;x=y"), 0, codes.OK},
		"another type":           {fields("content-type", "application/grpcx"), 415, codes.InvalidArgument},
		"no type":                {fields("content-type", ""), 415, codes.InvalidArgument},
		"no authority":           {fields(":authority", ""), 400, codes.Internal},
		"two hosts":              {append(fields("host", "a"), hpack.HeaderField{Name: "host", Value: "b"}), 400, codes.Internal},
		"GET":                    {fields(":method", "GET"), 405, codes.Internal},
		"a bad timeout":          {fields("grpc-timeout", "soon"), 400, codes.Internal},
		"no time left":           {fields("grpc-timeout", "0m"), 200, codes.DeadlineExceeded},
		"bad binary":             {fields("x-bin", "*"), 400, codes.Internal},
		"compressed":             {fields("grpc-encoding", "gzip"), 200, codes.Unimplemented},
		"called not compressed":  {fields("grpc-encoding", "identity"), 0, codes.OK},
		"everything is reserved": {fields("grpc-status", "5", "grpc-message", "x"), 0, codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			h := readHead(test.fields)
			refused, err := h.check()
			switch {
			case err != nil:
				t.Fatal(err)
			case refused == nil && test.code == codes.OK:
				if got := h.metadata[":authority"]; len(got) != 1 || got[0] != "here" {
					t.Errorf("the authority is %q", got)
				}
				if len(h.metadata["te"])+len(h.metadata["grpc-status"])+len(h.metadata[":path"]) > 0 {
					t.Errorf("metadata holds what is the protocol's own: %v", h.metadata)
				}
			case refused == nil || refused.http != test.http || refused.Code() != test.code:
				t.Errorf("got %+v, want %d and %v", refused, test.http, test.code)
			}
		})
	}
	if _, err := readHead(fields("connection", "close")).check(); err == nil {
		t.Error("a connection header is let pass")
	}
}

func TestMetadata(t *testing.T) {
	h := readHead(append(fields("user-agent", "me", "k", "1", "x-bin", "AAE="), hpack.HeaderField{Name: "k", Value: "2"}, hpack.HeaderField{Name: "x-bin", Value: "AAE"}))
	for name, want := range map[string][]string{"user-agent": {"me"}, "k": {"1", "2"}, "x-bin": {"\x00\x01", "\x00\x01"}} {
		got := h.metadata[name]
		if len(got) != len(want) {
			t.Fatalf("%s is %q, want %q", name, got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
}

// A request whose head is the last one's again shares its metadata, and nothing
// else is taken for it.
func TestHabits(t *testing.T) {
	whole := fields("authorization", "me", "grpc-timeout", "5S")
	var u habit
	h, repeated := u.read(whole)
	if _, err := h.check(); err != nil || repeated {
		t.Fatalf("the first head: repeated %v, %v", repeated, err)
	}
	u.keep(whole, h)
	for name, test := range map[string]struct {
		fields   []hpack.HeaderField
		repeated bool
		timeout  time.Duration
		wrong    bool
	}{
		"the same":        {fields("authorization", "me", "grpc-timeout", "5S"), true, 5 * time.Second, false},
		"another timeout": {fields("authorization", "me", "grpc-timeout", "7m"), true, 7 * time.Millisecond, false},
		"a bad timeout":   {fields("authorization", "me", "grpc-timeout", "soon"), true, 0, true},
		"no timeout":      {fields("authorization", "me"), false, 0, false},
		"somebody else":   {fields("authorization", "you", "grpc-timeout", "5S"), false, 5 * time.Second, false},
		"another path":    {fields("authorization", "me", "grpc-timeout", "5S", ":path", "/s/Other"), false, 5 * time.Second, false},
		"another field":   {fields("x-authorization", "me", "grpc-timeout", "5S"), false, 5 * time.Second, false},
		"one field more":  {append(fields("authorization", "me", "grpc-timeout", "5S"), hpack.HeaderField{Name: "k", Value: "1"}), false, 5 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			again, repeated := u.read(test.fields)
			if repeated != test.repeated || again.timeout != test.timeout || (again.wrong != "") != test.wrong {
				t.Errorf("repeated %v, a timeout of %v, wrong: %q", repeated, again.timeout, again.wrong)
			}
			plain := readHead(test.fields)
			if again.path != plain.path || first(again.metadata["authorization"]) != first(plain.metadata["authorization"]) {
				t.Errorf("read as %+v, is %+v", again, plain)
			}
		})
	}
}
