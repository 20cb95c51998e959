package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// maxIntegerBytes is the longest text of an int64.
const maxIntegerBytes = 20

// Growth returns at most how many bytes a command would add, at a time in milliseconds
// since the Unix epoch, to what the machine holds; see [Machine.Bytes]. What it would
// replace is taken off, so it is 0 for one that adds none, and for a DictionaryAdd,
// which is the system's own. It is exact for a command that is not refused, meets its
// condition, grows what it changes and names no element twice. It only reads, but
// takes about as long as Apply.
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
		return uint64(len(op.Set.GetValue())), true
	case *storev1.Command_Increment:
		if it == nil || it.held == nil {
			return maxIntegerBytes, true
		}
	case *storev1.Command_ListPush:
		if d, ok := held[*deque](it); ok {
			return d.after(op.ListPush), true
		}
	case *storev1.Command_DictionarySet:
		if d, ok := held[*dictionary](it); ok {
			return d.after(op.DictionarySet.GetFields(), func(i int) int { return len(op.DictionarySet.GetValues()[i]) }), true
		}
	case *storev1.Command_DictionaryIncrement:
		if d, ok := held[*dictionary](it); ok {
			return d.after([][]byte{op.DictionaryIncrement.GetField()}, func(int) int { return maxIntegerBytes }), true
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

func (d *dictionary) after(names [][]byte, length func(i int) int) (bytes uint64) {
	if bytes = dictionaryOverhead; d != nil {
		bytes = d.bytes()
	}
	for i, name := range names {
		known, was := false, field{}
		if d != nil {
			_, was, known = d.find(textOf(name))
		}
		if known {
			bytes += uint64(max(length(i)-len(was.value), 0)) // a field that shrinks may come once more
		} else {
			bytes += uint64(fieldOverhead + len(name) + length(i))
		}
	}
	return bytes
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
