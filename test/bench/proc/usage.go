package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the processor time that the child has used so far, in user mode
// and in the kernel, over all its threads, those that have ended included. It
// is the sum of utime and stime of /proc/<pid>/stat, read where it is kept in
// nanoseconds: in a file it is rounded to 10 ms, too coarse for short rounds.
func (c *Child) CPU() (time.Duration, error) {
	cpu, err := cpuOf(c.cmd.Process.Pid)
	if err != nil {
		return 0, fmt.Errorf("processor time of %s: %w", c.Name, err)
	}
	return cpu, nil
}

// cpuOf reads the clock that the kernel has for the processor time of each
// process; its number is made of the process's as clock_getcpuclockid(3) does:
// the complement, shifted by three bits, and 2 for the scheduler's own count.
func cpuOf(pid int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}

// RSS returns the resident memory of the child in bytes: VmRSS.
func (c *Child) RSS() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("memory of %s: %w", c.Name, err)
	}
	return rssOf(text)
}

func rssOf(status []byte) (int64, error) {
	for line := range strings.Lines(string(status)) {
		value, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("VmRSS: %w", err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("status file has no VmRSS line")
}
