package store

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// TestMachineAgainstNaive drives a machine and the naive one with the same
// random commands, and a twin with their encoded form. Snapshots are taken and
// restored on the way: the machine goes on from a restored copy, the twin
// never does, and both must stay byte for byte the same.
func TestMachineAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{machine: NewMachine(), twin: NewMachine(), naive: newNaive()}
		t.Repeat(map[string]func(*rapid.T){
			"command":  h.command,
			"command2": h.command, // commands more often than the rest
			"command3": h.command,
			"query":    h.query,
			"freeze":   h.freeze,
			"thaw":     h.thaw,
			"restore":  h.restore,
			"": func(t *rapid.T) {
				verify(t, h.machine)
			},
		})
		h.thaw(t)
		if a, b := snapshotBytes(t, h.machine), snapshotBytes(t, h.twin); !bytes.Equal(a, b) {
			t.Fatalf("the twin's snapshot differs")
		}
	})
}

type history struct {
	machine, twin *Machine
	naive         *naive
	now           uint64
	sequence      [2]uint64
	log           []*Command
	frozen        []frozenCopy
}

// frozenCopy is a snapshot and what it wrote when it was taken.
type frozenCopy struct {
	snapshot *Snapshot
	want     []byte
}

func (h *history) command(t *rapid.T) {
	h.now += rapid.SampledFrom([]uint64{0, 0, 0, 1, 5, 50, 1000, 130_000, 700_000}).Draw(t, "step")
	cmd := drawCommand(t)
	cmd.AtMs = h.now - min(h.now, rapid.Uint64Range(0, 20).Draw(t, "late"))
	switch rapid.IntRange(0, 5).Draw(t, "request") {
	case 0, 1:
		h.identify(t, cmd)
	case 2:
		// Repeat any earlier request, at a later time.
		if len(h.log) > 0 {
			old := proto.CloneOf(rapid.SampledFrom(h.log).Draw(t, "repeated"))
			old.AtMs = cmd.AtMs
			cmd = old
		}
	}
	encoded, err := EncodeCommand(nil, cmd)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	decoded, err := DecodeCommand(encoded)
	if err != nil || !proto.Equal(cmd, decoded) {
		t.Fatalf("decoded %v, %v; encoded %v", decoded, err, cmd)
	}
	h.log = append(h.log, cmd)
	got, twin, want := h.machine.Apply(cmd), h.twin.Apply(decoded), h.naive.apply(cmd)
	if !proto.Equal(got, twin) {
		t.Fatalf("%v\n got %v\ntwin %v", cmd, got, twin)
	}
	same(t, cmd, got, want)
	if h.machine.Clock() != h.naive.clock {
		t.Fatalf("clock %d, want %d", h.machine.Clock(), h.naive.clock)
	}
}

func (h *history) identify(t *rapid.T, cmd *Command) {
	who := rapid.IntRange(0, 1).Draw(t, "gateway")
	h.sequence[who]++
	n := h.sequence[who]
	cmd.Request = &storev1.RequestId{
		Gateway: bytes.Repeat([]byte{byte('A' + who)}, GatewayIDBytes), Sequence: n,
		DoneBelow: n - min(n, rapid.Uint64Range(0, 9).Draw(t, "open")),
	}
}

// same compares results; the texts of refusals are not the naive one's job.
func same(t *rapid.T, about proto.Message, got, want *Result) {
	got = proto.CloneOf(got)
	if got.GetStatus() != storev1.Status_STATUS_OK && got.GetDetail() == "" {
		t.Fatalf("%v\nrefused without a word: %v", about, got)
	}
	got.Detail = ""
	if !proto.Equal(got, want) {
		t.Fatalf("%v\n got %v\nwant %v", about, got, want)
	}
}

func (h *history) query(t *rapid.T) {
	q := drawQuery(t)
	at := h.now + rapid.SampledFrom([]uint64{0, 0, 1, 30, 500, 5000}).Draw(t, "ahead")
	same(t, q, h.machine.View(q, at), h.naive.view(q, at))
	if a, ok := h.machine.NextExpiry(); ok {
		if b, _ := h.twin.NextExpiry(); a != b {
			t.Fatalf("next expiry %d, twin %d", a, b)
		}
	}
}

func (h *history) freeze(t *rapid.T) {
	s := h.machine.Snapshot()
	h.frozen = append(h.frozen, frozenCopy{s, written(t, s)})
}

// thaw looks whether what was frozen is still the same.
func (h *history) thaw(t *rapid.T) {
	for _, f := range h.frozen {
		if !bytes.Equal(written(t, f.snapshot), f.want) {
			t.Fatalf("a snapshot changed after it was taken")
		}
	}
	h.frozen = h.frozen[:0]
}

func (h *history) restore(t *rapid.T) {
	data := snapshotBytes(t, h.machine)
	stats := h.machine.Stats()
	h.machine = restored(t, data)
	if got := h.machine.Stats(); got != stats {
		t.Fatalf("restored %+v, want %+v", got, stats)
	}
	if !bytes.Equal(snapshotBytes(t, h.machine), data) {
		t.Fatalf("a restored machine writes another snapshot")
	}
}

var (
	drawName  = rapid.SampledFrom([]string{"a", "b", "chat"})
	drawKey   = rapid.SampledFrom([]string{"1", "2", "room", "\x00\xff"})
	drawValue = rapid.SampledFrom([]string{"", "x", "y", "7", "-05", "9223372036854775807", "a longer text"})
	drawTTL   = rapid.SampledFrom([]uint64{1, 2, 10, 60, 1000, 200_000, MaxTTLMs})
	drawEnd   = rapid.SampledFrom([]storev1.End{front, back})
)

func drawValues(t *rapid.T) [][]byte {
	if rapid.IntRange(0, 9).Draw(t, "batch") == 0 {
		n := rapid.IntRange(0, 300).Draw(t, "size")
		return byteses(strings.Split(strings.Repeat("abcdefghijk,", n), ",")...)
	}
	return byteses(rapid.SliceOfN(drawValue, 0, 5).Draw(t, "values")...)
}

func drawLife(t *rapid.T) *storev1.CollectionTtl {
	return &storev1.CollectionTtl{TtlMs: drawTTL.Draw(t, "ttl"), Refresh: rapid.Bool().Draw(t, "refresh")}
}

func drawSlice(t *rapid.T) *storev1.Slice {
	bound := rapid.Ptr(rapid.Int64Range(-9, 9), true)
	return &storev1.Slice{Start: bound.Draw(t, "start"), End: bound.Draw(t, "end")}
}

func drawCommand(t *rapid.T) *Command {
	op := drawOp(t)
	cmd := command(0, drawKey.Draw(t, "key"), op)
	cmd.Cache = drawName.Draw(t, "cache")
	cmd.Generation = rapid.SampledFrom([]uint64{3, 3, 3, 3, 3, 3, 2, 4, 5}).Draw(t, "generation")
	switch op.(type) {
	case *storev1.Tick, *storev1.Sweep, *storev1.Retire:
		cmd.Key = nil
	}
	return cmd
}

func drawOp(t *rapid.T) any {
	switch rapid.IntRange(0, 15).Draw(t, "op") {
	case 0, 1:
		return drawSet(t)
	case 2:
		return &storev1.Delete{}
	case 3:
		amount := rapid.SampledFrom([]int64{0, 1, -3, 1 << 62, -1 << 63})
		return &storev1.Increment{Amount: amount.Draw(t, "amount"), TtlMs: drawTTL.Draw(t, "ttl")}
	case 4:
		mode := rapid.Int32Range(1, 3).Draw(t, "mode")
		return &storev1.UpdateTtl{Mode: storev1.UpdateTtl_Mode(mode), TtlMs: drawTTL.Draw(t, "ttl")}
	case 5, 6, 7, 8:
		return &storev1.ListPush{
			End: drawEnd.Draw(t, "end"), Values: drawValues(t), Ttl: drawLife(t),
			TruncateToSize: rapid.SampledFrom([]uint32{0, 0, 0, 1, 3, 100}).Draw(t, "truncate"),
		}
	case 9, 10:
		return &storev1.ListPop{End: drawEnd.Draw(t, "end")}
	case 11:
		return &storev1.ListRetain{Slice: drawSlice(t), Ttl: drawLife(t)}
	case 12:
		return &storev1.ListRemove{Value: []byte(drawValue.Draw(t, "value"))}
	case 13:
		op := &storev1.ListErase{All: rapid.IntRange(0, 9).Draw(t, "all") == 0}
		for range rapid.IntRange(0, 4).Draw(t, "ranges") {
			op.Ranges = append(op.Ranges, &storev1.ListErase_Range{
				Begin: rapid.Uint64Range(0, 12).Draw(t, "begin"), Count: rapid.Uint64Range(0, 6).Draw(t, "count"),
			})
		}
		return op
	case 14:
		return &storev1.Sweep{Limit: rapid.Uint32Range(1, 4).Draw(t, "limit")}
	default:
		if rapid.IntRange(0, 2).Draw(t, "retire") > 0 {
			return &storev1.Tick{}
		}
		return &storev1.Retire{Deleted: rapid.Bool().Draw(t, "deleted")}
	}
}

func drawSet(t *rapid.T) *storev1.Set {
	op := &storev1.Set{
		Value: []byte(drawValue.Draw(t, "value")), TtlMs: drawTTL.Draw(t, "ttl"),
		Condition: storev1.Condition(rapid.Int32Range(0, 6).Draw(t, "condition")),
	}
	if op.GetCondition() >= storev1.Condition_CONDITION_EQUAL {
		op.Operand = []byte(drawValue.Draw(t, "operand"))
		if op.OperandIsDigest = rapid.Bool().Draw(t, "digest"); op.OperandIsDigest {
			op.Operand = Digest(op.GetOperand())
		}
	}
	return op
}

func drawQuery(t *rapid.T) *Query {
	ops := []any{
		&storev1.Query_Get{}, &storev1.Query_Exists{}, &storev1.Query_ItemType{},
		&storev1.Query_ItemTtl{}, &storev1.Query_ListFetch{Slice: drawSlice(t)}, &storev1.Query_ListLength{},
	}
	q := query(drawKey.Draw(t, "key"), rapid.SampledFrom(ops).Draw(t, "op"))
	q.Cache = drawName.Draw(t, "cache")
	q.Generation = rapid.Uint64Range(2, 5).Draw(t, "generation")
	return q
}
