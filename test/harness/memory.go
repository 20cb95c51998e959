package harness

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// ResidentBytes is the memory that the server holds right now: VmRSS where
// there is a /proc, else what ps says.
func (s *Server) ResidentBytes(t testing.TB) int64 {
	t.Helper()
	kib, err := residentKiB(s.running.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

func residentKiB(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output() //nolint:noctx // ends at once
		if err != nil {
			return 0, fmt.Errorf("memory of process %d: %w", pid, err)
		}
		return strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		}
	}
	return 0, fmt.Errorf("memory of process %d: no VmRSS line", pid)
}
