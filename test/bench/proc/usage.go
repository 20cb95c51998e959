package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/<pid>/stat: USER_HZ, which is 100 on
// every Linux that Go runs on, whatever the kernel's own clock.
const tick = 10 * time.Millisecond

// CPU returns the processor time that the child has used so far, in user mode
// and in the kernel, over all its threads. It is exact to some ticks of 10 ms.
func (c *Child) CPU() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("processor time of %s: %w", c.Name, err)
	}
	return cpuOf(text)
}

// cpuOf reads fields 14 and 15, utime and stime, of a stat file (proc(5)). The
// second field, the name, may hold spaces; it ends with the last parenthesis.
func cpuOf(stat []byte) (time.Duration, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat line has %d fields after the name, want 13 or more", len(fields))
	}
	var sum time.Duration
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("stat line: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
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
