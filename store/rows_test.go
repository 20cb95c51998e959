package store

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// rowsOf adds the row of one number to each field.
func rowsOf(number int64, fields ...string) *storev1.DictionaryAdd {
	op := &storev1.DictionaryAdd{Fields: byteses(fields...), Ttl: lifeOf(9, false)}
	for range fields {
		op.Amounts = append(op.Amounts, number)
	}
	return op
}

// showRows writes the rows of a dictionary as text.
func (r *rig) showRows(key string) string {
	answer := r.ask(0, key, &storev1.Query_DictionaryFetch{}).GetDictionary()
	var rows []string
	for i, field := range answer.GetFields() {
		row, ok := ParseRow(answer.GetValues()[i])
		if !ok {
			rows = append(rows, fmt.Sprintf("%s=?", field))
			continue
		}
		rows = append(rows, fmt.Sprintf("%s=%v", field, row))
	}
	return strings.Join(rows, " ")
}

func TestDictionaryAdd(t *testing.T) {
	r := newRig(t)
	for _, step := range []struct {
		op   *storev1.DictionaryAdd
		want string
	}{
		{&storev1.DictionaryAdd{Fields: byteses("b", "a"), Amounts: []int64{1, 2, 3, 4}}, "a=[3 4] b=[1 2]"},
		{&storev1.DictionaryAdd{Fields: byteses("a", "a"), Amounts: []int64{10, -1}}, "a=[12 4] b=[1 2]"},
		{&storev1.DictionaryAdd{Fields: byteses("b"), Amounts: []int64{0, 0, 5}}, "a=[12 4] b=[1 2 5]"},
		{&storev1.DictionaryAdd{Fields: byteses("c", "a", "d"), Amounts: []int64{1, 1, 1}, Most: 3, Rest: []byte("_")}, "_=[1] a=[13 4] b=[1 2 5] c=[1]"},
		{&storev1.DictionaryAdd{Fields: byteses("_", "d", "e", "c"), Amounts: []int64{1, 1, 1, 1}, Most: 3, Rest: []byte("_")}, "_=[4] a=[13 4] b=[1 2 5] c=[2]"},
		{&storev1.DictionaryAdd{Fields: byteses("d", "e"), Amounts: []int64{1, 1}, Most: 4, Rest: []byte("_")}, "_=[5] a=[13 4] b=[1 2 5] c=[2] d=[1]"},
		{&storev1.DictionaryAdd{Fields: byteses("e"), Amounts: []int64{1}, Most: 1, Rest: []byte("x")}, "_=[5] a=[13 4] b=[1 2 5] c=[2] d=[1] x=[1]"},
		{&storev1.DictionaryAdd{}, "_=[5] a=[13 4] b=[1 2 5] c=[2] d=[1] x=[1]"},
	} {
		step.op.Ttl = lifeOf(9, false)
		if got := r.do(0, "k", step.op); got.GetStatus() != 0 || r.showRows("k") != step.want {
			t.Errorf("%v: %v, and there is %q, want %q", step.op, got, r.showRows("k"), step.want)
		}
	}
}

// One row that cannot be added leaves all the others alone.
func TestDictionaryAddIsAllOrNothing(t *testing.T) {
	r := newRig(t)
	r.do(0, "k", fieldsOf("text=x empty= long="+strings.Repeat("\x02", MaxRow+1)))
	r.do(0, "k", &storev1.DictionaryAdd{Fields: byteses("max"), Amounts: []int64{1, math.MaxInt64}, Ttl: lifeOf(9, false)})
	before := r.show(0, "k")
	for field, want := range map[string]Status{
		"text": storev1.Status_STATUS_NOT_A_NUMBER, "empty": storev1.Status_STATUS_NOT_A_NUMBER,
		"long": storev1.Status_STATUS_NOT_A_NUMBER, "max": storev1.Status_STATUS_OVERFLOW,
	} {
		op := &storev1.DictionaryAdd{Fields: byteses("max", "new", field), Amounts: []int64{1, 0, 1, 0, 1, 1}, Ttl: lifeOf(9, true)}
		if field == "text" { // one byte, which says that more follow
			r.do(0, "k", &storev1.DictionarySet{Fields: byteses("text"), Values: byteses("\x80"), Ttl: lifeOf(9, false)})
			before = r.show(0, "k")
		}
		if got := r.do(0, "k", op); got.GetStatus() != want || r.show(0, "k") != before {
			t.Errorf("%s: %v, and there is %q, want %v and %q", field, got, r.show(0, "k"), want, before)
		}
	}
}

// A repeat of an addition whose outcome is not known counts once.
func TestDictionaryAddRepeated(t *testing.T) {
	r := newRig(t)
	cmd := command(1, "k", rowsOf(5, "f"))
	cmd.Request = &storev1.RequestId{Gateway: make([]byte, GatewayIDBytes), Sequence: 1, DoneBelow: 1}
	for range 3 {
		if got := r.m.Apply(proto.CloneOf(cmd)); got.GetStatus() != 0 {
			t.Fatal(got)
		}
	}
	if got := r.showRows("k"); got != "f=[5]" {
		t.Errorf("there is %q", got)
	}
}

func TestParseRow(t *testing.T) {
	for _, row := range [][]int64{{0}, {-1, 1}, {math.MaxInt64, math.MinInt64, 300}, make([]int64, MaxRow)} {
		if got, ok := ParseRow(appendRow(nil, row)); !ok || !slices.Equal(got, row) {
			t.Errorf("%v came back as %v, %v", row, got, ok)
		}
	}
	for name, value := range map[string][]byte{
		"nothing": nil, "cut": {0x80}, "one that overflows": []byte(strings.Repeat("\xff", 11)), "too long": make([]byte, MaxRow+1),
	} {
		if got, ok := ParseRow(value); ok {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What a system keeps for itself is stored and restored like everything, and no
// command of the catalog or about a whole cache touches it.
func TestSystemCache(t *testing.T) {
	if !IsSystemCache(UsageCache) || validName(UsageCache) {
		t.Error("the cache of usage is not the system's own")
	}
	for _, name := range []string{"", "usage", "\x01", "\x01\x01", "\x02usage", "\x01\xff", "a\x01"} {
		if IsSystemCache(name) {
			t.Errorf("%q is a system cache", name)
		}
	}
	r := newRig(t)
	cmd := command(1, "k", rowsOf(5, "f"))
	cmd.Cache, cmd.Generation = UsageCache, SystemGeneration
	if got := r.m.Apply(cmd); got.GetStatus() != 0 {
		t.Fatal(got)
	}
	retire := &Command{Cache: UsageCache, Generation: 2, Op: &storev1.Command_Retire{Retire: &storev1.Retire{Deleted: true}}}
	if got := r.m.Apply(retire); got.GetStatus() != storev1.Status_STATUS_INVALID {
		t.Errorf("it was retired: %v", got)
	}
	again := restored(t, snapshotBytes(t, r.m))
	q := query("k", &storev1.Query_DictionaryFetch{})
	q.Cache, q.Generation = UsageCache, SystemGeneration
	if got := again.View(q, 1).GetDictionary(); !got.GetFound() {
		t.Error("a snapshot has lost it")
	}
	create := &CatalogCommand{Op: &storev1.CatalogCommand_CreateCache{CreateCache: &storev1.CreateCache{Name: UsageCache}}}
	if got := NewCatalog().Apply(create); got.GetStatus() != storev1.CatalogStatus_CATALOG_STATUS_INVALID {
		t.Errorf("it was created: %v", got)
	}
}

// addRows is dictionaryAdd over maps.
func (n *naive) addRows(it *naiveItem, op *storev1.DictionaryAdd) *Result {
	rest, width := string(op.GetRest()), len(op.GetAmounts())/len(op.GetFields())
	rows := map[string][]int64{}
	for name, value := range it.fields {
		if row, ok := ParseRow([]byte(value)); ok {
			rows[name] = row
		}
	}
	names := map[string]bool{} // all there will be
	for name := range it.fields {
		names[name] = true
	}
	for i, field := range texts(op.GetFields()) {
		others := len(names)
		if names[rest] {
			others--
		}
		if op.GetMost() > 0 && !names[field] && others >= int(op.GetMost()) {
			field = rest
		}
		if _, there := it.fields[field]; there && rows[field] == nil {
			return status(storev1.Status_STATUS_NOT_A_NUMBER)
		}
		names[field] = true
		row := slices.Clone(rows[field])
		row = append(row, make([]int64, max(0, width-len(row)))...)
		for j, amount := range op.GetAmounts()[i*width : (i+1)*width] {
			if amount > 0 && row[j] > math.MaxInt64-amount || amount < 0 && row[j] < math.MinInt64-amount {
				return status(storev1.Status_STATUS_OVERFLOW)
			}
			row[j] += amount
		}
		rows[field] = row
	}
	for name, row := range rows {
		it.fields[name] = string(appendRow(nil, row))
	}
	return &Result{}
}

func drawAddition(t *rapid.T) *storev1.DictionaryAdd {
	op := &storev1.DictionaryAdd{
		Fields: drawElements(t), Ttl: drawLife(t), Most: rapid.SampledFrom([]uint32{0, 1, 2, 4}).Draw(t, "most"),
		Rest: []byte(drawValue.Draw(t, "rest")),
	}
	if rapid.Bool().Draw(t, "fresh") { // mostly, fields hold something else
		for i := range op.GetFields() {
			op.Fields[i] = append([]byte("row "), op.Fields[i]...)
		}
		op.Rest = append([]byte("row "), op.Rest...)
	}
	width := rapid.IntRange(1, 3).Draw(t, "width")
	amount := rapid.SampledFrom([]int64{0, 1, 7, -3, 1 << 62, -1 << 63})
	for range width * len(op.GetFields()) {
		op.Amounts = append(op.Amounts, amount.Draw(t, "amount"))
	}
	return op
}
