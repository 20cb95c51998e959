package vend

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mayfly-broker/mayfly/rpc/auth"
)

func TestVending(t *testing.T) {
	m := &till{}
	machine := machineOf(t, room(), m, nil)
	now := time.Now()
	token, err := machine.Vend(t.Context(), "chat", ask("room=lobby&name=al"), now)
	if err != nil {
		t.Fatal(err)
	}
	host, raw, err := auth.Unwrap(token.Text)
	if err != nil || host != "mayfly.example" || raw != "secret.text.here" || !token.ExpiresAt.Equal(now.Add(time.Hour)) {
		t.Errorf("%q, %q, %v, %v", host, raw, token.ExpiresAt, err)
	}
	if m.tokenID != "al" || m.life != time.Hour || len(m.permissions.GetExplicit().GetPermissions()) != 2 {
		t.Errorf("minted for %q, %v: %v", m.tokenID, m.life, m.permissions)
	}
}

// An endpoint that checks nobody is for programs of its own machine, and for pages
// that reached it as such.
func TestWhoIsOnThisMachine(t *testing.T) {
	machine := machineOf(t, room(), &till{}, nil)
	for name, test := range map[string]struct {
		from, host string
		relayed    bool
		ok         bool
	}{
		"here":                     {"127.0.0.1", "127.0.0.1", false, true},
		"here, IPv6":               {"::1", "[::1]", false, true},
		"here, mapped":             {"::ffff:127.0.0.1", "app.localhost", false, true},
		"somebody else":            {"192.0.2.1", "localhost", false, false},
		"a neighbour":              {"10.0.0.1", "localhost", false, false},
		"a rebound name":           {"127.0.0.1", "evil.example", false, false},
		"a name that begins right": {"127.0.0.1", "localhost.evil.example", false, false},
		"behind a proxy":           {"127.0.0.1", "localhost", true, false},
	} {
		a := ask("room=lobby&name=al")
		a.From, a.Host, a.Relayed = netip.MustParseAddr(test.from), test.host, test.relayed
		if _, err := machine.Vend(t.Context(), "chat", a, time.Now()); (err == nil) != test.ok || err != nil && !errors.Is(err, auth.ErrPermissionDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := machine.Vend(t.Context(), "chat", Ask{Host: "localhost"}, time.Now()); !errors.Is(err, auth.ErrPermissionDenied) {
		t.Errorf("from nowhere: %v", err)
	}
}

func TestSecrets(t *testing.T) {
	e := room()
	e.Check = CheckSecret
	for _, text := range []string{"the old one, long enough", "the new one, long enough"} {
		s, err := NewSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		e.Secrets = append(e.Secrets, s)
	}
	var log bytes.Buffer
	machine, err := NewMachine(Config{Endpoints: []Endpoint{e}, Minter: &till{}, Host: "h", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{
		"the old one, long enough": true, "the new one, long enough": true, "": false, "x": false,
		"the old one, long enougH": false, "the old one, long enough ": false, strings.Repeat("x", 1<<16): false,
	} {
		a := ask("room=lobby&name=al")
		a.Secret, a.From = text, netip.MustParseAddr("192.0.2.1") // from anywhere
		if _, err := machine.Vend(t.Context(), "chat", a, time.Now()); (err == nil) != ok || err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%.30q: %v", text, err)
		}
	}
	for _, word := range []string{"long enough", "secret.text", "lobby"} {
		if strings.Contains(log.String(), word) {
			t.Errorf("the log holds %q:\n%s", word, &log)
		}
	}
	if !strings.Contains(log.String(), "caller=192.0.2.1") || !strings.Contains(log.String(), "token=t_1 token_id=al") {
		t.Errorf("the log does not say who got what:\n%s", &log)
	}
	for _, bad := range []string{"", "too short", strings.Repeat("x", MaxSecret+1), "a line\nand another one", "ümläuts are no ascii", " spaces around it "} {
		if _, err := NewSecret(bad); err == nil {
			t.Errorf("%.30q is taken for a secret", bad)
		}
	}
	if s := e.Secrets[0].String(); strings.Contains(s, "old") {
		t.Errorf("a secret shows as %q", s)
	}
}

func TestParameters(t *testing.T) {
	machine := machineOf(t, room(), &till{}, nil)
	for query, says := range map[string]string{
		"room=lobby&name=al":            "",
		"room=a&room=b&name=al":         "2 times",
		"room=lobby&name=al&sub=admin":  "does not know",
		"room=lobby&name=al&permit=all": "does not know",
		"room=lobby":                    "there is no name",
		"":                              "there is no",
	} {
		_, err := machine.Vend(t.Context(), "chat", ask(query), time.Now())
		if says == "" && err != nil || says != "" && (!errors.Is(err, auth.ErrInvalidArgument) || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v, want %q", query, err, says)
		}
	}
	unread := ask("")
	unread.From = netip.MustParseAddr("192.0.2.1")
	unread.Parameters = func() (url.Values, error) { t.Error("the request of nobody was read"); return nil, nil }
	if _, err := machine.Vend(t.Context(), "chat", unread, time.Now()); err == nil {
		t.Error("somebody else got a token")
	}
}

func TestMintingThatFails(t *testing.T) {
	m := &till{err: auth.ErrNoSigningKey}
	machine := machineOf(t, room(), m, nil)
	if _, err := machine.Vend(t.Context(), "chat", ask("room=a&name=b"), time.Now()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v, want %v", err, ErrUnavailable)
	}
	if _, err := machine.Vend(t.Context(), "chats", ask(""), time.Now()); !errors.Is(err, ErrNoEndpoint) {
		t.Errorf("%v, want %v", err, ErrNoEndpoint)
	}
}

func TestMachinesThatCannotWork(t *testing.T) {
	broken := room()
	broken.Life = 0
	for name, config := range map[string]Config{
		"no minter":      {Host: "h"},
		"no host":        {Minter: &till{}},
		"twice the same": {Minter: &till{}, Host: "h", Endpoints: []Endpoint{room(), room()}},
		"a broken one":   {Minter: &till{}, Host: "h", Endpoints: []Endpoint{broken}},
	} {
		if _, err := NewMachine(config); err == nil {
			t.Errorf("%s: it works", name)
		}
	}
}

func TestRate(t *testing.T) {
	l := newLimiter(60)
	now := time.Now()
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range 60 {
		if wait := l.allow(one, now); wait != 0 {
			t.Fatalf("request %d waits %v", i, wait)
		}
	}
	if wait := l.allow(one, now); wait != time.Second {
		t.Errorf("request 61 waits %v, want 1s", wait)
	}
	if wait := l.allow(other, now); wait != 0 {
		t.Errorf("somebody else waits %v", wait)
	}
	if wait := l.allow(one, now.Add(time.Second)); wait != 0 {
		t.Errorf("a second later it waits %v", wait)
	}
	if wait := l.allow(one, now.Add(time.Second)); wait != time.Second {
		t.Errorf("then it waits %v", wait)
	}
	// One customer has many addresses of IPv6.
	for i := range 60 {
		l.allow(netip.MustParseAddr("2001:db8::1"), now)
		_ = i
	}
	if l.allow(netip.MustParseAddr("2001:db8::2"), now) == 0 || l.allow(netip.MustParseAddr("2001:db8:0:1::1"), now) != 0 {
		t.Error("a network is not what it should be")
	}
}

// However many addresses come, they take so much memory and no more.
func TestRateOfManyAddresses(t *testing.T) {
	l := newLimiter(1)
	l.size = 4
	now := time.Now()
	address := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, i}) }
	for i := range byte(4) {
		if l.allow(address(i), now) != 0 {
			t.Fatalf("address %d waits", i)
		}
	}
	if l.allow(address(10), now) != 0 || l.allow(address(11), now) == 0 {
		t.Error("those without a place do not share one")
	}
	if len(l.due) > l.size+1 {
		t.Errorf("%d addresses are kept", len(l.due))
	}
	if later := now.Add(2 * time.Minute); l.allow(address(12), later) != 0 || len(l.due) != 1 {
		t.Errorf("what nobody owes any more is kept: %d", len(l.due))
	}
}

// Callers from ever new addresses do not have all addresses looked at each time: the
// next look is a second after the last.
func TestRateWithoutRoom(t *testing.T) {
	l := newLimiter(1)
	l.size = 4
	now := time.Now()
	address := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, i}) }
	for i := range byte(4) {
		l.allow(address(i), now.Add(-time.Duration(i)*300*time.Millisecond))
	}
	later := now.Add(time.Minute - 500*time.Millisecond) // two of the four owe nothing any more
	for i, step := range []struct {
		after time.Duration
		known int
	}{{0, 3}, {200 * time.Millisecond, 4}, {300 * time.Millisecond, 5}, {time.Second, 4}} {
		if l.allow(address(byte(10+i)), later.Add(step.after)); len(l.due) != step.known {
			t.Errorf("after %v %d addresses are known, want %d", step.after, len(l.due), step.known)
		}
	}
}

func TestOutcomes(t *testing.T) {
	e := room()
	e.Rate = 4
	m := &till{}
	machine := machineOf(t, e, m, nil)
	stranger := ask("room=a&name=b")
	stranger.Host = "evil.example"
	now := time.Now()
	_, err := machine.Vend(t.Context(), "chat", ask("room=a&name=b"), now)
	for _, a := range []Ask{stranger, ask("room=*&name=b")} {
		_, _ = machine.Vend(t.Context(), "chat", a, now)
	}
	m.err = auth.ErrNoSigningKey
	for range 3 {
		_, _ = machine.Vend(t.Context(), "chat", ask("room=a&name=b"), now)
	}
	want := map[string]map[string]uint64{"chat": {"vended": 1, "refused": 1, "invalid": 1, "failed": 1, "limited": 2}}
	if diff := cmp.Diff(want, machine.Outcomes()); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestTooOften(t *testing.T) {
	e := room()
	e.Rate = 2
	machine := machineOf(t, e, &till{}, nil)
	now := time.Now()
	for i, want := range []bool{true, true, false} {
		_, err := machine.Vend(t.Context(), "chat", ask("room=a&name=b"), now)
		often, refused := errors.AsType[TooOften](err)
		if refused == want || refused && often.After != 30*time.Second {
			t.Errorf("request %d: %v", i, err)
		}
	}
}
