package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	// MaxChangeBytes bounds an encoded change. The largest retargets every group
	// of the largest cluster.
	MaxChangeBytes = 256 << 10
	// MaxAtMs is the latest time a change may tell, some 8,900 years from now: a
	// clock gone mad must not exhaust what is counted in it.
	MaxAtMs = 1 << 48

	changeFormat = 1
)

// Change is one entry of the meta group's log for the State.
type Change struct {
	// Expect is the version of the state the change was made for, 0 for any.
	// Changes that were planned or checked on a view must name it.
	Expect uint64
	// AtMs is the time of the proposer in milliseconds since the Unix epoch, 0
	// for no statement. The state's clock is the latest it was told.
	AtMs uint64
	// Op is what to do.
	Op Op
}

// Op is one kind of change: a pointer to [Found], [Join], [Announce],
// [Activate], [Drain], [Resume], [RemoveMember], [ReplaceStore], [AddToken],
// [RemoveToken], [RaiseLevel], [Retarget], [CreateReplica], [BeginStep],
// [Record], [RetireReplica], [ForgetReplica], [LoseReplica], [RecoverGroup],
// [Entrust], [Rotate] or [Turn].
type Op interface {
	kind() string
	// planned: the op was decided on a view of the state, and is void on another.
	planned() bool
	// apply changes s, whose lists it may replace but not write to, or gives
	// errSame or the reason why not. A CreateReplica gives the replica.
	apply(s *State) (Replica, error)
}

// ops makes an empty op of each kind. The names are on disk for ever.
var ops = map[string]func() Op{
	"found":          func() Op { return new(Found) },
	"join":           func() Op { return new(Join) },
	"announce":       func() Op { return new(Announce) },
	"activate":       func() Op { return new(Activate) },
	"drain":          func() Op { return new(Drain) },
	"resume":         func() Op { return new(Resume) },
	"remove-member":  func() Op { return new(RemoveMember) },
	"replace-store":  func() Op { return new(ReplaceStore) },
	"add-token":      func() Op { return new(AddToken) },
	"remove-token":   func() Op { return new(RemoveToken) },
	"raise-level":    func() Op { return new(RaiseLevel) },
	"retarget":       func() Op { return new(Retarget) },
	"create-replica": func() Op { return new(CreateReplica) },
	"begin-step":     func() Op { return new(BeginStep) },
	"record":         func() Op { return new(Record) },
	"retire-replica": func() Op { return new(RetireReplica) },
	"forget-replica": func() Op { return new(ForgetReplica) },
	"lose-replica":   func() Op { return new(LoseReplica) },
	"recover-group":  func() Op { return new(RecoverGroup) },
	"entrust":        func() Op { return new(Entrust) },
	"rotate":         func() Op { return new(Rotate) },
	"turn":           func() Op { return new(Turn) },
}

// Errors of decoding.
var (
	// ErrFormat: the bytes were written by a newer program. A replica that meets
	// them stops instead of skipping them.
	ErrFormat = errors.New("cluster: unknown format, it takes a newer program to read it")
	// ErrDamaged: the bytes are not what an encoder wrote.
	ErrDamaged = errors.New("cluster: damaged encoding")
)

type changeEnvelope struct {
	Format int             `json:"format"`
	Kind   string          `json:"kind"`
	Expect uint64          `json:"expect,omitempty"`
	AtMs   uint64          `json:"at_ms,omitempty"`
	Op     json.RawMessage `json:"op"`
}

// Encode gives the bytes of the change, at most MaxChangeBytes.
func (c Change) Encode() ([]byte, error) {
	if c.Op == nil {
		return nil, errors.New("cluster: the change to encode is empty")
	}
	op, err := json.Marshal(c.Op)
	if err != nil {
		return nil, fmt.Errorf("cluster: encoding a change %q: %w", c.Op.kind(), err)
	}
	data, err := json.Marshal(changeEnvelope{changeFormat, c.Op.kind(), c.Expect, c.AtMs, op})
	if err != nil {
		return nil, fmt.Errorf("cluster: encoding a change %q: %w", c.Op.kind(), err)
	}
	if len(data) > MaxChangeBytes {
		return nil, fmt.Errorf("cluster: a change %q has %d bytes, at most %d are allowed", c.Op.kind(), len(data), MaxChangeBytes)
	}
	return data, nil
}

// DecodeChange reads what Encode wrote, strictly: unknown fields, unknown kinds
// and bytes left over are errors. It does not judge whether the change makes
// sense, Apply does. data is not kept.
func DecodeChange(data []byte) (Change, error) {
	if len(data) > MaxChangeBytes {
		return Change{}, fmt.Errorf("%w: a change of %d bytes, at most %d are allowed", ErrDamaged, len(data), MaxChangeBytes)
	}
	var e changeEnvelope
	if err := decodeVersioned(data, changeFormat, &e); err != nil {
		return Change{}, fmt.Errorf("change: %w", err)
	}
	newOp, known := ops[e.Kind]
	if !known {
		return Change{}, fmt.Errorf("%w: a change %.64q", ErrFormat, e.Kind)
	}
	op := newOp()
	if err := decodeStrict(e.Op, op); err != nil {
		return Change{}, fmt.Errorf("change %q: %w", e.Kind, err)
	}
	return Change{Expect: e.Expect, AtMs: e.AtMs, Op: op}, nil
}

// decodeVersioned looks at the format before it is strict about the rest, so
// that a newer format is told from damage.
func decodeVersioned(data []byte, format int, into any) error {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	switch {
	case head.Format > format:
		return fmt.Errorf("%w: format %d, this program knows up to %d", ErrFormat, head.Format, format)
	case head.Format < 1:
		return fmt.Errorf("%w: format %d", ErrDamaged, head.Format)
	}
	return decodeStrict(data, into)
}

func decodeStrict(data []byte, into any) error {
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || trimmed[0] != '{' {
		return fmt.Errorf("%w: not an object", ErrDamaged)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: bytes follow its end", ErrDamaged)
	}
	return nil
}
