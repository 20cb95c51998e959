package store

import (
	"strconv"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// dictionary is fields with their values, in the order of the fields' bytes.
type dictionary struct {
	epoch  uint64
	fields tree[field]
	// content counts the bytes of all names and values.
	content uint64
}

type field struct{ name, value string }

func newDictionary(epoch uint64) *dictionary {
	return &dictionary{epoch: epoch, fields: tree[field]{epoch: epoch}}
}

func (d *dictionary) kind() storev1.Kind { return storev1.Kind_KIND_DICTIONARY }
func (d *dictionary) count() int         { return d.fields.length }

func (d *dictionary) bytes() uint64 {
	return dictionaryOverhead + uint64(d.count())*fieldOverhead + d.content
}

func (d *dictionary) owned(epoch uint64) collection {
	if d.epoch == epoch {
		return d
	}
	return &dictionary{epoch: epoch, fields: d.fields.own(epoch), content: d.content}
}

// find returns the place of a name and the field there; known is false when it
// is another's, or the end.
func (d *dictionary) find(name string) (place int, f field, known bool) {
	place, there := d.fields.search(func(f field) bool { return f.name < name })
	if there == nil || there.name != name {
		return place, field{}, false
	}
	return place, *there, true
}

func (d *dictionary) set(name, value string) {
	place, old, known := d.find(name)
	if known {
		d.content -= uint64(len(old.value))
		d.fields.replace(place, field{old.name, value})
	} else {
		d.content += uint64(len(name))
		d.fields.insert(place, field{name, value})
	}
	d.content += uint64(len(value))
}

func (d *dictionary) remove(name string) {
	if place, old, known := d.find(name); known {
		d.content -= uint64(len(old.name) + len(old.value))
		d.fields.remove(place)
	}
}

func (d *dictionary) parts(yield func(*storev1.SnapshotRecord_Part) bool) {
	inParts(&d.fields, yield,
		func(f field) int { return len(f.name) + len(f.value) },
		func(part *storev1.SnapshotRecord_Part, f field) {
			part.Fields = append(part.Fields, bytesOf(f.name))
			part.Values = append(part.Values, bytesOf(f.value))
		})
}

func (d *dictionary) take(key string, part *storev1.SnapshotRecord_Part) string {
	if len(part.GetFields()) != len(part.GetValues()) || len(part.GetScores()) > 0 {
		return "a part that is none of a dictionary"
	}
	for i, name := range part.GetFields() {
		value := part.GetValues()[i]
		if len(key)+len(name)+len(value) > MaxItemBytes {
			return "a field of an impossible length"
		}
		if n := d.count(); n > 0 && d.fields.at(n-1).name >= string(name) {
			return "fields are not in order"
		}
		d.fields.push(field{textOf(name), textOf(value)})
		d.content += uint64(len(name) + len(value))
	}
	return ""
}

func (m *Machine) dictionarySet(t target, op *storev1.DictionarySet) *Result {
	it := m.find(t)
	if _, ok := held[*dictionary](it); !ok {
		return notDictionary
	}
	if len(op.GetFields()) == 0 {
		return done
	}
	refusal := grow(m, t, it, newDictionary, op.GetTtl(), len(op.GetFields()), func(d *dictionary) {
		for i, name := range op.GetFields() {
			d.set(textOf(name), textOf(op.GetValues()[i]))
		}
	})
	if refusal != nil {
		return refusal
	}
	return done
}

// dictionaryIncrement is increment for one field.
func (m *Machine) dictionaryIncrement(t target, op *storev1.DictionaryIncrement) *Result {
	it := m.find(t)
	d, ok := held[*dictionary](it)
	if !ok {
		return notDictionary
	}
	var number int64
	if d != nil {
		if _, old, known := d.find(textOf(op.GetField())); known {
			n, ok := parseNumber(bytesOf(old.value))
			if !ok {
				return notNumber
			}
			number = n
		}
	}
	sum, ok := add(number, op.GetAmount())
	if !ok {
		return noSum
	}
	refusal := grow(m, t, it, newDictionary, op.GetTtl(), 1, func(d *dictionary) {
		d.set(textOf(op.GetField()), strconv.FormatInt(sum, 10))
	})
	if refusal != nil {
		return refusal
	}
	return numberOf(sum)
}

func (m *Machine) dictionaryRemove(t target, op *storev1.DictionaryRemove) *Result {
	it := m.find(t)
	d, ok := held[*dictionary](it)
	switch {
	case !ok:
		return notDictionary
	case d == nil:
		return done
	case op.GetAll():
		m.remove(t, it)
		return done
	}
	there := present(op.GetFields(), func(name string) bool {
		_, _, known := d.find(name)
		return known
	})
	if len(there) > 0 {
		shrink(m, t, it, nil, func(d *dictionary) {
			for _, name := range there {
				d.remove(name)
			}
		})
	}
	return done
}

func viewFields(it *item, q *Query, names [][]byte) *Result {
	d, ok := held[*dictionary](it)
	switch {
	case !ok:
		return notDictionary
	case d == nil:
		return noFields
	}
	answer := &storev1.Result_Fields{Found: true, Present: make([]bool, len(names)), Values: make([][]byte, len(names))}
	var content uint64
	for i, name := range names {
		_, f, known := d.find(textOf(name))
		if content += uint64(len(f.value)); !fits(len(names), content, q.GetMaxBytes()) {
			return tooLarge
		}
		answer.Present[i], answer.Values[i] = known, bytesOf(f.value)
	}
	return &Result{Outcome: &storev1.Result_Fields_{Fields: answer}}
}

func viewDictionary(it *item, q *Query) *Result {
	d, ok := held[*dictionary](it)
	switch {
	case !ok:
		return notDictionary
	case d == nil:
		return noDictionary
	case !fits(d.count(), d.content, q.GetMaxBytes()):
		return tooLarge
	}
	answer := &storev1.Result_Dictionary{Found: true, Fields: make([][]byte, 0, d.count()), Values: make([][]byte, 0, d.count())}
	for f := range d.fields.span(0, d.count()) {
		answer.Fields = append(answer.Fields, bytesOf(f.name))
		answer.Values = append(answer.Values, bytesOf(f.value))
	}
	return &Result{Outcome: &storev1.Result_Dictionary_{Dictionary: answer}}
}
