package web

import (
	"hash/maphash"
	"sync/atomic"
)

// Bounds of what is remembered: as many messages, none longer, so that some ten MiB
// are the most.
const (
	keptMessages = 256
	keptMessage  = 16 << 10
)

// encodings remembers the last messages of topics in another form, so that one which
// goes to thousands of readers is put into that form once. It may be used by many
// goroutines.
type encodings struct {
	encode func(message []byte) ([]byte, error)
	seed   maphash.Seed
	slots  [keptMessages]atomic.Pointer[encoding]
}

// encoding is a message and its other form. It keeps the message, so nothing else can
// be where that is.
type encoding struct{ message, text []byte }

func newEncodings(encode func(message []byte) ([]byte, error)) *encodings {
	return &encodings{encode: encode, seed: maphash.MakeSeed()}
}

// of returns the other form of a message, which is only read. The message is one
// that nobody ever writes to.
func (e *encodings) of(message []byte) ([]byte, error) {
	if len(message) == 0 || len(message) > keptMessage {
		return e.encode(message)
	}
	slot := &e.slots[maphash.Bytes(e.seed, message[:min(len(message), 64)])%keptMessages]
	if kept := slot.Load(); kept != nil && &kept.message[0] == &message[0] && len(kept.message) == len(message) {
		return kept.text, nil
	}
	text, err := e.encode(message)
	if err != nil {
		return nil, err
	}
	slot.Store(&encoding{message, text})
	return text, nil
}
