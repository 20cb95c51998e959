package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	good := map[string]time.Duration{
		"900ms": 900 * time.Millisecond, "5s": 5 * time.Second, "1h30m": 90 * time.Minute, "30d": 720 * time.Hour,
		"1d12h": 36 * time.Hour, "0d5s": 5 * time.Second, "400d": 9600 * time.Hour,
	}
	for text, want := range good {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "d", "0", "0s", "0d", "-5s", "-1d", "+5s", "1.5d", "1d-1h", "12h1d", "never", "99999999d", "106751d24h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestPause(t *testing.T) {
	d := time.Minute
	for text, want := range map[string]time.Duration{"0": 0, "0s": 0, "5s": 5 * time.Second} {
		if err := Pause(&d).Set(text); err != nil || d != want {
			t.Errorf("%q: got %v, %v; want %v", text, d, err, want)
		}
	}
	if err := Pause(&d).Set("-1s"); err == nil {
		t.Errorf("less than nothing is %v", d)
	}
}

func TestDurationsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Min(1).Draw(t, "nanoseconds"))
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%v became %q, read back as %v, %v", d, FormatDuration(d), got, err)
		}
	})
	for d, want := range map[time.Duration]string{
		0: "0s", 5 * time.Second: "5s", 90 * time.Second: "1m30s", 10 * time.Minute: "10m", time.Hour: "1h",
		25 * time.Hour: "1d1h", 9600 * time.Hour: "400d",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%d: got %q, want %q", d, got, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	good := map[string]int64{"1": 1, "5242880": 5242880, "4KiB": 4096, "1MiB": 1 << 20, "2 GiB": 2 << 30, "5MB": 5_000_000, "7kB": 7000, "9B": 9}
	for text, want := range good {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "1.5MiB", "MiB", "1mib", "9223372036854775807KiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Min(1).Draw(t, "bytes")
		if got, err := ParseSize(FormatSize(n)); err != nil || got != n {
			t.Fatalf("%d became %q, read back as %d, %v", n, FormatSize(n), got, err)
		}
	})
}

func TestNearest(t *testing.T) {
	known := []string{"listen", "peer-listen", "gossip-listen", "log-level", "log-format", "endpoint"}
	for word, want := range map[string]string{
		"listn": "listen", "lsiten": "listen", "listenn": "listen", "per-listen": "peer-listen", "log-fromat": "log-format",
		"endpont": "endpoint", "wombat": "", "": "", "l": "", "loglevel": "log-level",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
