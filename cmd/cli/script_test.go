package cli

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts tells what needs no broker as stories of a shell.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command that must end with the given code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != code {
		ts.Fatalf("got %v, want exit code %d", err, code)
	}
}

// process is the command as a process of its own, whose node tells what it does.
func process(t *testing.T, behaviour string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	program, err := exec.LookPath("mayfly") // testscript.Main puts it on the path
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "server", "--data-dir", t.TempDir())
	cmd.Env = append(os.Environ(), "TEST_NODE="+behaviour)
	cmd.Stderr = new(bytes.Buffer)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() }) // of no effect once it has ended
	return cmd, bufio.NewReader(out)
}

// await reads until the process says word on a line of its own.
func await(t *testing.T, out *bufio.Reader, word string) {
	t.Helper()
	for {
		line, err := out.ReadString('\n')
		if strings.TrimSpace(line) == word {
			return
		}
		if err != nil {
			t.Fatalf("the process ended without saying %q: %v", word, err)
		}
	}
}

func TestFirstSignalStopsGracefully(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, out := process(t, "waits")
		await(t, out, "running")
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		await(t, out, "stopped")
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
	}
}

// A node that still waits for others when it is told to end has done nothing wrong.
func TestSignalBeforeServing(t *testing.T) {
	cmd, out := process(t, "starts")
	await(t, out, "starting")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if said := cmd.Stderr.(*bytes.Buffer).String(); err != nil || strings.Contains(strings.ToLower(said), "error") {
		t.Errorf("%v, having said %q", err, said)
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	cmd, out := process(t, "hangs")
	await(t, out, "running")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, out, "stopping")
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	exit, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || exit.ExitCode() != exitImpatient {
		t.Errorf("got %v, want exit code %d", exit, exitImpatient)
	}
}
