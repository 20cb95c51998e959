package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// storm applies n commands of a fixed sequence of random ones.
func storm(m *Machine, seed uint64, n int) {
	random := rand.New(rand.NewPCG(seed, 0))
	life := &storev1.CollectionTtl{TtlMs: 100_000}
	for i := range n {
		key := fmt.Sprint("key ", random.IntN(300))
		var op any
		switch random.IntN(16) {
		case 10, 11:
			op = &storev1.DictionarySet{Fields: numbered(random, 3), Values: numbered(random, 3), Ttl: life}
			key = "dictionary " + key
		case 12:
			op = &storev1.SetAdd{Elements: numbered(random, 3), Ttl: life}
			key = "set " + key
		case 13:
			op = &storev1.SetPop{Count: 2, Seed: random.Uint64()}
			key = "set " + key
		case 14:
			op = &storev1.SortedSetPut{Members: numbered(random, 2), Scores: []float64{random.Float64(), random.Float64()}, Ttl: life}
			key = "sorted set " + key
		case 15:
			op = &storev1.SortedSetRemove{Members: numbered(random, 2)}
			key = "sorted set " + key
		case 0, 1, 2, 3:
			op = &storev1.ListPush{End: storev1.End(1 + random.IntN(2)), Values: byteses("a", "b", "c"), Ttl: life}
		case 4:
			op = &storev1.ListPop{End: storev1.End(1 + random.IntN(2))}
		case 5:
			op = &storev1.Delete{}
		case 6:
			op = &storev1.ListRemove{Value: []byte("b")}
		default:
			op = setOf(fmt.Sprint("value ", i), uint64(1+random.IntN(1000)))
			key = "scalar " + key
		}
		cmd := command(m.Clock()+uint64(random.IntN(3)), key, op)
		cmd.Cache = fmt.Sprint("cache ", random.IntN(3))
		cmd.Space = storev1.Space(random.IntN(9) / 8)
		cmd.Request = requestOf(byte('a'+random.IntN(3)), seed<<32+uint64(i+1), 1)
		m.Apply(cmd)
	}
}

// numbered draws from a few hundred elements.
func numbered(random *rand.Rand, n int) [][]byte {
	elements := make([][]byte, n)
	for i := range elements {
		elements[i] = fmt.Append(nil, random.IntN(300))
	}
	return elements
}

// largeSets adds one dictionary, set and sorted set of many nodes.
func largeSets(m *Machine, n int) {
	random := rand.New(rand.NewPCG(1, 2))
	set, add, put := fieldsOf(""), elementsOf(""), membersOf("")
	for range n {
		e := binary.BigEndian.AppendUint64(nil, random.Uint64())
		set.Fields, set.Values, add.Elements, put.Members = append(set.Fields, e), append(set.Values, e), append(add.Elements, e), append(put.Members, e)
		put.Scores = append(put.Scores, random.Float64())
	}
	for key, op := range map[string]any{"large d": set, "large s": add, "large z": put} {
		m.Apply(command(1, key, op))
	}
}

// longList adds a list of many chunks.
func longList(m *Machine, key string, entries int) {
	values := make([][]byte, entries)
	for i := range values {
		values[i] = binary.BigEndian.AppendUint64(nil, uint64(i))
	}
	m.Apply(command(1, key, &storev1.ListPush{End: back, Values: values, Ttl: &storev1.CollectionTtl{TtlMs: MaxTTLMs}}))
}

func TestSnapshotIsWrittenBesideWrites(t *testing.T) {
	m, twin := NewMachine(), NewMachine()
	for _, m := range []*Machine{m, twin} {
		longList(m, "big", 20_000)
		largeSets(m, 20_000)
		storm(m, 1, 5_000)
	}
	want := snapshotBytes(t, twin)

	frozen := m.Snapshot()
	var (
		wait sync.WaitGroup
		buf  bytes.Buffer
		err  error
	)
	wait.Go(func() { _, err = frozen.WriteTo(&buf) })
	longList(m, "big", 100)
	m.Apply(command(1, "big", &storev1.ListPop{End: front}))
	m.Apply(command(1, "large s", &storev1.SetPop{Count: 5_000}))
	largeSets(m, 21_000)
	storm(m, 2, 5_000)
	m.Apply(command(m.Clock(), "", &storev1.Sweep{Limit: 1000}))
	// A second one is frozen before the first is written.
	second := m.Snapshot()
	var later bytes.Buffer
	var laterErr error
	wait.Go(func() { _, laterErr = second.WriteTo(&later) })
	secondWant := snapshotBytes(t, m)
	storm(m, 3, 5_000)
	m.Apply(command(m.Clock(), "", &storev1.Retire{}))
	wait.Wait()
	verify(t, m)
	if err != nil || !bytes.Equal(buf.Bytes(), want) {
		t.Errorf("the snapshot is not the state it was taken at (%v)", err)
	}
	if laterErr != nil || !bytes.Equal(later.Bytes(), secondWant) {
		t.Errorf("the second snapshot is not the state it was taken at (%v)", laterErr)
	}
}

func TestViewsRunBesideEachOtherAndAWriter(t *testing.T) {
	m := NewMachine()
	longList(m, "big", 1000)
	storm(m, 1, 1000)
	frozen := m.Snapshot()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for i := range 300 {
				m.View(query("big", &storev1.Query_ListFetch{}), 0)
				m.View(query(fmt.Sprint("scalar key ", i), &storev1.Query_Get{}), 0)
				m.Stats()
				m.NextExpiry()
			}
		})
	}
	wait.Go(func() { snapshotBytesOf(frozen) })
	wait.Wait()
	fetched := m.View(query("big", &storev1.Query_ListFetch{}), 0).GetValues().GetValues()
	longList(m, "big", 1)
	if len(fetched) != 1000 {
		t.Errorf("fetched %d", len(fetched))
	}
}

func snapshotBytesOf(s *Snapshot) []byte {
	var buf bytes.Buffer
	_, _ = s.WriteTo(&buf) // a buffer takes everything
	return buf.Bytes()
}

func TestSameLogSameBytes(t *testing.T) {
	a, b := NewMachine(), NewMachine()
	storm(a, 7, 20_000)
	storm(b, 7, 20_000)
	if !bytes.Equal(snapshotBytes(t, a), snapshotBytes(t, b)) {
		t.Errorf("the same log made different snapshots")
	}
	// From here on a goes on after it was frozen, c after it was restored.
	storm(a, 8, 1000)
	c := restored(t, snapshotBytes(t, b))
	storm(c, 8, 1000)
	if !bytes.Equal(snapshotBytes(t, a), snapshotBytes(t, c)) {
		t.Errorf("a restored machine went another way")
	}
}

// sample is a small machine with something of everything.
func sample() *Machine {
	m := NewMachine()
	storm(m, 5, 60)
	longList(m, "big", 10)
	largeSets(m, 3)
	cmd := command(1, "", &storev1.Retire{Deleted: true})
	cmd.Cache = "dead"
	m.Apply(cmd)
	return m
}

func TestRestoreRefusesEveryCutAndEveryFlip(t *testing.T) {
	data := snapshotBytes(t, sample())
	m := NewMachine()
	storm(m, 9, 100)
	before := snapshotBytes(t, m)
	refuse := func(what string, damaged []byte) {
		t.Helper()
		err := m.Restore(bytes.NewReader(damaged))
		if err == nil || !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for n := range data {
		refuse(fmt.Sprintf("cut at %d", n), data[:n])
		flipped := bytes.Clone(data)
		flipped[n] ^= 1 << (n % 8)
		refuse(fmt.Sprintf("flipped at %d", n), flipped)
	}
	refuse("one byte more", append(bytes.Clone(data), 0))
	if !bytes.Equal(snapshotBytes(t, m), before) {
		t.Errorf("a refused restore changed the machine")
	}
	if verify(t, m); restored(t, data).Stats() != sample().Stats() {
		t.Errorf("the undamaged snapshot does not restore")
	}
}

func TestRestoreReportsTheReader(t *testing.T) {
	broken := errors.New("broken")
	data := snapshotBytes(t, sample())
	for _, n := range []int{0, 5, 9, len(data) / 2, len(data)} {
		r := &failingReader{data: data[:n], err: broken}
		if err := NewMachine().Restore(r); !errors.Is(err, broken) || errors.Is(err, ErrMalformed) {
			t.Errorf("a reader that fails after %d bytes: %v", n, err)
		}
	}
	if err := NewMachine().Restore(iotest.OneByteReader(bytes.NewReader(data))); err != nil {
		t.Errorf("byte by byte: %v", err)
	}
}

type failingReader struct {
	data []byte
	err  error
}

func (r *failingReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, r.err
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

func TestWriteToReportsTheWriter(t *testing.T) {
	broken := errors.New("broken")
	m := NewMachine()
	storm(m, 1, 5000)
	if n, err := m.Snapshot().WriteTo(iotest.TruncateWriter(failingWriter{broken}, 0)); err != nil {
		t.Errorf("a writer that drops everything: %d, %v", n, err)
	}
	if _, err := m.Snapshot().WriteTo(failingWriter{broken}); !errors.Is(err, broken) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// framed makes a snapshot of any records, with proper checksums.
func framed(records ...*storev1.SnapshotRecord) []byte {
	var buf bytes.Buffer
	f, _ := newFrameWriter(&buf, machineMagic)
	for _, r := range records {
		_ = f.record(r) // a buffer takes everything
	}
	_ = f.w.Flush()
	return buf.Bytes()
}

func TestRestoreBelievesNothing(t *testing.T) {
	header := func(version uint32, clock uint64) *storev1.SnapshotRecord {
		return &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Header_{
			Header: &storev1.SnapshotRecord_Header{Version: version, ClockMs: clock}}}
	}
	cache := func(name string, generation uint64) *storev1.SnapshotRecord {
		return &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Cache_{
			Cache: &storev1.SnapshotRecord_Cache{Name: name, Generation: generation}}}
	}
	dead := func(name string, forgetAt uint64) *storev1.SnapshotRecord {
		r := cache(name, 1)
		r.GetCache().Deleted, r.GetCache().ForgetAtMs = true, forgetAt
		return r
	}
	item := func(key string, kind storev1.Kind, length uint64) *storev1.SnapshotRecord {
		return &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Item_{
			Item: &storev1.SnapshotRecord_Item{Key: []byte(key), Kind: kind, ExpiresAtMs: 5, Length: length}}}
	}
	part := func(values ...string) *storev1.SnapshotRecord {
		return &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Part_{
			Part: &storev1.SnapshotRecord_Part{Values: byteses(values...)}}}
	}
	requests := func(gateway byte, mark, seen uint64, sequences ...uint64) *storev1.SnapshotRecord {
		r := &storev1.SnapshotRecord_Requests{Gateway: bytes.Repeat([]byte{gateway}, 16), DoneBelow: mark, LastSeenMs: seen}
		for _, n := range sequences {
			r.Answers = append(r.Answers, &storev1.SnapshotRecord_Requests_Answer{Sequence: n, Result: &storev1.Result{}})
		}
		return &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Requests_{Requests: r}}
	}
	trailer := func(items uint64) *storev1.SnapshotRecord {
		return &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Trailer_{
			Trailer: &storev1.SnapshotRecord_Trailer{Items: items}}}
	}
	type records = []*storev1.SnapshotRecord
	const scalar, list = storev1.Kind_KIND_SCALAR, storev1.Kind_KIND_LIST
	const dictionary, set, sorted = storev1.Kind_KIND_DICTIONARY, storev1.Kind_KIND_SET, storev1.Kind_KIND_SORTED_SET
	fields := func(values ...string) *storev1.SnapshotRecord {
		r := part(values...)
		r.GetPart().Fields = byteses(values...)
		return r
	}
	scores := func(scores []float64, values ...string) *storev1.SnapshotRecord {
		r := part(values...)
		r.GetPart().Scores = scores
		return r
	}
	board := func(key string) *storev1.SnapshotRecord {
		r := item(key, scalar, 0)
		r.GetItem().Space = storev1.Space_SPACE_LEADERBOARDS
		return r
	}
	nowhere := item("a", scalar, 0)
	nowhere.GetItem().Space = 2
	type floats = []float64
	h, c := header(1, 100), cache("c", 1)

	for name, good := range map[string]records{
		"empty":             {h, trailer(0)},
		"items":             {h, c, item("a", scalar, 0), item("b", list, 2), part("x"), part("y"), trailer(2)},
		"dictionary":        {h, c, item("a", dictionary, 3), fields("x"), fields("y", "z"), trailer(1)},
		"set":               {h, c, item("a", set, 3), part("", "x"), part("y"), trailer(1)},
		"sorted set":        {h, c, item("a", sorted, 3), scores(floats{1, 1}, "x", "y"), scores(floats{2}, "a"), trailer(1)},
		"spaces":            {h, c, item("b", scalar, 0), board("a"), board("b"), cache("d", 1), item("a", scalar, 0), trailer(4)},
		"requests in parts": {h, requests('a', 2, 50, 2, 3), requests('a', 2, 50, 7), requests('b', 1, 100), trailer(0)},
		"tombstone":         {h, dead("a", 101), dead("b", 100+TombstoneMs), c, trailer(0)},
	} {
		if err := NewMachine().Restore(bytes.NewReader(framed(good...))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := map[string]records{
		"nothing":                  {},
		"only a trailer":           {trailer(0)},
		"no header":                {c, trailer(0)},
		"two headers":              {h, h, trailer(0)},
		"version 0":                {header(0, 0), trailer(0)},
		"clock past its end":       {header(1, MaxClockMs+1), trailer(0)},
		"empty record":             {h, {}, trailer(0)},
		"no trailer":               {h, c},
		"wrong count":              {h, c, item("a", scalar, 0), trailer(0)},
		"item without cache":       {h, item("a", scalar, 0), trailer(1)},
		"item in a tombstone":      {h, dead("c", 101), item("a", scalar, 0), trailer(1)},
		"item without key":         {h, c, item("", scalar, 0), trailer(1)},
		"item of no type":          {h, c, item("a", 0, 0), trailer(1)},
		"scalar with a length":     {h, c, item("a", scalar, 1), trailer(1)},
		"items out of order":       {h, c, item("b", scalar, 0), item("a", scalar, 0), trailer(2)},
		"item twice":               {h, c, item("a", scalar, 0), item("a", scalar, 0), trailer(1)},
		"empty list":               {h, c, item("a", list, 0), trailer(1)},
		"endless list":             {h, c, item("a", list, 1<<63), part("x"), trailer(1)},
		"short list":               {h, c, item("a", list, 2), part("x"), trailer(0)},
		"short list, then an item": {h, c, item("a", list, 2), part("x"), item("b", scalar, 0), trailer(2)},
		"long list":                {h, c, item("a", list, 1), part("x", "y"), trailer(1)},
		"empty part":               {h, c, item("a", list, 1), part(), part("x"), trailer(1)},
		"part without list":        {h, c, part("x"), trailer(0)},
		"empty set":                {h, c, item("a", set, 0), trailer(1)},
		"short set":                {h, c, item("a", set, 3), part("x", "y"), trailer(0)},
		"set out of order":         {h, c, item("a", set, 2), part("y", "x"), trailer(1)},
		"element twice":            {h, c, item("a", set, 2), part("x"), part("x"), trailer(1)},
		"set with fields":          {h, c, item("a", set, 1), fields("x"), trailer(1)},
		"list with scores":         {h, c, item("a", list, 1), scores(floats{1}, "x"), trailer(1)},
		"dictionary out of order":  {h, c, item("a", dictionary, 2), fields("y", "x"), trailer(1)},
		"field twice":              {h, c, item("a", dictionary, 2), fields("x", "x"), trailer(1)},
		"dictionary of values":     {h, c, item("a", dictionary, 1), part("x"), trailer(1)},
		"sorted set of values":     {h, c, item("a", sorted, 1), part("x"), trailer(1)},
		"member twice":             {h, c, item("a", sorted, 2), scores(floats{1, 2}, "x", "x"), trailer(1)},
		"members out of order":     {h, c, item("a", sorted, 2), scores(floats{2, 1}, "x", "y"), trailer(1)},
		"score that is none":       {h, c, item("a", sorted, 1), scores(floats{math.NaN()}, "x"), trailer(1)},
		"spaces out of order":      {h, c, board("a"), item("b", scalar, 0), trailer(2)},
		"space of no kind":         {h, c, nowhere, trailer(1)},
		"cache without name":       {h, cache("", 1), trailer(0)},
		"cache without generation": {h, cache("c", 0), trailer(0)},
		"caches out of order":      {h, cache("b", 1), cache("a", 1), trailer(0)},
		"cache twice":              {h, c, c, trailer(0)},
		"tombstone past its time":  {h, dead("c", 100), trailer(0)},
		"tombstone for too long":   {h, dead("c", 101+TombstoneMs), trailer(0)},
		"requests after a cache":   {h, c, requests('a', 1, 50), trailer(0)},
		"gateways out of order":    {h, requests('b', 1, 50), requests('a', 1, 50), trailer(0)},
		"gateway in disagreement":  {h, requests('a', 1, 50), requests('a', 2, 50), trailer(0)},
		"gateway without mark":     {h, requests('a', 0, 50), trailer(0)},
		"gateway from the future":  {h, requests('a', 1, 101), trailer(0)},
		"answer below the mark":    {h, requests('a', 3, 50, 2), trailer(0)},
		"answers out of order":     {h, requests('a', 1, 50, 3, 2), trailer(0)},
		"answer twice":             {h, requests('a', 1, 50, 3), requests('a', 1, 50, 3), trailer(0)},
		"answer past the last":     {h, requests('a', 1, 50, 1<<63), trailer(0)},
		"more fields than allowed": {h, c, item("a", list, 20_000), part(make([]string, 20_000)...), trailer(1)},
		"gateway long forgotten":   {header(1, RequestMemoryMs+50), requests('a', 1, 50), trailer(0)},
	}
	for name, records := range bad {
		m := NewMachine()
		if err := m.Restore(bytes.NewReader(framed(records...))); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		if m.Stats() != (Stats{}) || m.Clock() != 0 {
			t.Errorf("%s: left %+v", name, m.Stats())
		}
	}
	unknown := proto.CloneOf(c)
	unknown.GetCache().ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1})
	for name, records := range map[string]records{
		"newer version": {header(snapshotVersion+1, 0), trailer(0)},
		"unknown field": {h, unknown, trailer(0)},
	} {
		if err := NewMachine().Restore(bytes.NewReader(framed(records...))); !errors.Is(err, ErrVersion) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRestoreBoundsRememberedAnswers(t *testing.T) {
	answers := func(n int) []byte {
		records := []*storev1.SnapshotRecord{{Record: &storev1.SnapshotRecord_Header_{Header: &storev1.SnapshotRecord_Header{Version: 1}}}}
		for i := range n {
			result := popped(make([]byte, 12<<20), 0)
			records = append(records, &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Requests_{Requests: &storev1.SnapshotRecord_Requests{
				Gateway: bytes.Repeat([]byte{'g'}, GatewayIDBytes), DoneBelow: 1,
				Answers: []*storev1.SnapshotRecord_Requests_Answer{{Sequence: uint64(i + 1), Result: result}},
			}}})
		}
		return framed(append(records, &storev1.SnapshotRecord{Record: &storev1.SnapshotRecord_Trailer_{Trailer: &storev1.SnapshotRecord_Trailer{}}})...)
	}
	if err := NewMachine().Restore(bytes.NewReader(answers(2))); err != nil {
		t.Errorf("what fits: %v", err)
	}
	if err := NewMachine().Restore(bytes.NewReader(answers(3))); !errors.Is(err, ErrMalformed) {
		t.Errorf("more than fits: %v", err)
	}
}

// A length that is only claimed must not cost memory.
func TestRestoreAllocatesForBytesNotForClaims(t *testing.T) {
	claim := binary.AppendUvarint([]byte(machineMagic), maxRecordBytes)
	if err := NewMachine().Restore(bytes.NewReader(claim)); !errors.Is(err, ErrMalformed) {
		t.Fatalf("a claim without bytes: %v", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_ = NewMachine().Restore(bytes.NewReader(claim)) // refused, see above
	runtime.ReadMemStats(&after)
	if cost := after.TotalAlloc - before.TotalAlloc; cost > 4<<20 {
		t.Errorf("a claim of 16 MiB cost %d bytes", cost)
	}
	over := binary.AppendUvarint([]byte(machineMagic), 1<<62)
	if err := NewMachine().Restore(bytes.NewReader(over)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a claim of more than allowed: %v", err)
	}
}

// The format is written down here a second time, byte by byte: snapshots on
// disk have to be readable for ever.
func TestSnapshotFormat(t *testing.T) {
	want := []byte("MAYFLYP\n")
	for _, record := range [][]byte{
		{0x0a, 4, 0x08, 3, 0x10, 7},                              // header: version 3, clock 7
		{0x1a, 5, 0x0a, 1, 'c', 0x10, 1},                         // cache c, generation 1
		{0x22, 10, 0x0a, 1, 'k', 0x10, 1, 0x18, 9, 0x22, 1, 'v'}, // item k, scalar, until 9, v
		{0x32, 2, 0x08, 1},                                       // trailer: one item
	} {
		want = append(append(want, byte(len(record))), record...)
		want = binary.LittleEndian.AppendUint32(want, crc32.Checksum(want, castagnoli))
	}
	m := NewMachine()
	m.Apply(command(7, "k", setOf("v", 2)))
	if got := snapshotBytes(t, m); !bytes.Equal(got, want) {
		t.Errorf("wrote\n%x, want\n%x", got, want)
	}
}

// small is a machine with a little of everything.
func small() *Machine {
	m := NewMachine()
	m.Apply(command(1000, "list", pushOf(back, "a b c", 0)))
	m.Apply(command(1000, "scalar", setOf("text", 60_000)))
	pop := command(1001, "list", &storev1.ListPop{End: front})
	pop.Request = requestOf('g', 7, 6)
	m.Apply(pop)
	retire := command(1002, "", &storev1.Retire{Deleted: true})
	retire.Cache = "dead"
	m.Apply(retire)
	return m
}

// varied is small with an item of each of the types that came later.
func varied() *Machine {
	m := small()
	m.Apply(command(1003, "dictionary", fieldsOf("a=1 b=2")))
	m.Apply(command(1003, "set", elementsOf("b a")))
	m.Apply(command(1003, "sorted set", membersOf("a=2 b=-1.5")))
	board := command(1003, "board", membersOf("0001=7"))
	board.Space = storev1.Space_SPACE_LEADERBOARDS
	m.Apply(board)
	pop := command(1003, "set", &storev1.SetPop{Count: 1})
	pop.Request = requestOf('g', 8, 6)
	m.Apply(pop)
	return m
}

// thinned is varied without an item that gave way.
func thinned() *Machine {
	m := varied()
	evictFrom(m, "c", m.Cache("c").Generation, evictOf("dictionary"))
	return m
}

// A snapshot of each version, as it was written then, restores for ever.
func TestEverySnapshotVersionRestores(t *testing.T) {
	for version, machine := range map[int]func() *Machine{1: small, 2: varied, 3: thinned} {
		data, err := os.ReadFile(fmt.Sprintf("testdata/machine.v%d.snapshot", version))
		if err != nil {
			t.Fatal(err)
		}
		if got := snapshotBytes(t, restored(t, data)); !bytes.Equal(got, snapshotBytes(t, machine())) {
			t.Errorf("version %d restored to something else", version)
		}
	}
}
