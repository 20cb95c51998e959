package store

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// The tests against the naive machine drive a machine and the naive one with the
// same random commands, and a twin with their encoded form. Snapshots are taken
// and restored on the way: the machine goes on from a restored copy, the twin
// never does, and both must stay byte for byte the same.
//
// A longer run: go test ./store -run Naive -rapid.checks 5000 -rapid.steps 100

func TestMachineAgainstNaive(t *testing.T) {
	againstNaive(t, &everything)
}

// The larger types are tested each by itself, on few keys; now and then something
// else gets in the way.

func TestDictionariesAgainstNaive(t *testing.T) {
	againstNaive(t, among(drawDictionaryOp, drawDictionaryQuery))
}

func TestSetsAgainstNaive(t *testing.T) {
	againstNaive(t, among(drawSetOp, drawSetQuery))
}

func TestSortedSetsAgainstNaive(t *testing.T) {
	againstNaive(t, among(drawSortedSetOp, drawSortedSetQuery))
}

// matter is what a history is about.
type matter struct {
	op, query    func(t *rapid.T) any
	caches, keys *rapid.Generator[string]
	generations  []uint64 // of commands
	steps        []uint64 // of time
}

var everything = matter{
	op: drawOp, query: drawAnyQuery, caches: drawName, keys: drawKey,
	generations: []uint64{3, 3, 3, 3, 3, 3, 2, 4, 5},
	steps:       []uint64{0, 0, 0, 1, 5, 50, 1000, 130_000, 700_000},
}

func among(op, query func(t *rapid.T) any) *matter {
	seldom := func(other, usual func(t *rapid.T) any) func(t *rapid.T) any {
		return func(t *rapid.T) any {
			if rapid.IntRange(0, 9).Draw(t, "other") == 0 {
				return other(t)
			}
			return usual(t)
		}
	}
	return &matter{
		op: seldom(drawOp, op), query: seldom(drawAnyQuery, query),
		caches: rapid.Just("a"), keys: rapid.SampledFrom([]string{"1", "2"}),
		generations: slices.Repeat([]uint64{3}, 30), steps: []uint64{0, 0, 0, 0, 1, 5, 50, 1000},
	}
}

func againstNaive(t *testing.T, about *matter) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{machine: NewMachine(), twin: NewMachine(), naive: newNaive(), about: about}
		t.Repeat(map[string]func(*rapid.T){
			"command":  h.command,
			"commands": several(h.command), // more often than the rest
			"query":    several(h.query),
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
	about         *matter
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

// several does something a few times over.
func several(do func(t *rapid.T)) func(t *rapid.T) {
	return func(t *rapid.T) {
		for range rapid.IntRange(1, 6).Draw(t, "times") {
			do(t)
		}
	}
}

func (h *history) command(t *rapid.T) {
	h.now += rapid.SampledFrom(h.about.steps).Draw(t, "step")
	cmd := drawCommand(t, h.about)
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
	held, growth := h.machine.Bytes(), h.machine.Growth(cmd, cmd.AtMs)
	got, twin := h.machine.Apply(cmd), h.twin.Apply(decoded)
	if now := h.machine.Bytes(); now > held+growth && cmd.GetDictionaryAdd() == nil {
		t.Fatalf("it held %d bytes and was to grow by %d at most, but holds %d after %v", held, growth, now, cmd)
	}
	h.naive.chosen = texts(got.GetValues().GetValues())
	want := h.naive.apply(cmd)
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
	q := drawQuery(t, h.about)
	at := h.now + rapid.SampledFrom([]uint64{0, 0, 1, 30, 500, 5000}).Draw(t, "ahead")
	got := h.machine.View(q, at)
	h.naive.chosen = texts(got.GetValues().GetValues())
	same(t, q, got, h.naive.view(q, at))
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
	drawSpace = rapid.SampledFrom([]storev1.Space{0, 0, 0, storev1.Space_SPACE_LEADERBOARDS})
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

func drawCommand(t *rapid.T, about *matter) *Command {
	op := about.op(t)
	cmd := command(0, about.keys.Draw(t, "key"), op)
	cmd.Cache = about.caches.Draw(t, "cache")
	cmd.Generation = rapid.SampledFrom(about.generations).Draw(t, "generation")
	switch op.(type) {
	case *storev1.Evict:
		cmd.Key, cmd.Space = nil, drawSpace.Draw(t, "space")
	case *storev1.Tick, *storev1.Sweep, *storev1.Retire:
		cmd.Key = nil
	default:
		cmd.Space = drawSpace.Draw(t, "space")
	}
	return cmd
}

func drawOp(t *rapid.T) any {
	switch rapid.IntRange(0, 20).Draw(t, "op") {
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
		return drawDictionaryOp(t)
	case 15:
		return drawSetOp(t)
	case 16, 17:
		return drawSortedSetOp(t)
	case 18:
		return &storev1.Evict{
			Keys:  byteses(rapid.SliceOfN(drawKey, 0, 5).Draw(t, "evicted")...),
			Kinds: rapid.SampledFrom([]uint32{^uint32(0), 0, 1 << storev1.Kind_KIND_LIST, ^uint32(1 << storev1.Kind_KIND_LIST)}).Draw(t, "kinds"),
		}
	case 19:
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

// drawElements draws from few elements, or many.
func drawElements(t *rapid.T) [][]byte {
	if rapid.IntRange(0, 9).Draw(t, "batch") > 0 {
		return byteses(rapid.SliceOfN(drawValue, 0, 6).Draw(t, "elements")...)
	}
	first, n := rapid.IntRange(0, 300).Draw(t, "first"), rapid.IntRange(0, 300).Draw(t, "size")
	all := make([][]byte, n)
	for i := range all {
		all[i] = fmt.Append(nil, (first+i)*7919%300)
	}
	return all
}

func drawScores(t *rapid.T, n int) []float64 {
	all := make([]float64, n)
	step := drawScore.Draw(t, "step")
	for i := range all {
		if n < 10 {
			step = drawScore.Draw(t, "score")
		}
		if all[i] = step * float64(i%50); math.IsNaN(all[i]) {
			all[i] = step
		}
	}
	return all
}

var (
	drawScore  = rapid.SampledFrom([]float64{0, 1, -1, 1.5, 2.5, 1e300, -1e300, math.Inf(1), math.Inf(-1)})
	drawWeight = rapid.SampledFrom([]float32{0, 1, -1, 2.5, float32(math.Inf(1))})
)

func drawDictionaryOp(t *rapid.T) any {
	switch rapid.IntRange(0, 7).Draw(t, "dictionary op") {
	case 0, 1, 2:
		op := &storev1.DictionarySet{Fields: drawElements(t), Ttl: drawLife(t)}
		for range op.GetFields() {
			op.Values = append(op.Values, []byte(drawValue.Draw(t, "value")))
		}
		return op
	case 3, 4:
		amount := rapid.SampledFrom([]int64{0, 1, -3, 1 << 62, -1 << 63})
		return &storev1.DictionaryIncrement{Field: []byte(drawValue.Draw(t, "field")), Amount: amount.Draw(t, "amount"), Ttl: drawLife(t)}
	case 5, 6:
		return drawAddition(t)
	default:
		return &storev1.DictionaryRemove{All: rapid.IntRange(0, 9).Draw(t, "all") == 0, Fields: drawElements(t)}
	}
}

func drawSetOp(t *rapid.T) any {
	switch rapid.IntRange(0, 6).Draw(t, "set op") {
	case 0, 1, 2:
		return &storev1.SetAdd{Elements: drawElements(t), Ttl: drawLife(t)}
	case 3:
		return &storev1.SetRemove{All: rapid.IntRange(0, 9).Draw(t, "all") == 0, Elements: drawElements(t)}
	case 4:
		return &storev1.SetComplement{Elements: drawElements(t)}
	default:
		return &storev1.SetPop{
			Count: rapid.SampledFrom([]uint32{0, 1, 2, 5, 100, 1 << 31}).Draw(t, "count"), Seed: rapid.Uint64().Draw(t, "seed"),
			MaxBytes: rapid.SampledFrom([]uint64{0, 0, 1, 40, 300}).Draw(t, "most"),
		}
	}
}

func drawSortedSetOp(t *rapid.T) any {
	members := drawElements(t)
	switch rapid.IntRange(0, 7).Draw(t, "sorted set op") {
	case 0, 1, 2, 3:
		return &storev1.SortedSetPut{Members: members, Scores: drawScores(t, len(members)), Ttl: drawLife(t)}
	case 4, 5:
		return &storev1.SortedSetIncrement{Member: []byte(drawValue.Draw(t, "member")), Amount: drawScore.Draw(t, "amount"), Ttl: drawLife(t)}
	case 6:
		op := &storev1.SortedSetRemove{All: rapid.IntRange(0, 9).Draw(t, "all") == 0, Members: members}
		if rapid.Bool().Draw(t, "with ttl") {
			op.Ttl = drawLife(t)
		}
		return op
	default:
		return &storev1.SortedSetUnion{
			Members: members, Scores: drawScores(t, len(members)),
			OwnWeights: rapid.SliceOfN(drawWeight, 0, 2).Draw(t, "weights"),
			Aggregate:  storev1.Aggregate(rapid.Int32Range(0, 2).Draw(t, "aggregate")), TtlMs: drawTTL.Draw(t, "ttl"),
		}
	}
}

func drawRange(t *rapid.T) *storev1.ScoreRange {
	bound := func(label string) *storev1.ScoreBound {
		if rapid.IntRange(0, 2).Draw(t, label) == 0 {
			return nil
		}
		return &storev1.ScoreBound{Score: drawScore.Draw(t, "bound"), Exclusive: rapid.Bool().Draw(t, "exclusive")}
	}
	return &storev1.ScoreRange{Min: bound("min"), Max: bound("max")}
}

func drawFetch(t *rapid.T) *storev1.Query_SortedSetFetch {
	op := &storev1.Query_SortedSetFetch{
		Order: storev1.Order(rapid.Int32Range(0, 1).Draw(t, "order")), Offset: rapid.SampledFrom([]uint64{0, 0, 1, 5, 1 << 63}).Draw(t, "offset"),
		Limit: rapid.Ptr(rapid.SampledFrom([]uint64{0, 1, 3, 1 << 63}), true).Draw(t, "limit"),
	}
	switch rapid.IntRange(0, 2).Draw(t, "range") {
	case 0:
		op.Range = &storev1.Query_SortedSetFetch_ByIndex{ByIndex: drawSlice(t)}
	case 1:
		op.Range = &storev1.Query_SortedSetFetch_ByScore{ByScore: drawRange(t)}
	}
	return op
}

func drawQuery(t *rapid.T, about *matter) *Query {
	op := about.query(t)
	q := query(about.keys.Draw(t, "key"), op)
	if _, sample := op.(*storev1.Query_SetSample); !sample {
		q.MaxBytes = rapid.SampledFrom([]uint64{0, 0, 1, 60, 500}).Draw(t, "most")
	}
	q.Space = drawSpace.Draw(t, "space")
	q.Cache = about.caches.Draw(t, "cache")
	q.Generation = rapid.SampledFrom([]uint64{3, 3, 3, 2, 4, 5}).Draw(t, "generation")
	return q
}

func drawAnyQuery(t *rapid.T) any {
	switch rapid.IntRange(0, 9).Draw(t, "query") {
	case 0:
		return &storev1.Query_Get{}
	case 1:
		return &storev1.Query_Exists{}
	case 2:
		return &storev1.Query_ItemType{}
	case 3:
		return &storev1.Query_ItemTtl{}
	case 4:
		return &storev1.Query_ListFetch{Slice: drawSlice(t)}
	case 5:
		return &storev1.Query_ListLength{}
	case 6:
		return &storev1.Query_Length{Kind: storev1.Kind(rapid.Int32Range(2, 5).Draw(t, "kind"))}
	case 7:
		return drawDictionaryQuery(t)
	case 8:
		return drawSetQuery(t)
	default:
		return drawSortedSetQuery(t)
	}
}

func drawDictionaryQuery(t *rapid.T) any {
	switch rapid.IntRange(0, 3).Draw(t, "dictionary query") {
	case 0:
		return &storev1.Query_DictionaryFetch{}
	case 1:
		return &storev1.Query_Length{Kind: storev1.Kind_KIND_DICTIONARY}
	default:
		return &storev1.Query_DictionaryGet{Fields: drawElements(t)}
	}
}

func drawSetQuery(t *rapid.T) any {
	switch rapid.IntRange(0, 3).Draw(t, "set query") {
	case 0:
		return &storev1.Query_SetFetch{}
	case 1:
		return &storev1.Query_Length{Kind: storev1.Kind_KIND_SET}
	case 2:
		return &storev1.Query_SetContains{Elements: drawElements(t)}
	default:
		limit := rapid.SampledFrom([]uint64{0, 1, 2, 5, 100, 1 << 63})
		return &storev1.Query_SetSample{Limit: limit.Draw(t, "sample"), Seed: rapid.Uint64().Draw(t, "seed")}
	}
}

func drawSortedSetQuery(t *rapid.T) any {
	switch rapid.IntRange(0, 6).Draw(t, "sorted set query") {
	case 0:
		return &storev1.Query_Length{Kind: storev1.Kind_KIND_SORTED_SET}
	case 1:
		return &storev1.Query_SortedSetScores{Members: drawElements(t)}
	case 2:
		return &storev1.Query_SortedSetCount{Range: drawRange(t)}
	case 3:
		return &storev1.Query_SortedSetRanks{
			Members: drawElements(t), Order: storev1.Order(rapid.Int32Range(0, 1).Draw(t, "order")),
			Competition: rapid.Bool().Draw(t, "competition"),
		}
	default:
		return drawFetch(t)
	}
}
