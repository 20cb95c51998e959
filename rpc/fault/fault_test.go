package fault

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	get       = "/cache_client.Scs/Get"
	publish   = "/cache_client.pubsub.Pubsub/Publish"
	subscribe = "/cache_client.pubsub.Pubsub/Subscribe"
)

// headers are those of a call.
type headers map[string]string

func (h headers) get(name string) string { return h[name] }

func newInjector(t *testing.T, seed uint64, rate float64) *Injector {
	t.Helper()
	in, err := NewInjector(seed, rate)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestHeadersLetCallsFail(t *testing.T) {
	for name, c := range map[string]struct {
		method  string
		headers headers
		want    codes.Code
	}{
		"none":                 {get, headers{}, codes.OK},
		"this call":            {get, headers{"error-rpcs": "set get", "return-error": "unavailable"}, codes.Unavailable},
		"another call":         {get, headers{"error-rpcs": "set get-batch", "return-error": "unavailable"}, codes.OK},
		"a name of two words":  {get, headers{"error-rpcs": "get", "return-error": "resource-exhausted"}, codes.ResourceExhausted},
		"British cancelled":    {get, headers{"error-rpcs": "get", "return-error": "cancelled"}, codes.Canceled},
		"American canceled":    {get, headers{"error-rpcs": "get", "return-error": "canceled"}, codes.Canceled},
		"a publish":            {publish, headers{"error-rpcs": "topic-publish", "return-error": "internal"}, codes.Internal},
		"by its method's name": {"/cache_client.Scs/SetIfNotExists", headers{"error-rpcs": "set-if-not-exists", "return-error": "internal"}, codes.Internal},
		"by the SDK's name":    {"/cache_client.Scs/SetIfNotExists", headers{"error-rpcs": "set-if", "return-error": "internal"}, codes.Internal},
		"no such error":        {get, headers{"error-rpcs": "get", "return-error": "sorry"}, codes.InvalidArgument},
		"no error":             {get, headers{"error-rpcs": "get"}, codes.InvalidArgument},
		"ok is no error":       {get, headers{"error-rpcs": "get", "return-error": "o-k"}, codes.InvalidArgument},
		"a count that is none": {get, headers{"error-rpcs": "get", "return-error": "internal", "error-count": "many"}, codes.InvalidArgument},
		"a delay that is none": {get, headers{"delay-rpcs": "get", "delay-ms": "-1"}, codes.InvalidArgument},
		"mistakes elsewhere":   {get, headers{"error-rpcs": "set", "return-error": "sorry", "error-count": "many"}, codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			_, broken, err := newInjector(t, 0, 0).Call(t.Context(), c.method, false, c.headers.get)
			if status.Code(err) != c.want || broken != nil {
				t.Errorf("%v, stream %v, want %v", err, broken, c.want)
			}
		})
	}
}

func TestCountsBelongToTheRequest(t *testing.T) {
	in := newInjector(t, 0, 0)
	call := func(request string) bool {
		h := headers{"request-id": request, "error-rpcs": "get", "return-error": "unavailable", "error-count": "2"}
		_, _, err := in.Call(t.Context(), get, false, h.get)
		return err != nil
	}
	var failed []bool
	for _, request := range []string{"a", "b", "a", "a", "b", "b", "a"} {
		failed = append(failed, call(request))
	}
	if want := []bool{true, true, true, false, true, false, false}; !slices.Equal(failed, want) {
		t.Errorf("failed: %v, want %v", failed, want)
	}
}

func TestRequestsAreForgottenInTime(t *testing.T) {
	in := newInjector(t, 0, 0)
	for i := range maxRequests + 10 {
		h := headers{"request-id": time.Duration(i).String(), "error-rpcs": "get", "return-error": "unavailable", "error-count": "1"}
		_, _, _ = in.Call(t.Context(), get, false, h.get)
	}
	if n := len(in.requests); n > maxRequests {
		t.Errorf("%d requests are remembered, want at most %d", n, maxRequests)
	}
}

func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInjector(t, 0, 0)
		h := headers{"request-id": "a", "delay-rpcs": "get", "delay-ms": "700", "delay-count": "1"}
		for _, want := range []time.Duration{700 * time.Millisecond, 0} {
			began := time.Now()
			if _, _, err := in.Call(t.Context(), get, false, h.get); err != nil || time.Since(began) != want {
				t.Errorf("%v late, %v, want %v", time.Since(began), err, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := in.Call(ctx, get, false, headers{"delay-rpcs": "get", "delay-ms": "5000"}.get); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call that is over goes on waiting: %v", err)
		}
	})
}

func TestStreamsBreak(t *testing.T) {
	h := headers{"stream-error-rpcs": "topic-subscribe", "stream-error": "internal", "stream-error-message-limit": "3"}
	messages, broken, err := newInjector(t, 0, 0).Call(t.Context(), subscribe, true, h.get)
	if messages != 3 || status.Code(broken) != codes.Internal || err != nil {
		t.Errorf("%d messages, then %v, %v; want 3, then Internal", messages, broken, err)
	}
}

// The nth call of a method meets the same fate whatever came between, another seed means
// another fate, and about as many fail as was said.
func TestChanceRepeatsItself(t *testing.T) {
	const calls = 400
	fates := func(seed uint64, between bool) (fates []string) {
		synctest.Test(t, func(t *testing.T) {
			in := newInjector(t, seed, 0.25)
			for range calls {
				if between {
					_, _, _ = in.Call(t.Context(), publish, false, headers{}.get)
				}
				began := time.Now()
				messages, broken, err := in.Call(t.Context(), get, false, headers{}.get)
				fates = append(fates, strings.Join([]string{time.Since(began).String(), time.Duration(messages).String(),
					status.Code(broken).String(), status.Code(err).String()}, " "))
			}
		})
		return fates
	}
	first := fates(7, false)
	if !slices.Equal(first, fates(7, true)) {
		t.Error("the same seed does not mean the same faults")
	}
	if slices.Equal(first, fates(8, false)) {
		t.Error("another seed means the same faults")
	}
	faults := 0
	for _, fate := range first {
		if fate != "0s 0s OK OK" {
			faults++
		}
	}
	if faults < calls/8 || faults > calls/2 {
		t.Errorf("%d of %d calls were hurt, want about a quarter", faults, calls)
	}
}

// With a rate of one every call is hurt, whether or not it streams, and each in every way
// that there is for its kind.
func TestChanceHurtsWhomItMeets(t *testing.T) {
	for method, ways := range map[string]int{get: 3, subscribe: 4} {
		synctest.Test(t, func(t *testing.T) {
			in, seen := newInjector(t, 1, 1), make(map[string]bool)
			for range 200 {
				began := time.Now()
				messages, broken, err := in.Call(t.Context(), method, ways == 4, headers{}.get)
				late := time.Since(began)
				switch {
				case err != nil && broken == nil && late == 0:
					seen[status.Code(err).String()] = true
				case broken != nil && err == nil && late == 0 && messages > 0 && messages <= mostMessages:
					seen["broken"] = true
				case err == nil && broken == nil && late >= shortestDelay && late < longestDelay:
					seen["late"] = true
				default:
					t.Fatalf("%s: %v late, broken by %v after %d messages, %v", method, late, broken, messages, err)
				}
			}
			if len(seen) != ways || seen["broken"] != (ways == 4) {
				t.Errorf("%s: hurt in these ways: %v, want %d", method, seen, ways)
			}
		})
	}
}

func TestNoChanceForTheNodeItself(t *testing.T) {
	in := newInjector(t, 1, 1)
	for _, method := range []string{"/grpc.health.v1.Health/Check", "/mayfly.admin.v1.Admin/Version"} {
		if messages, broken, err := in.Call(t.Context(), method, true, headers{}.get); messages != 0 || broken != nil || err != nil {
			t.Errorf("%s is hurt: %v, %v", method, broken, err)
		}
	}
}

func TestRates(t *testing.T) {
	for rate, ok := range map[float64]bool{-0.1: false, 0: true, 1: true, 1.1: false} {
		if _, err := NewInjector(0, rate); (err == nil) != ok {
			t.Errorf("a rate of %v: %v", rate, err)
		}
	}
}

func TestLineIsCutAndMended(t *testing.T) {
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	line := new(Line)
	listener := line.Listen(plain)
	done := make(chan struct{})
	go func() { // echoes
		defer close(done)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	admin := httptest.NewServer(line.Admin())
	ask := func(path string, want int) {
		t.Helper()
		r, err := http.Get(admin.URL + path) //nolint:noctx // a test
		if err != nil || r.StatusCode != want {
			t.Fatalf("%s: %v, %v", path, r, err)
		}
		r.Body.Close()
	}
	works := func(c net.Conn) bool {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write([]byte("x")); err != nil {
			return false
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err == nil
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", plain.Addr().String()) //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := dial()
	if !works(before) {
		t.Fatal("the line does not carry")
	}
	ask("/block", http.StatusOK)
	if works(before) {
		t.Error("the line is cut, and carries")
	}
	// The reset of a new connection may come before its dialer was told that it stands.
	switch during, err := net.Dial("tcp", plain.Addr().String()); { //nolint:noctx // a test
	case err == nil && works(during):
		t.Error("the line is cut, and carries what is new")
	case err == nil:
		during.Close()
	case !errors.Is(err, syscall.ECONNRESET):
		t.Error(err)
	}
	ask("/unblock", http.StatusOK)
	after := dial()
	if !works(after) {
		t.Error("the line is mended, and does not carry")
	}
	ask("/other", http.StatusNotFound)
	for _, c := range []net.Conn{before, after} {
		c.Close()
	}
	admin.Close()
	http.DefaultClient.CloseIdleConnections()
	listener.Close()
	<-done
}
