package cli

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/mayfly-broker/mayfly/cmd/config"
)

// memorySetting is what the process of a broker should take.
func memorySetting(memory *int64) config.Setting {
	*memory = defaultMemory(os.ReadFile)
	return config.Setting{
		Name: "max-memory", Help: "memory this node should take in all; half of it is for items, and old ones give way when that is used up",
		Value: config.Size(memory), Default: "half of the machine's, or three quarters of the cgroup's limit",
	}
}

// leastDefault is less memory than a node may be given; who has less sets no bound
// by default.
const leastDefault = 128 << 20

// defaultMemory is a sensible share of what this process could have, in bytes, 0 where
// that is not known. Of what a cgroup may have nearly all is ours, of a machine's
// memory others want their part.
func defaultMemory(read func(name string) ([]byte, error)) int64 {
	most := int64(math.MaxInt64)
	if text, err := read("/proc/meminfo"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 2 && fields[0] == "MemTotal:" {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil && kib < math.MaxInt64>>10 {
				most = kib << 10 / 2
			}
		}
	}
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := read(name)
		if err != nil {
			continue
		}
		// "max" is no limit; older kernels write a number beyond all memory.
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			most = min(most, limit/4*3)
		}
		break
	}
	if most == math.MaxInt64 || most < leastDefault {
		return 0
	}
	return most
}

// limitMemory has the collector of this process work harder before it takes more,
// unless GOMEMLIMIT has said so already.
func limitMemory(memory int64) {
	if memory > 0 && debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(memory)
	}
}
