package proc

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// patience is how long a child may take to end after SIGTERM before it is
// killed. A broker with thousands of open streams needs a moment.
const patience = 5 * time.Second

// The kernel ends a child when the thread that forked it ends. The main thread
// never does, so children are started from the main goroutine, bound to it.
func init() { runtime.LockOSThread() }

// Child is a started program.
type Child struct {
	// Name is what the child is called in errors.
	Name string

	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when the child has ended
}

// Spec says how to start a child.
type Spec struct {
	// Name is what the child is called in errors and names its log.
	Name string
	// Path is the program, Args are its arguments, Env its whole environment.
	Path string
	Args []string
	Env  []string
	// Dir is where the file with the child's output goes.
	Dir string
	// Stdin and Stdout are pipes of the child, for a conversation. Without
	// Stdout, standard output goes to the log, as standard error always does.
	Stdin  io.Reader
	Stdout io.Writer
}

// Start starts a child. Only the main goroutine may call it.
func Start(s Spec) (*Child, error) {
	log, err := os.CreateTemp(s.Dir, s.Name+"-*.log")
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()     // the child has its own copy
	cmd := exec.Command(s.Path, s.Args...) //nolint:noctx // Stop ends it, by signal
	cmd.Env = s.Env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Stdin, s.Stdout, log
	if s.Stdout == nil {
		cmd.Stdout = log
	}
	// Its own process group: an interrupt at the terminal reaches us alone, and
	// we end the children in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(s.Path), err)
	}
	c := &Child{Name: s.Name, cmd: cmd, log: log.Name(), done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(c.done)
	}()
	return c, nil
}

// Done is closed when the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Stop asks the child to end, kills it when it does not, and returns when it is
// gone. Stopping a child that has ended does nothing.
func (c *Child) Stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// Kill ends the child at once, with SIGKILL, and returns when it is gone.
func (c *Child) Kill() {
	_ = c.cmd.Process.Kill() // fails only when it has ended
	<-c.done
}

// Ended describes how a child ended that should not have, with the end of what
// it printed. It is nil while the child runs.
func (c *Child) Ended() error {
	select {
	case <-c.done:
		return fmt.Errorf("%s ended (%s):\n%s", c.Name, c.cmd.ProcessState, c.tail())
	default:
		return nil
	}
}

// tail returns the end of what the child printed.
func (c *Child) tail() string {
	const enough = 2048
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-enough):])
}
