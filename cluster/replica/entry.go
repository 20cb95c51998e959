package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A log entry carries one or more commands:
//
//	version (1 byte) | count (uvarint) | length (uvarint) × count | bytes …
//
// Old entries keep their meaning: a new layout takes a new version byte.
const (
	entryVersion = 1
	// maxEntryCommands bounds the commands of one entry, so that a decoder may
	// trust nothing and still spend little memory.
	maxEntryCommands = 4096
)

var errEntry = errors.New("malformed log entry")

// encodeEntry frames commands for the log. The result shares no memory with
// the arguments.
func encodeEntry(commands [][]byte) []byte {
	size := 1 + binary.MaxVarintLen32
	for _, c := range commands {
		size += binary.MaxVarintLen32 + len(c)
	}
	buf := make([]byte, 0, size)
	buf = append(buf, entryVersion)
	buf = binary.AppendUvarint(buf, uint64(len(commands)))
	for _, c := range commands {
		buf = binary.AppendUvarint(buf, uint64(len(c)))
	}
	for _, c := range commands {
		buf = append(buf, c...)
	}
	return buf
}

// decodeEntry is the inverse of encodeEntry. The commands alias data. Exactly
// the bytes written by encodeEntry are accepted: a count, a length or a rest
// that does not fit is an error, found before memory is spent on it.
func decodeEntry(data []byte) ([][]byte, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: it is empty", errEntry)
	}
	if data[0] != entryVersion {
		return nil, fmt.Errorf("%w: version %d, this program knows version %d", errEntry, data[0], entryVersion)
	}
	rest := data[1:]
	count, n := uvarint(rest)
	if n <= 0 || count == 0 || count > maxEntryCommands || count > uint64(len(rest)-n) {
		return nil, fmt.Errorf("%w: it claims %d commands in %d bytes", errEntry, count, len(data))
	}
	lengths, rest := rest[n:], rest[n:]
	for range count {
		size, n := uvarint(rest)
		if n <= 0 || size > uint64(len(data)) {
			return nil, fmt.Errorf("%w: a command claims %d bytes of %d", errEntry, size, len(data))
		}
		rest = rest[n:]
	}
	commands := make([][]byte, count)
	for i := range commands {
		size, n := uvarint(lengths)
		lengths = lengths[n:]
		if size > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: command %d claims %d bytes, %d are left", errEntry, i, size, len(rest))
		}
		commands[i], rest = rest[:size:size], rest[size:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes follow the last command", errEntry, len(rest))
	}
	return commands, nil
}

// uvarint reads a number in its shortest form; n is 0 when there is none.
func uvarint(b []byte) (v uint64, n int) {
	v, n = binary.Uvarint(b)
	if n > 1 && b[n-1] == 0 {
		return 0, 0
	}
	return v, n
}
