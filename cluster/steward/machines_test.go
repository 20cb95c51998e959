package steward

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// journal is the state machine of a data group: it remembers every command.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Apply(_ uint64, commands [][]byte) []any {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range commands {
		j.lines = append(j.lines, string(c))
	}
	return make([]any, len(commands))
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

func (j *journal) Snapshot() (io.WriterTo, error) {
	data, err := json.Marshal(j.all())
	return bytes.NewReader(data), err
}

func (j *journal) Restore(r io.Reader) error {
	var lines []string
	if err := json.NewDecoder(r).Decode(&lines); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = lines
	return nil
}

// record is a node's copy of the cluster's state: a Record over the replica of
// the meta group that the node has at the time, and that replica's state
// machine.
type record struct {
	host func() *replica.Host

	mu      sync.RWMutex
	state   *cluster.State
	changed chan struct{}
}

func newRecord(host func() *replica.Host) *record {
	return &record{host: host, state: cluster.NewState(), changed: make(chan struct{})}
}

// begin is called for each replica of the meta group that starts.
func (r *record) begin() replica.StateMachine {
	r.update(func() { r.state = cluster.NewState() })
	return r
}

func (r *record) update(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *record) Apply(_ uint64, commands [][]byte) []any {
	results := make([]any, len(commands))
	r.update(func() {
		for i, data := range commands {
			change, err := cluster.DecodeChange(data)
			if err != nil {
				panic(err)
			}
			results[i] = r.state.Apply(change)
		}
	})
	return results
}

func (r *record) Snapshot() (io.WriterTo, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return bytes.NewReader(r.state.Snapshot()), nil
}

func (r *record) Restore(from io.Reader) error {
	data, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	r.update(func() { err = r.state.Restore(data) })
	return err
}

func (r *record) Read(look func(*cluster.State)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	look(r.state)
}

func (r *record) Changed() <-chan struct{} {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.changed
}

func (r *record) group() *replica.Group {
	if host := r.host(); host != nil {
		return host.Group(cluster.MetaGroup)
	}
	return nil
}

func (r *record) Propose(ctx context.Context, change cluster.Change) (cluster.Outcome, error) {
	g := r.group()
	if g == nil {
		return cluster.Outcome{}, replica.ErrNotLeader
	}
	change.AtMs = uint64(time.Now().UnixMilli())
	data, err := change.Encode()
	if err != nil {
		return cluster.Outcome{}, err
	}
	out, err := g.Propose(ctx, data)
	if err != nil {
		return cluster.Outcome{}, err
	}
	return out.(cluster.Outcome), nil
}

func (r *record) Leading() (term uint64, leading bool, changed <-chan struct{}) {
	if g := r.group(); g != nil {
		now, over := g.Leadership()
		return now.Term, now.Leading, over
	}
	return 0, false, nil
}
