package web

import (
	"errors"
	"strings"
	"testing"
)

func TestEncodings(t *testing.T) {
	calls := 0
	e := newEncodings(func(m []byte) ([]byte, error) {
		calls++
		if string(m) == "bad" {
			return nil, errors.New("bad")
		}
		return []byte(strings.ToUpper(string(m))), nil
	})
	check := func(m []byte, want string, wantCalls int) {
		t.Helper()
		calls = 0
		if text, err := e.of(m); err != nil || string(text) != want || calls != wantCalls {
			t.Errorf("%s after %d calls, want %s after %d", text, calls, want, wantCalls)
		}
	}
	m := []byte("hello")
	check(m, "HELLO", 1)
	check(m, "HELLO", 0)
	check([]byte("hello"), "HELLO", 1) // it is elsewhere
	check(m, "HELLO", 1)               // and took the place
	check(m[:4], "HELL", 1)
	long := []byte(strings.Repeat("x", 100))
	check(long, strings.Repeat("X", 100), 1)
	check(long[:90], strings.Repeat("X", 90), 1)
	check(nil, "", 1)
	large := make([]byte, keptMessage+1)
	check(large, string(large), 1)
	check(large, string(large), 1)
	bad := []byte("bad")
	for range 2 {
		if _, err := e.of(bad); err == nil {
			t.Error("no error")
		}
	}
}
