package store

import (
	"strconv"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Growth returns at most how many bytes a command would add, at a time in milliseconds
// since the Unix epoch, to what the machine holds; see [Machine.Bytes]. What it would
// replace is taken off, so it is 0 for one that adds none, and for a DictionaryAdd,
// which is the system's own. It is exact for a command that is not refused, grows what it
// changes, and names no element of a set or sorted set twice. It only reads, but takes
// about as long as Apply.
func (m *Machine) Growth(cmd *Command, at uint64) uint64 {
	if checkChange(cmd) != "" {
		return 0
	}
	var there *item
	if c, known := m.caches.Get(cmd.GetCache()); known && c.generation == cmd.GetGeneration() {
		if s := c.space(cmd.GetSpace()); s != nil {
			there = s.items[string(cmd.GetKey())]
		}
	}
	var was uint64
	if there != nil {
		if was = there.size(); there.expires <= max(m.clock, at) {
			there = nil // it makes room all the same
		}
	}
	held, grows := there.after(cmd)
	if !grows {
		return 0
	}
	will := itemOverhead + uint64(len(cmd.GetKey())) + held
	return will - min(was, will)
}

// after returns at most what an item, nil for none, will hold after a command beside
// its key. It is false for a command that is refused, or lets nothing grow.
func (it *item) after(cmd *Command) (bytes uint64, grows bool) {
	switch op := cmd.GetOp().(type) {
	case *storev1.Command_Set:
		if holds(it, op.Set) {
			return uint64(len(op.Set.GetValue())), true
		}
	case *storev1.Command_Increment:
		switch {
		case it == nil:
			return digits(nil, op.Increment.GetAmount())
		case it.held == nil:
			return digits(&it.value, op.Increment.GetAmount())
		}
	case *storev1.Command_ListPush:
		if d, ok := held[*deque](it); ok {
			return d.after(op.ListPush), true
		}
	case *storev1.Command_DictionarySet:
		if d, ok := held[*dictionary](it); ok {
			return d.after(op.DictionarySet), true
		}
	case *storev1.Command_DictionaryIncrement:
		if d, ok := held[*dictionary](it); ok {
			return d.afterIncrement(op.DictionaryIncrement)
		}
	case *storev1.Command_SetAdd:
		if s, ok := held[*set](it); ok {
			return s.after(op.SetAdd.GetElements()), true
		}
	case *storev1.Command_SetComplement:
		if s, ok := held[*set](it); ok && s != nil {
			return (*set)(nil).after(op.SetComplement.GetElements()), true
		}
	case *storev1.Command_SortedSetPut:
		if s, ok := held[*sortedSet](it); ok {
			return s.after(op.SortedSetPut.GetMembers()), true
		}
	case *storev1.Command_SortedSetIncrement:
		if s, ok := held[*sortedSet](it); ok {
			return s.after([][]byte{op.SortedSetIncrement.GetMember()}), true
		}
	case *storev1.Command_SortedSetUnion:
		s, _ := held[*sortedSet](it)
		if len(op.SortedSetUnion.GetOwnWeights()) == 0 {
			s = nil
		}
		return s.after(op.SortedSetUnion.GetMembers()), true
	}
	return 0, false
}

func (d *deque) after(op *storev1.ListPush) (bytes uint64) {
	length := 0
	if bytes = listOverhead; d != nil {
		bytes, length = d.bytes(), d.length
	}
	values, drop := fit(op, length)
	for _, v := range values {
		bytes += entrySize(v)
	}
	if drop == 0 {
		return bytes
	}
	gone := d.slice(0, drop)
	if op.GetEnd() == storev1.End_END_FRONT {
		gone = d.slice(length-drop, length)
	}
	for _, v := range gone {
		bytes -= entrySize(v)
	}
	return bytes
}

// digits is how long the text of a number, nil for none, will be when something was
// added to it. It is false for what is no number, and for a sum that is none.
func digits(text *[]byte, amount int64) (length uint64, ok bool) {
	var number int64
	if text != nil {
		if number, ok = parseNumber(*text); !ok {
			return 0, false
		}
	}
	sum, ok := add(number, amount)
	return uint64(len(strconv.FormatInt(sum, 10))), ok
}

func (d *dictionary) after(op *storev1.DictionarySet) (bytes uint64) {
	last := make(map[string]int, len(op.GetFields())) // of a field that comes twice
	for i, name := range op.GetFields() {
		last[textOf(name)] = len(op.GetValues()[i])
	}
	if bytes = dictionaryOverhead; d != nil {
		bytes = d.bytes()
	}
	for name, length := range last {
		bytes += uint64(length)
		if old, known := d.lookUp(name); known {
			bytes -= uint64(len(old))
		} else {
			bytes += uint64(fieldOverhead + len(name))
		}
	}
	return bytes
}

func (d *dictionary) afterIncrement(op *storev1.DictionaryIncrement) (bytes uint64, grows bool) {
	old, known := d.lookUp(textOf(op.GetField()))
	if !known {
		length, ok := digits(nil, op.GetAmount())
		if bytes = dictionaryOverhead; d != nil {
			bytes = d.bytes()
		}
		return bytes + fieldOverhead + uint64(len(op.GetField())) + length, ok
	}
	text := bytesOf(old)
	length, ok := digits(&text, op.GetAmount())
	return d.bytes() - uint64(len(old)) + length, ok
}

// lookUp returns the value of a field, of no dictionary too.
func (d *dictionary) lookUp(name string) (value string, known bool) {
	if d == nil {
		return "", false
	}
	_, f, known := d.find(name)
	return f.value, known
}

func (s *set) after(elements [][]byte) (bytes uint64) {
	if bytes = setOverhead; s != nil {
		bytes = s.bytes()
	}
	for _, e := range elements {
		if s == nil || !s.contains(textOf(e)) {
			bytes += uint64(elementOverhead + len(e))
		}
	}
	return bytes
}

func (s *sortedSet) after(members [][]byte) (bytes uint64) {
	if bytes = sortedSetOverhead; s != nil {
		bytes = s.bytes()
	}
	for _, e := range members {
		if s == nil || !s.contains(textOf(e)) {
			bytes += uint64(memberOverhead + len(e))
		}
	}
	return bytes
}
