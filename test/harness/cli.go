package harness

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Ran is what a finished command left.
type Ran struct {
	Code           int
	Stdout, Stderr string
}

// CLI runs a mayfly command that talks to this server and waits for its end.
// The server's address and data directory are given as environment variables;
// input becomes its standard input.
func (s *Server) CLI(t testing.TB, input string, args ...string) Ran {
	t.Helper()
	return runMayfly(t, input, s.cliEnv(), args)
}

// CLIWithKey is CLI for somebody who has a key and no access to the server's
// data directory.
func (s *Server) CLIWithKey(t testing.TB, key string, args ...string) Ran {
	t.Helper()
	return runMayfly(t, "", s.envWithKey(key), args)
}

func (s *Server) cliEnv() []string {
	return append(s.whereabouts(), "MAYFLY_DATA_DIR="+s.DataDir)
}

func (s *Server) envWithKey(key string) []string {
	return append(s.whereabouts(), "MAYFLY_API_KEY="+key)
}

// whereabouts is how a command finds the server.
func (s *Server) whereabouts() []string {
	if s.TLS == nil {
		return []string{"MAYFLY_SERVER=" + s.Addr}
	}
	return []string{"MAYFLY_SERVER=" + s.Addr, "MAYFLY_CA_CERT=" + s.TLS.CAFile, "MAYFLY_TLS_NAME=" + s.TLS.name}
}

// Mayfly runs a mayfly command that needs no server.
func Mayfly(t testing.TB, env []string, args ...string) Ran {
	t.Helper()
	return runMayfly(t, "", env, args)
}

// Follow starts a mayfly command that talks to this server and goes on; each
// line of JSON that it prints is an event.
func Follow[T any](t testing.TB, s *Server, args ...string) *Feed[T] {
	t.Helper()
	return followMayfly[T](t, s.cliEnv(), args)
}

// FollowWithKey is Follow for somebody who has a key and no access to the
// server's data directory.
func FollowWithKey[T any](t testing.TB, s *Server, key string, args ...string) *Feed[T] {
	t.Helper()
	return followMayfly[T](t, s.envWithKey(key), args)
}

func followMayfly[T any](t testing.TB, env, args []string) *Feed[T] {
	t.Helper()
	cmd := mayfly(t, args)
	cmd.Env = append(cmd.Env, env...)
	return follow(t, "mayfly "+strings.Join(args, " "), cmd, func(line []byte) (e T, ok bool) {
		return e, json.Unmarshal(line, &e) == nil
	})
}

// Interrupt is Ctrl-C; it demands that the command ends with code 0.
func (f *Feed[T]) Interrupt(t testing.TB) {
	t.Helper()
	if err := f.signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	f.Ends(t, 0)
}

// Ends waits for the command to end by itself and demands its exit code.
func (f *Feed[T]) Ends(t testing.TB, code int) {
	t.Helper()
	if got, err := f.wait(Patience); err != nil || got != code {
		t.Errorf("%s: code %d, %v; want code %d\n%s", f.what, got, err, code, tail(f.log))
	}
}

func runMayfly(t testing.TB, input string, env, args []string) Ran {
	t.Helper()
	cmd := mayfly(t, args)
	cmd.Stdin = strings.NewReader(input)
	return run(t, cmd, env)
}

// mayfly is a command with a home of its own: whoever runs the tests may run a
// broker too.
func mayfly(t testing.TB, args []string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(tools.Mayfly, args...) //nolint:noctx // ends with the test, by signal
	cmd.Env = environment("HOME="+t.TempDir(), "XDG_DATA_HOME=")
	return cmd
}

// run runs a command to its end.
func run(t testing.TB, cmd *exec.Cmd, env []string) Ran {
	t.Helper()
	if cmd.Env == nil {
		cmd.Env = environment()
	}
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	p := start(t, cmd.String(), cmd)
	code, err := p.wait(4 * Patience)
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	return Ran{code, stdout.String(), stderr.String()}
}

// OK demands that the command succeeded and returns what it printed.
func (r Ran) OK(t testing.TB) string {
	t.Helper()
	if r.Code != 0 {
		t.Fatalf("code %d, want 0\nstdout: %s\nstderr: %s", r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// JSON demands that the command succeeded and printed one JSON document, which
// is decoded into document.
func (r Ran) JSON(t testing.TB, document any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(r.OK(t)))
	if err := d.Decode(document); err != nil {
		t.Fatalf("not the JSON that was wanted: %v\n%s", err, r.Stdout)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("more than one JSON document:\n%s", r.Stdout)
	}
}

// Fails demands the exit code and that the words occur in what was said to the
// person.
func (r Ran) Fails(t testing.TB, code int, words ...string) {
	t.Helper()
	if r.Code != code {
		t.Errorf("code %d, want %d\nstdout: %s\nstderr: %s", r.Code, code, r.Stdout, r.Stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.Stderr, word) {
			t.Errorf("stderr lacks %q: %s", word, r.Stderr)
		}
	}
}

// Secure makes the first API key, so that from now on the server wants a
// credential from everybody, and returns the key.
func (s *Server) Secure(t testing.TB) (key string) {
	t.Helper()
	var created struct {
		APIKey string `json:"api_key"`
	}
	s.CLI(t, "", "key", "create", "--superuser", "-o", "json").JSON(t, &created)
	return created.APIKey
}
