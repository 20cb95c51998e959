package cli

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/node"
)

// reloading is a server's settings that change beneath it.
type reloading struct {
	*reloader

	path  string
	log   bytes.Buffer
	live  node.Live // what the node was told last
	level string
	fails error // what the node answers
}

// reload begins with a file, an environment and flags.
func reload(t *testing.T, file string, environ []string, args ...string) *reloading {
	t.Helper()
	r := &reloading{path: filepath.Join(t.TempDir(), "mayfly.yaml")}
	r.write(t, file)
	p := &Program{Environ: append(environ, "HOME=/no-home", "MAYFLY_CONFIG="+r.path), settings: config.NewRegistry()}
	began := p.newPlan()
	given := pflag.NewFlagSet("server", pflag.ContinueOnError)
	began.set.AddFlags(given)
	if err := given.Parse(args); err != nil {
		t.Fatal(err)
	}
	if _, err := began.set.Load(given, p.Environ); err != nil {
		t.Fatal(err)
	}
	began.cfg.Logger = slog.New(slog.NewTextHandler(&r.log, nil))
	r.live = began.cfg.Live()
	r.reloader = newReloader(began, func() (*plan, error) { return p.planAgain(given) }, func(next *plan) error {
		if r.fails == nil {
			r.live, r.level = next.cfg.Live(), next.logs.level
		}
		return r.fails
	})
	return r
}

func (r *reloading) write(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(r.path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
}

// said returns what was logged since the last time.
func (r *reloading) said() string {
	defer r.log.Reset()
	return r.log.String()
}

// says fails the test unless exactly so many lines were logged, which hold all words.
func (r *reloading) says(t *testing.T, lines int, words ...string) {
	t.Helper()
	said := r.said()
	if strings.Count(said, "\n") != lines {
		t.Errorf("want %d lines:\n%s", lines, said)
	}
	for _, word := range words {
		if !strings.Contains(said, word) {
			t.Errorf("%q is not in:\n%s", word, said)
		}
	}
}

// What a file that changes holds is in force once it has been there at two looks.
func TestFileIsTakenUp(t *testing.T) {
	r := reload(t, "node-max-operations: 5\n", nil)
	r.look()
	r.look()
	r.says(t, 0)
	r.write(t, "") // whoever writes it is half way
	r.look()
	r.write(t, "node-max-operations: 9\nmax-connections: 77\nlog-level: error\n")
	r.look()
	if r.live.Limits.Node.Operations != 5 {
		t.Fatalf("%d operations: a file is taken up that may be half written", r.live.Limits.Node.Operations)
	}
	r.look()
	if r.live.Limits.Node.Operations != 9 || r.live.MaxConnections != 77 || r.level != "error" {
		t.Errorf("in force: %+v, log level %q", r.live, r.level)
	}
	r.says(t, 1, "settings taken up", "node-max-operations: 9, was 5", "max-connections: 77, was 200000", "log-level: error, was info")
	r.look()
	r.says(t, 0)
	r.write(t, "max-connections: 77\nlog-level: error\n")
	r.look()
	r.look()
	r.says(t, 1, "node-max-operations: no limit, was 9")
	if r.live.Limits.Node.Operations != 0 {
		t.Errorf("%d operations, want the default again", r.live.Limits.Node.Operations)
	}
}

// A file with anything wrong in it changes nothing, and is told of once.
func TestBadFileIsRefused(t *testing.T) {
	const good = "node-max-operations: 5\n"
	for name, test := range map[string]struct {
		file string
		says []string
	}{
		"not YAML":           {"node-max-operations: [", []string{"mayfly.yaml:1"}},
		"unknown key":        {"node-max-operations: 9\nnode-max-operation: 6\n", []string{"mayfly.yaml:2", "did you mean `node-max-operations`"}},
		"bad value":          {"node-max-operations: 9\nmax-ttl: never\n", []string{"mayfly.yaml:2", "max-ttl", "is not a duration"}},
		"cannot be":          {"node-max-operations: 9\nmax-request-size: 1GiB\n", []string{"a request limit of 1073741824 bytes, the most is 11534336"}},
		"bad where not live": {"node-max-operations: 9\ndown-after: 1s\n", []string{"down after 1s"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := reload(t, good, nil)
			r.write(t, test.file)
			for range 4 {
				r.look()
			}
			r.says(t, 1, append(test.says, "level=WARN", "was not taken up")...)
			r.hangUp()
			r.says(t, 1, test.says...) // who asks is told again
			if r.live.Limits.Node.Operations != 5 {
				t.Errorf("%d operations are in force", r.live.Limits.Node.Operations)
			}
			r.write(t, good)
			r.look()
			r.look()
			r.says(t, 1, "nothing of it changes what runs")
		})
	}
	t.Run("gone", func(t *testing.T) {
		r := reload(t, good, nil)
		if err := os.Remove(r.path); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			r.look()
		}
		r.says(t, 1, "no such file")
	})
	t.Run("refused by the node", func(t *testing.T) {
		r := reload(t, good, nil)
		r.fails = errors.New("not by me")
		r.write(t, "node-max-operations: 9\n")
		r.hangUp()
		r.says(t, 1, "not by me")
		r.fails = nil
		r.hangUp()
		r.says(t, 1, "node-max-operations: 9, was 5")
	})
}

// What only a start can change is named, also by the next look at it.
func TestWhatNeedsAStart(t *testing.T) {
	r := reload(t, "listen: 127.0.0.1:1\n", nil)
	r.write(t, "listen: 127.0.0.1:2\nfounding-secret: hush-hush-hush-hush\nmax-operations: 3\nusage:\n  max-tokens: 5\n")
	r.hangUp()
	said := r.said()
	for _, words := range []string{
		"max-operations: 3, was no limit", "listen takes effect at the next start", "127.0.0.1:2, was 127.0.0.1:1",
		"founding-secret takes effect at the next start", "usage takes effect at the next start",
	} {
		if !strings.Contains(said, words) {
			t.Errorf("%q is not in:\n%s", words, said)
		}
	}
	if strings.Contains(said, "hush") {
		t.Errorf("a secret is in:\n%s", said)
	}
	r.hangUp()
	r.says(t, 4, "nothing of it changes what runs", "listen takes effect at the next start")
	r.write(t, "listen: 127.0.0.1:1\n")
	r.hangUp()
	r.says(t, 1, "max-operations: no limit, was 3")
}

// Flags and the environment win over what the file comes to hold.
func TestFlagsWinWhileRunning(t *testing.T) {
	r := reload(t, "", []string{"MAYFLY_MAX_PUBLISHES=4"}, "--max-operations", "3", "--create-caches", "a", "--create-caches", "b")
	r.write(t, "max-operations: 10\nmax-publishes: 10\nmax-subscriptions: 10\n")
	r.hangUp()
	if l := r.live.Limits; l.Operations != 3 || l.Publishes != 4 || l.Subscriptions != 10 {
		t.Errorf("in force: %d operations, %d publishes, %d subscriptions, want 3, 4, 10", l.Operations, l.Publishes, l.Subscriptions)
	}
	r.says(t, 1, "now=\"max-subscriptions: 10, was 100000\"")
}

// Without a file there is nothing to read again, which whoever asks is told.
func TestHangupWithoutFile(t *testing.T) {
	r := reload(t, "", nil)
	r.file = ""
	r.look()
	r.hangUp()
	r.says(t, 1, "there is no settings file")
}
