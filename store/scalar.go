package store

import (
	"bytes"
	"crypto/sha256"
	"strconv"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Digest returns the SHA-256 of a value, by which Set can compare what is
// stored without being sent all of it.
func Digest(value []byte) []byte {
	sum := sha256.Sum256(value)
	return sum[:]
}

// set stores a scalar if the condition holds, in place of whatever the key
// held. A condition that compares reads the item as a scalar and refuses
// another type.
func (m *Machine) set(t target, op *storev1.Set) *Result {
	it := m.find(t)
	if it != nil && it.held != nil && compares(op.GetCondition()) {
		return notScalar
	}
	if !holds(it, op) {
		return notStored
	}
	m.store(t, it, op.GetValue(), op.GetTtlMs())
	return stored
}

func compares(c storev1.Condition) bool {
	return c >= storev1.Condition_CONDITION_EQUAL
}

// holds tells whether the condition of op holds for an item, nil for none.
func holds(it *item, op *storev1.Set) bool {
	switch op.GetCondition() {
	case storev1.Condition_CONDITION_PRESENT:
		return it != nil
	case storev1.Condition_CONDITION_ABSENT:
		return it == nil
	case storev1.Condition_CONDITION_EQUAL:
		return it != nil && equals(it, op)
	case storev1.Condition_CONDITION_NOT_EQUAL:
		return it == nil || !equals(it, op)
	case storev1.Condition_CONDITION_PRESENT_AND_NOT_EQUAL:
		return it != nil && !equals(it, op)
	case storev1.Condition_CONDITION_ABSENT_OR_EQUAL:
		return it == nil || equals(it, op)
	default:
		return true
	}
}

func equals(it *item, op *storev1.Set) bool {
	if op.GetOperandIsDigest() {
		return bytes.Equal(Digest(it.value), op.GetOperand())
	}
	return bytes.Equal(it.value, op.GetOperand())
}

// store makes the target a scalar with a new life.
func (m *Machine) store(t target, it *item, value []byte, ttl uint64) {
	if it == nil {
		m.create(t, ttl, func(it *item) { it.value = value })
		return
	}
	m.edit(t, it, func(it *item) {
		it.value, it.held = value, nil
		it.expires = m.clock + ttl
	})
}

func (m *Machine) delete(t target) *Result {
	if it := m.find(t); it != nil {
		m.remove(t, it)
	}
	return done
}

// maxNumberBytes bounds the text Increment reads: an int64 needs 20 bytes, the
// rest is leading zeros.
const maxNumberBytes = 64

// increment adds to a scalar that holds a number as [strconv.ParseInt] reads
// it in base 10, so "+5" and "05" count. The sum is stored in canonical form.
func (m *Machine) increment(t target, op *storev1.Increment) *Result {
	it := m.find(t)
	var number int64
	if it != nil {
		if it.held != nil {
			return notScalar
		}
		n, ok := parseNumber(it.value)
		if !ok {
			return notNumber
		}
		number = n
	}
	sum, ok := add(number, op.GetAmount())
	if !ok {
		return noSum
	}
	m.store(t, it, strconv.AppendInt(nil, sum, 10), op.GetTtlMs())
	return numberOf(sum)
}

// add returns the sum, or false when it does not fit.
func add(a, b int64) (sum int64, ok bool) {
	sum = a + b
	return sum, (sum > a) == (b > 0)
}

func parseNumber(text []byte) (int64, bool) {
	if len(text) > maxNumberBytes {
		return 0, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil
}
