package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/mayfly-broker/mayfly/cluster"
)

func TestLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(pages)
		j := newJournal(log.logger())
		for i := range 1000 {
			fmt.Fprintf(j, "[ERR] memberlist: discarding packet with unacceptable label %q", strings.Repeat("x", i))
		}
		if n := strings.Count(log.String(), "\n"); n != logAlike {
			t.Errorf("%d lines that begin alike, want %d", n, logAlike)
		}
		for i := range 1000 {
			fmt.Fprintf(j, "[ERR] memberlist: %d %s", i, strings.Repeat("x", 5000))
		}
		if n := strings.Count(log.String(), "\n"); n != logLines {
			t.Errorf("%d lines in all, want %d", n, logLines)
		}
		if n := len(log.String()); n > 2*logLines*maxLogText {
			t.Errorf("%d bytes", n)
		}
		time.Sleep(logWindow)
		j.warn("after a while")
		if want := fmt.Sprintf("lines_left_out=%d", 2000-logLines); !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	})
}

// Each stranger is told of once a minute, and few of them, however many there are.
func TestStrangersAreToldOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(pages)
		j := newJournal(log.logger())
		label := strings.Repeat("from=10.9.9.9:1 \xff", 15)
		tell := func(machine int) {
			for port := range 20 {
				fmt.Fprintf(j, "[ERR] memberlist: discarding packet with unacceptable label %q: from=10.0.0.%d:%d", label, machine, 1024+port)
			}
		}
		tell(1)
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines about one stranger: %s", n, log)
		}
		for machine := range 100 {
			tell(machine)
		}
		if n := strings.Count(log.String(), "\n"); n != logAlike {
			t.Errorf("%d lines about strangers, want %d", n, logAlike)
		}
		if n := j.strangers.Load(); n != 20*101 {
			t.Errorf("%d were counted", n)
		}
		time.Sleep(logWindow)
		tell(1)
		if n := strings.Count(log.String(), "\n"); n != logAlike+1 {
			t.Errorf("%d lines after a minute", n)
		}
	})
}

func TestLibraryLogLevels(t *testing.T) {
	for line, want := range map[string]string{
		"[DEBUG] memberlist: Stream connection":                   "",
		"[INFO] memberlist: Suspect b has failed":                 `level=INFO msg="gossip: Suspect b has failed"`,
		"[WARN] memberlist: Refuting a suspect message":           `level=WARN msg="gossip: Refuting a suspect message"`,
		"[ERR] memberlist: Failed to send":                        `level=WARN msg="gossip: Failed to send"`,
		"Err: Could not set the deadline":                         `level=WARN msg="gossip: Err: Could not set the deadline"`,
		"[":                                                       `level=WARN msg="gossip: "`,
		"[ERR] memberlist: failed to receive: EOF":                `hint="the other side hung up`,
		"[ERR] memberlist: no installed keys could decrypt the m": `hint="one of the two nodes holds another gossip secret"`,
	} {
		log := new(pages)
		newJournal(log.logger()).Write([]byte(line + "\n"))
		if got := log.String(); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q was logged as %q, want %q", line, got, want)
		}
	}
	newJournal(slog.New(slog.DiscardHandler)).warn("nobody listens")
}

func TestRing(t *testing.T) {
	one, two, three := secretOf(1), secretOf(2), secretOf(3)
	keys, err := newRing([][]byte{one})
	if err != nil {
		t.Fatal(err)
	}
	m := &Mesh{keys: keys}
	for i, step := range []struct {
		err, want error
	}{
		{m.useSecret(two), ErrUnknownSecret},
		{m.removeSecret(one), ErrSecretInUse},
		{m.addSecret(one), nil},
		{m.addSecret(two), nil},
		{m.addSecret(two), nil},
		{m.addSecret(three), ErrRingFull},
		{m.useSecret(two), nil},
		{m.removeSecret(two), ErrSecretInUse},
		{m.removeSecret(one), nil},
		{m.removeSecret(one), nil},
		{m.useSecret(one), ErrUnknownSecret},
		{m.addSecret(three), nil},
	} {
		if !errors.Is(step.err, step.want) {
			t.Errorf("step %d gave %v, want %v", i, step.err, step.want)
		}
	}
	if err := m.addSecret(two[:16]); err == nil {
		t.Error("a secret of 16 bytes was taken")
	}
	if _, err := newRing([][]byte{one, two, three}); err == nil {
		t.Error("three secrets were taken")
	}
	both, err := newRing([][]byte{one, two})
	if err != nil || both.index(one) != 0 || both.index(two) != 1 {
		t.Errorf("of two secrets the first is not in use: %v", err)
	}
	one[0]++
	if both.index(one) == 0 {
		t.Error("the ring keeps the caller's memory")
	}
}

func TestTableIsBounded(t *testing.T) {
	tab := newTable("self")
	at := netip.MustParseAddrPort("10.0.0.1:7946")
	now := time.Unix(1, 0)
	named := func(i int) cluster.NodeID { return cluster.NodeID(fmt.Sprintf("n%d", i)) }
	for i := range maxPeers {
		if !tab.hasRoom(named(i)) {
			t.Fatalf("no room for member %d", i)
		}
		tab.heard(Peer{Node: named(i), Addr: at, Alive: true, Since: now})
	}
	if tab.hasRoom("one-more") {
		t.Error("room for one more")
	}
	claim, err := claimOf("x", 1).encode()
	if err != nil {
		t.Fatal(err)
	}
	e := &ears{table: tab}
	if err := e.NotifyAlive(&memberlist.Node{Name: "x", Addr: at.Addr().AsSlice(), Port: at.Port(), Meta: claim}); !errors.Is(err, errTableFull) {
		t.Errorf("the gate gave %v, want errTableFull", err)
	}
	if !tab.hasRoom("n0") || !tab.hasRoom("self") {
		t.Error("no room for who is known")
	}
	tab.lost("n0", now)
	tab.forget(now.Add(deadMemory))
	if !tab.hasRoom("one-more") {
		t.Error("no room after one was forgotten")
	}
	for i := range 2 * maxConflicts {
		tab.conflict(Conflict{Node: named(i), Last: now})
	}
	if n := len(tab.listConflicts()); n != maxConflicts {
		t.Errorf("%d conflicts are kept, want %d", n, maxConflicts)
	}
}

func TestChangesRingOnceForNews(t *testing.T) {
	tab := newTable("self")
	rang := func() bool {
		select {
		case <-tab.changed:
			return true
		default:
			return false
		}
	}
	now := time.Unix(1, 0)
	p := Peer{Node: "a", Claim: Claim{Boot: "1"}, Alive: true, Since: now}
	for _, step := range []struct {
		what string
		do   func()
		want bool
	}{
		{"a newcomer", func() { tab.heard(p) }, true},
		{"nothing new", func() { p.Since = now.Add(time.Second); tab.heard(p) }, false},
		{"another boot", func() { p.Boot = "2"; tab.heard(p) }, true},
		{"itself", func() { tab.heard(Peer{Node: "self", Alive: true}) }, false},
		{"a death", func() { tab.lost("a", now) }, true},
		{"a second death", func() { tab.lost("a", now) }, false},
		{"the death of a stranger", func() { tab.lost("b", now) }, false},
		{"a return and a death", func() { tab.heard(p); tab.lost("a", now) }, true},
		{"no time passed", func() { tab.forget(now) }, false},
		{"forgotten", func() { tab.forget(now.Add(deadMemory)) }, true},
	} {
		step.do()
		if got := rang(); got != step.want {
			t.Errorf("%s: rang %v, want %v", step.what, got, step.want)
		}
		if rang() {
			t.Errorf("%s: rang twice", step.what)
		}
	}
}

func FuzzClaim(f *testing.F) {
	good, err := claimOf("a", 1).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"s":"x","b":"y","p":"h:1","c":"h:2","new":{"field":[1]}}`))
	f.Add([]byte(`{"s":1}`))
	f.Add([]byte(`{`))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{'['}, 2*maxClaim))
	at := netip.MustParseAddrPort("10.0.0.1:7946")
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeClaim(b)
		if err != nil || c.check("a", at) != nil {
			return
		}
		again, err := c.encode()
		if err != nil {
			return // escapes made it too long
		}
		if got, err := decodeClaim(again); err != nil || got != c {
			t.Errorf("%q became %+v, then %+v, %v", b, c, got, err)
		}
	})
}

func TestClaimOfTheFutureIsRead(t *testing.T) {
	got, err := decodeClaim([]byte(`{"s":"store","b":"boot","p":"h:1","c":"h:2","l":7,"mood":["calm"]}`))
	want := Claim{Store: "store", Boot: "boot", PeerAddr: "h:1", ClientAddr: "h:2", Level: 7}
	if err != nil || got != want {
		t.Errorf("read %+v, %v, want %+v", got, err, want)
	}
}

// Whatever secrets a node has when it comes back, it adopts those of the day.
func TestAdoptFromAnywhere(t *testing.T) {
	one, two, three := secretOf(1), secretOf(2), secretOf(3)
	all := [][][]byte{{one}, {two}, {three}, {one, two}, {two, one}, {two, three}, {three, two}, {one, three}, {three, one}}
	for _, before := range all {
		for _, after := range all {
			keys, err := newRing(before)
			if err != nil {
				t.Fatal(err)
			}
			m := &Mesh{keys: keys}
			if err := m.Adopt(after); err != nil {
				t.Errorf("%v after %v: %v", after, before, err)
			}
			if got := keys.inner.GetKeys(); !slices.EqualFunc(got, after, bytes.Equal) {
				t.Errorf("%d secrets after %d, want %d, or another order", len(got), len(before), len(after))
			}
		}
	}
	keys, err := newRing([][]byte{one})
	if err != nil {
		t.Fatal(err)
	}
	m := &Mesh{keys: keys}
	for name, bad := range map[string][][]byte{"none": {}, "three": {one, two, three}, "a short one": {one[:16]}, "zeros": {make([]byte, SecretBytes)}} {
		if err := m.Adopt(bad); err == nil || !bytes.Equal(keys.inner.GetPrimaryKey(), one) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
