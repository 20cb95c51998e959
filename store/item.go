package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// item is one key with what it holds: a scalar, or a collection when held is
// set. An item is written only in the epoch it was made in, see [shelf.own]; slot
// is the exception and no part of what a snapshot sees.
type item struct {
	key     string
	value   []byte
	held    collection
	expires uint64
	epoch   uint64
	slot    int
}

func (it *item) label() string { return it.key }
func (it *item) place() *int   { return &it.slot }

func (it *item) kind() storev1.Kind {
	if it.held != nil {
		return it.held.kind()
	}
	return storev1.Kind_KIND_SCALAR
}

// size is what the item counts; see itemOverhead for the formula.
func (it *item) size() uint64 {
	n := uint64(itemOverhead + len(it.key) + len(it.value))
	if it.held != nil {
		n += it.held.bytes()
	}
	return n
}
