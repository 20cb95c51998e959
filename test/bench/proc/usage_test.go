package proc

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel tells a process its own processor time in another way too; both
// must grow alike.
func TestCPUIsWhatTheProcessUsed(t *testing.T) {
	usage := func() (clock, rusage time.Duration) {
		clock, err := cpuOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		var r unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
			t.Fatal(err)
		}
		return clock, time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	clock, rusage := usage()
	for used := time.Duration(0); used < 50*time.Millisecond; {
		now, _ := usage()
		used = now - clock
	}
	clockThen, rusageThen := usage()
	diff := (clockThen - clock) - (rusageThen - rusage)
	if diff.Abs() > 5*time.Millisecond {
		t.Errorf("the clock went on by %v, the usage by %v", clockThen-clock, rusageThen-rusage)
	}
}

// Linux gives no number above this one.
func TestCPUOfNobody(t *testing.T) {
	if cpu, err := cpuOf(1 << 22); err == nil {
		t.Errorf("got %v for a process that cannot exist, want an error", cpu)
	}
}

func TestRSS(t *testing.T) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if rss, err := rssOf(status); err != nil || rss < 1<<20 {
		t.Errorf("this process: got %d bytes, %v; want some MiB", rss, err)
	}
	if rss, err := rssOf([]byte("Name:\tx\nVmRSS:\t    2048 kB\n")); err != nil || rss != 2<<20 {
		t.Errorf("got %d, %v; want 2 MiB", rss, err)
	}
	for _, bad := range []string{"VmPeak:\t 10 kB\n", "VmRSS:\t many kB\n"} {
		if _, err := rssOf([]byte(bad)); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}
