package proc

import (
	"os"
	"testing"
	"time"
)

func TestCPUOf(t *testing.T) {
	for _, test := range []struct {
		name, stat string
		want       time.Duration
		fails      bool
	}{
		{"plain", "7 (nats-server) S 1 7 7 0 -1 4194304 10 0 0 0 150 25 3 4 20 0 9 0 100", 1750 * time.Millisecond, false},
		{"a name with spaces and parentheses", "7 (a ) b) S 1 7 7 0 -1 4194304 10 0 0 0 1 2 3 4 20 0 9 0 100", 30 * time.Millisecond, false},
		{"cut short", "7 (x) S 1 7", 0, true},
		{"no number", "7 (x) S 1 7 7 0 -1 4194304 10 0 0 0 one 2 3 4", 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := cpuOf([]byte(test.stat))
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("got %v, %v; want %v, failing %v", got, err, test.want, test.fails)
			}
		})
	}
}

// The formats are the kernel's, so its own files are the best case there is.
func TestUsageOfThisProcess(t *testing.T) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if cpu, err := cpuOf(stat); err != nil || cpu < 0 || cpu > time.Hour {
		t.Errorf("processor time: got %v, %v", cpu, err)
	}
	if rss, err := rssOf(status); err != nil || rss < 1<<20 {
		t.Errorf("resident memory: got %d bytes, %v; want some MiB", rss, err)
	}
}

func TestRSSOfNeedsTheLine(t *testing.T) {
	if _, err := rssOf([]byte("VmPeak:\t 10 kB\n")); err == nil {
		t.Error("got no error for a status without VmRSS")
	}
}
