package harness

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// Language is an official SDK under test.
type Language string

// The SDKs that the stories use.
const (
	NodeJS Language = "node"
	Go     Language = "go"
	// Web is the SDK for pages, in a browser.
	Web Language = "web"
	// Pages is no SDK: its programs click through the console in a browser.
	Pages Language = "pages"
	// Shell is no SDK but the commands of the broker itself, for RunSource alone.
	Shell Language = "shell"
)

// Client says what a program shall connect to.
type Client struct {
	// Addr is host:port of the broker, or of several nodes with commas between
	// them, over which the program spreads what it does.
	Addr string
	// Key is the raw API key or token; empty connects without a credential.
	Key string
	// Cache exists already, and the program may do in it what it likes.
	Cache string
	// TLS signed the broker's certificate; nil connects in plaintext. It takes a
	// Key: the SDKs have no other way to TLS.
	TLS *Authority
	// Names lead to the broker, so that the program connects as in production,
	// without overrides; nil connects to Addr.
	Names *Names
}

// command runs the named program of one language.
func (c Client) command(l Language, program string) *exec.Cmd {
	var cmd *exec.Cmd
	switch l {
	case NodeJS:
		cmd = exec.Command(tools.Node, program+".mjs") //nolint:noctx // ends with the test, by signal
		cmd.Dir = tools.NodeDir
	case Web:
		cmd = exec.Command(tools.Node, "run.mjs", program) //nolint:noctx // ends with the test, by signal
		cmd.Dir = tools.BrowserDir
	case Pages:
		cmd = exec.Command(tools.Node, program+".mjs") //nolint:noctx // ends with the test, by signal
		cmd.Dir = tools.BrowserDir
	case Go:
		cmd = exec.Command(tools.GoSDK, program) //nolint:noctx // ends with the test, by signal
	}
	cmd.Env = environment(append(append(c.TLS.environment(), c.Names.environment()...),
		"STORY_ADDR="+c.Addr, "STORY_KEY="+c.Key, "STORY_CACHE="+c.Cache, "STORY_MAYFLY="+tools.Mayfly)...)
	return cmd
}

// outcome is one line that a program of checks prints.
type outcome struct {
	Check string `json:"check"` // name of the check
	Error string `json:"error"` // why it failed; empty when it passed
	Done  int    `json:"done"`  // last line: how many checks were made
}

// RunChecks runs a program that makes many checks through an official SDK and
// reports each of them as a subtest of its own. A program that ends early, or
// that checked nothing, fails the test. It returns the names of the checks that
// passed.
func RunChecks(t *testing.T, l Language, program string, c Client) []string {
	t.Helper()
	return runChecks(t, string(l)+"-"+program, c.command(l, program))
}

func runChecks(t *testing.T, program string, cmd *exec.Cmd) (passed []string) {
	t.Helper()
	log := openLog(t, program)
	cmd.Stderr = log
	out := outputOf(cmd)
	p := start(t, program, cmd)
	var outcomes []outcome
	read := make(chan struct{})
	go func() {
		defer close(read)
		readLines(out, log, func(line []byte) {
			var o outcome
			if json.Unmarshal(line, &o) == nil {
				outcomes = append(outcomes, o)
			}
		})
	}()
	code, err := p.wait(4 * Patience)
	if err != nil {
		p.kill()
	}
	<-read
	passed = report(t, outcomes)
	if err != nil || code != 0 {
		t.Errorf("program %s: code %d, %v\n%s", program, code, err, tail(log))
	}
	return passed
}

// report makes a subtest of every check, and fails the test when the program
// did not get to the end of its checks. It returns what passed.
func report(t *testing.T, outcomes []outcome) (passed []string) {
	t.Helper()
	checks, done := 0, 0
	for _, o := range outcomes {
		if o.Check == "" {
			done = o.Done
			continue
		}
		checks++
		t.Run(o.Check, func(t *testing.T) {
			if o.Error != "" {
				t.Error(o.Error)
			}
		})
		if o.Error == "" {
			passed = append(passed, o.Check)
		}
	}
	if done == 0 || done != checks {
		t.Errorf("%d checks were reported, %d were said to have been made", checks, done)
	}
	return passed
}

// readLines hands each line that looks like a JSON object to take, and writes
// all of them to the log.
func readLines(r io.Reader, log io.Writer, take func(line []byte)) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		note(log, "%s", lines.Bytes())
		if strings.HasPrefix(lines.Text(), "{") {
			take(lines.Bytes())
		}
	}
	if err := lines.Err(); err != nil {
		note(log, "reading the program's output: %v", err)
	}
}

// note writes a line to a log; a log that cannot be written must not change the
// outcome of a test.
func note(log io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(log, format+"\n", args...)
}
