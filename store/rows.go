package store

import (
	"encoding/binary"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// dictionaryAdd adds rows of numbers to fields: all of them, or none.
func (m *Machine) dictionaryAdd(t target, op *storev1.DictionaryAdd) *Result {
	it := m.find(t)
	d, ok := held[*dictionary](it)
	if !ok {
		return notDictionary
	}
	if len(op.GetFields()) == 0 {
		return done
	}
	s := newSums(d, op)
	width := len(op.GetAmounts()) / len(op.GetFields())
	for i, name := range op.GetFields() {
		if refusal := s.add(textOf(name), op.GetAmounts()[i*width:(i+1)*width]); refusal != nil {
			return refusal
		}
	}
	refusal := grow(m, t, it, newDictionary, op.GetTtl(), len(s.order), func(d *dictionary) {
		for _, name := range s.order {
			d.set(name, textOf(appendRow(nil, s.rows[name])))
		}
	})
	if refusal != nil {
		return refusal
	}
	return done
}

// sums are the rows that an addition leads to, before anything is changed.
type sums struct {
	dictionary *dictionary // nil for none
	rest       string
	// room is how many fields may still be made, below 0 for any number.
	room  int
	rows  map[string][]int64
	order []string // of the keys of rows, by when they came
}

func newSums(d *dictionary, op *storev1.DictionaryAdd) *sums {
	s := &sums{dictionary: d, rest: textOf(op.GetRest()), room: -1, rows: make(map[string][]int64, len(op.GetFields()))}
	if op.GetMost() == 0 {
		return s
	}
	count := 0
	if d != nil {
		count = d.count()
		if _, _, known := d.find(s.rest); known {
			count--
		}
	}
	s.room = max(0, int(op.GetMost())-count)
	return s
}

// add adds a row to a field, or to the rest when there is no room for the field.
func (s *sums) add(name string, amounts []int64) *Result {
	row, known, refusal := s.find(name)
	if refusal != nil {
		return refusal
	}
	if !known && name != s.rest {
		if s.room == 0 {
			return s.add(s.rest, amounts)
		}
		s.room--
	}
	for len(row) < len(amounts) {
		row = append(row, 0)
	}
	for i, amount := range amounts {
		if row[i], known = add(row[i], amount); !known {
			return noSum
		}
	}
	if _, seen := s.rows[name]; !seen {
		s.order = append(s.order, name)
	}
	s.rows[name] = row
	return nil
}

// find returns the row that a field has by now.
func (s *sums) find(name string) (row []int64, known bool, refusal *Result) {
	if row, known = s.rows[name]; known || s.dictionary == nil {
		return row, known, nil
	}
	_, f, known := s.dictionary.find(name)
	if !known {
		return nil, false, nil
	}
	if row, known = ParseRow(bytesOf(f.value)); !known {
		return nil, false, notRow
	}
	return row, true, nil
}

// ParseRow reads the value of a field that DictionaryAdd has written. The numbers are
// the caller's own. ok is false for bytes that are no such value.
func ParseRow(value []byte) (numbers []int64, ok bool) {
	for len(value) > 0 {
		number, n := binary.Varint(value)
		if n <= 0 || len(numbers) == MaxRow {
			return nil, false
		}
		numbers, value = append(numbers, number), value[n:]
	}
	return numbers, len(numbers) > 0
}

func appendRow(buf []byte, row []int64) []byte {
	for _, number := range row {
		buf = binary.AppendVarint(buf, number)
	}
	return buf
}

func checkDictionaryAdd(key []byte, op *storev1.DictionaryAdd) string {
	fields, amounts := len(op.GetFields()), len(op.GetAmounts())
	if fields == 0 && amounts > 0 || fields > 0 && (amounts%fields != 0 || amounts/fields < 1 || amounts/fields > MaxRow) {
		return badRows
	}
	if bad := checkSizes(key, [][]byte{op.GetRest()}); bad != "" {
		return bad
	}
	for _, name := range op.GetFields() {
		if len(key)+len(name)+MaxRow*binary.MaxVarintLen64 > MaxItemBytes {
			return badSize
		}
	}
	return checkGrowth(key, op.GetFields(), op.GetTtl())
}
