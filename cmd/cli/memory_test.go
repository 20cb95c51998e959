package cli

import (
	"io/fs"
	"testing"
)

func TestDefaultMemory(t *testing.T) {
	const v2, v1, machine = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/proc/meminfo"
	const eight = "MemTotal:        8388608 kB\nMemFree:          100 kB\n"
	for what, tt := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"a machine":                 {map[string]string{machine: eight}, 4 << 30},
		"a cgroup":                  {map[string]string{machine: eight, v2: "1073741824\n"}, 768 << 20},
		"a cgroup without a limit":  {map[string]string{machine: eight, v2: "max\n"}, 4 << 30},
		"an old cgroup":             {map[string]string{machine: eight, v1: "1073741824\n"}, 768 << 20},
		"an old one without limit":  {map[string]string{machine: eight, v1: "9223372036854771712\n"}, 4 << 30},
		"a cgroup above the memory": {map[string]string{machine: eight, v2: "99999999999\n"}, 4 << 30},
		"hardly any":                {map[string]string{machine: eight, v2: "67108864\n"}, 0},
		"unknown":                   {nil, 0},
		"odd":                       {map[string]string{machine: "MemTotal: x kB", v2: "y"}, 0},
	} {
		read := func(name string) ([]byte, error) {
			if text, ok := tt.files[name]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		}
		if got := defaultMemory(read); got != tt.want {
			t.Errorf("%s: %d, want %d", what, got, tt.want)
		}
	}
}
