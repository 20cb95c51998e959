package vend

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Strangers are refused as often as they like, and the log says so once a minute.
func TestRefusalsDoNotFillTheLog(t *testing.T) {
	var log bytes.Buffer
	machine, err := NewMachine(Config{Endpoints: []Endpoint{room()}, Minter: &till{}, Host: "h", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	stranger := func(from string, query string) {
		t.Helper()
		a := ask(query)
		a.From = netip.MustParseAddr(from)
		if _, err := machine.Vend(t.Context(), "chat", a, now); err == nil {
			t.Fatalf("%s got a token for %q", from, query)
		}
	}
	lines := func(want ...string) {
		t.Helper()
		got := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
		log.Reset()
		if len(got) != len(want) {
			t.Fatalf("%d lines, want %d: %s", len(got), len(want), got)
		}
		for i := range want {
			if !strings.Contains(got[i], "endpoint=chat caller="+want[i]) {
				t.Errorf("line %d is %q, want %q", i, got[i], want[i])
			}
		}
	}
	for i := range 200 { // each of them another machine, so that no rate holds them
		stranger(fmt.Sprintf("192.0.2.%d", i), "room=lobby&name=al")
	}
	stranger("127.0.0.1", "other=1")
	lines("192.0.2.0 refused=1", "127.0.0.1 refused=1")
	now = now.Add(refusalsEvery - 1)
	stranger("198.51.100.1", "room=lobby&name=al")
	if log.Len() > 0 {
		t.Errorf("told again within a minute: %s", &log)
	}
	now = now.Add(1)
	stranger("198.51.100.2", "room=lobby&name=al")
	lines("198.51.100.2 refused=201")
	if got := machine.Outcomes()["chat"]; got["refused"] != 202 || got["invalid"] != 1 {
		t.Errorf("counted: %v", got)
	}
}

// Reasons that somebody makes up become one, and so does what is different each time
// in the words for the operator alone.
func TestReasonsAreFew(t *testing.T) {
	var r refusals
	now, lines, told := time.Unix(1000, 0), 0, uint64(0)
	take := func(err error) {
		if n := r.count(err, now); n > 0 {
			lines++
			told += n
		}
	}
	for port := range 1000 {
		take(&unreachable{&net.AddrError{Err: "reset", Addr: fmt.Sprint(port)}})
	}
	if lines != 1 {
		t.Errorf("%d lines of one issuer out of reach", lines)
	}
	for i := range 1000 {
		take(invalid("room is there %d times", i))
		take(denied("for the reason %d", i))
	}
	take(errors.New("something else"))
	if most := maxReasons + int(outcomes); lines > most || len(r.told) > most {
		t.Errorf("%d lines and %d reasons within a minute, want %d at most", lines, len(r.told), most)
	}
	for range 3 { // what has been told of makes room
		now = now.Add(refusalsEvery)
		for i := range 1000 {
			take(denied("for the reason %d", i))
		}
	}
	before := lines
	now = now.Add(refusalsEvery)
	take(invalid("a reason of its own"))
	if lines != before+1 || len(r.told) > maxReasons+int(outcomes) {
		t.Errorf("%d lines for a new reason among %d", lines-before, len(r.told))
	}
	if told > 6002 {
		t.Errorf("%d refusals told, more than there were", told)
	}
}
