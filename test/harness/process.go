package harness

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// outDir is where the output of failed tests stays, below the folder of the tests.
const outDir = "out"

// process is one child that the harness started and will end.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has ended
	once sync.Once     // of ending it at the end of the test
}

// outputOf returns what the command will print on its standard output, until
// it has ended. All of it must be read, or the command never ends.
func outputOf(cmd *exec.Cmd) io.Reader {
	r, w := io.Pipe()
	cmd.Stdout = w
	return r
}

// start runs the command. Whatever happens, the child is gone when the test
// ends.
func start(t testing.TB, name string, cmd *exec.Cmd) *process {
	t.Helper()
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the exit code says more
		if w, ok := cmd.Stdout.(*io.PipeWriter); ok {
			_ = w.Close()
		}
		close(p.done)
	}()
	t.Cleanup(func() { p.kill() })
	return p
}

// signal sends sig unless the child has ended already.
func (p *process) signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// kill ends the child at once and waits for its end.
func (p *process) kill() {
	p.once.Do(func() { _ = p.signal(syscall.SIGKILL) })
	<-p.done
}

// wait reports the exit code of the child, or an error when it has not ended
// within the deadline. A child that a signal ended has code -1.
func (p *process) wait(within time.Duration) (code int, err error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-timer.C:
		return 0, fmt.Errorf("process %d still runs after %s", p.cmd.Process.Pid, within)
	}
}

// OutDir is the directory, with its whole path, in which the output of the test's
// processes is, and stays if the test fails. It exists.
func OutDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(outDir, strings.ReplaceAll(t.Name(), "/", "-")))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openLog creates the file that takes a child's output. It is removed at the
// end of a test that passed.
func openLog(t testing.TB, name string) *os.File {
	t.Helper()
	dir := OutDir(t)
	log, err := os.CreateTemp(dir, name+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = log.Close()
		if t.Failed() {
			t.Logf("output of %s: %s", name, log.Name())
			return
		}
		_ = os.Remove(log.Name())
		_ = os.Remove(dir) // only succeeds when it is empty
	})
	return log
}

// tail returns the end of a child's output, for failure messages.
func tail(log *os.File) string {
	text, err := os.ReadFile(log.Name())
	if err != nil {
		return err.Error()
	}
	const enough = 4096
	if len(text) > enough {
		text = append([]byte("...\n"), text[len(text)-enough:]...)
	}
	return string(text)
}
