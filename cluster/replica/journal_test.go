package replica

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// journal is a state machine that remembers every command in order. Its result
// is the position of the command. It is the naive model the tests trust.
type journal struct {
	mu       sync.Mutex
	lines    []string
	last     uint64
	restored int
	// gate, when set, is received from before each Apply.
	gate chan struct{}
	// broken makes Apply violate its contract.
	broken bool
}

func (j *journal) Apply(index uint64, commands [][]byte) []any {
	if j.gate != nil {
		<-j.gate
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if index <= j.last {
		panic(fmt.Sprintf("entry %d applied after %d", index, j.last))
	}
	j.last = index
	results := make([]any, len(commands))
	for i, c := range commands {
		results[i] = len(j.lines)
		j.lines = append(j.lines, string(c))
	}
	if j.broken {
		return results[:0]
	}
	return results
}

func (j *journal) Snapshot() (io.WriterTo, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return journalSnapshot{j.lines[:len(j.lines):len(j.lines)], j.last}, nil
}

func (j *journal) Restore(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil || len(data) < 8 {
		return fmt.Errorf("short snapshot: %d bytes, %w", len(data), err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last, j.lines = binary.BigEndian.Uint64(data), nil
	j.restored++
	for data = data[8:]; len(data) > 0; {
		size, n := binary.Uvarint(data)
		j.lines = append(j.lines, string(data[n:n+int(size)]))
		data = data[n+int(size):]
	}
	return nil
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.lines...)
}

type journalSnapshot struct {
	lines []string
	last  uint64
}

func (s journalSnapshot) WriteTo(w io.Writer) (int64, error) {
	var buf bytes.Buffer
	buf.Write(binary.BigEndian.AppendUint64(nil, s.last))
	for _, line := range s.lines {
		buf.Write(binary.AppendUvarint(nil, uint64(len(line))))
		buf.WriteString(line)
	}
	return buf.WriteTo(w)
}
