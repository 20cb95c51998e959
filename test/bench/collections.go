package main

import (
	"fmt"
	"os/exec"

	"github.com/mayfly-broker/mayfly/test/bench/load"
)

// collections measures what an element of each type of collection takes, in one
// large collection and in many small ones, beside redis-server.
func (b *bench) collections() error {
	elements := 1_000_000
	if b.short {
		elements = 100_000
	}
	t := table{
		Title:   "Memory of collections (growth of resident memory, bytes for each element of 20 bytes)",
		Columns: []string{"of", "server", "bytes", "before, MiB", "after, MiB"},
		Note:    "a fresh server each time, one round; a dictionary's element is a field and a value; redis-server keeps nothing on disk",
	}
	servers := []string{mayflyDev, mayflyServer}
	if _, err := exec.LookPath(b.redis); err == nil {
		servers = append(servers, redisServer)
	} else {
		t.Note += "; it is not installed here, so its rows are missing"
	}
	for _, kind := range []load.Type{load.Dictionaries, load.Sets, load.SortedSets} {
		for _, per := range []int{elements, 10} {
			h := hoard{
				name: fmt.Sprintf("%s, %d elements in each", kind, per), per: 1,
				task: load.Task{Gather: &load.Gather{Type: kind, Collections: elements / per, Per: per}},
			}
			for _, server := range servers {
				w, err := b.weigh(h, server)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", h.name, server, err)
				}
				t.Rows = append(t.Rows, []string{h.name, server, fmt.Sprint(w.grown), mebibytes(w.before), mebibytes(w.after)})
			}
		}
	}
	b.result.show(b.out, t)
	return nil
}
