package load

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// The head of a payload: 16 hexadecimal digits with the item's number and 16
// with the nanoseconds since epoch at which it was published. Text, as most
// items are.
const (
	digits     = 16
	minPayload = 2 * digits
)

// warmup is the number of items that are not counted.
const warmup = 0

// epoch is what the clock of this process counts from. Publisher and
// subscribers are in one process, so one monotonic clock serves both.
var epoch = time.Now()

// stamp is the head of an item.
type stamp struct {
	number uint64
	at     time.Duration
}

var errStamp = errors.New("an item arrived whose payload is not what was published")

// payload makes an item of the given size, published now.
func payload(number uint64, size int) []byte {
	b := bytes.Repeat([]byte{'.'}, max(size, minPayload))
	putHex(b[:digits], number)
	putHex(b[digits:minPayload], uint64(time.Since(epoch)))
	return b
}

func putHex(b []byte, v uint64) {
	const alphabet = "0123456789abcdef"
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = alphabet[v&15]
		v >>= 4
	}
}

// readStamp reads the head of a payload, of which at least minPayload bytes
// must be given.
func readStamp(b []byte) (stamp, error) {
	if len(b) < minPayload {
		return stamp{}, errStamp
	}
	number, err := hex(b[:digits])
	if err != nil {
		return stamp{}, errStamp
	}
	at, err := hex(b[digits:minPayload])
	if err != nil {
		return stamp{}, errStamp
	}
	return stamp{number: number, at: time.Duration(at)}, nil
}

func hex(b []byte) (v uint64, err error) {
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, strconv.ErrSyntax
		}
	}
	return v, nil
}
