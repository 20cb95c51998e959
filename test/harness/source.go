package harness

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// RunSource runs a whole program that is given as text, with the official SDK
// of its language and the command mayfly at hand, MAYFLY_PORT set to the server's
// port and MAYFLY_SERVER to its address, and returns what it printed. A program
// that fails fails the test.
func RunSource(t testing.TB, l Language, s *Server, source string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var cmd *exec.Cmd
	switch l {
	case NodeJS:
		write(t, filepath.Join(dir, "program.mjs"), source)
		if err := os.Symlink(filepath.Join(tools.NodeDir, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
		cmd = exec.Command(tools.Node, "program.mjs") //nolint:noctx // ends with the test, by signal
	case Go:
		write(t, filepath.Join(dir, "main.go"), source)
		program := filepath.Join(dir, "program")
		// The go.mod of gosdk names the SDK.
		if err := goBuild(t.Context(), "gosdk", program, filepath.Join(dir, "main.go")); err != nil {
			t.Fatal(err)
		}
		cmd = exec.Command(program) //nolint:noctx // ends with the test, by signal
	case Shell:
		cmd = exec.Command("bash", "-euo", "pipefail", "-c", source) //nolint:noctx // ends with the test, by signal
	}
	cmd.Dir = dir
	path := filepath.Dir(tools.Mayfly) + string(filepath.ListSeparator) + os.Getenv("PATH")
	return run(t, cmd, []string{"MAYFLY_PORT=" + port, "MAYFLY_SERVER=" + s.Addr, "PATH=" + path}).OK(t)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
