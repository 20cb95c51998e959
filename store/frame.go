package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// A snapshot is a magic word and then records. Each record is its length as a
// varint, its bytes, and the CRC-32C, little endian, of everything from the
// magic word up to here; so no record can be changed, lost, repeated or moved
// unnoticed. The last record says that it is the last.

const (
	magicBytes = 8
	// maxRecordBytes bounds a record: one item or answer of the largest size
	// and what surrounds it.
	maxRecordBytes = MaxItemBytes + 64<<10
	// maxRecordFields bounds how many fields one record may hold, for a small
	// field takes much more memory than bytes. It leaves room for partEntries
	// answers of a gateway.
	maxRecordFields = 16 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameWriter writes records.
type frameWriter struct {
	w     *bufio.Writer
	n     int64
	sum   uint32
	frame []byte
}

func newFrameWriter(w io.Writer, magic string) (*frameWriter, error) {
	f := &frameWriter{w: bufio.NewWriterSize(w, 64<<10)}
	return f, f.write([]byte(magic))
}

func (f *frameWriter) write(p []byte) error {
	n, err := f.w.Write(p)
	f.n += int64(n)
	f.sum = crc32.Update(f.sum, castagnoli, p)
	return err
}

// record writes one message. Its bytes depend on nothing but the message.
func (f *frameWriter) record(m proto.Message) error {
	options := proto.MarshalOptions{Deterministic: true}
	f.frame = binary.AppendUvarint(f.frame[:0], uint64(options.Size(m)))
	var err error
	if f.frame, err = options.MarshalAppend(f.frame, m); err != nil {
		return err
	}
	if err := f.write(f.frame); err != nil {
		return err
	}
	return f.write(binary.LittleEndian.AppendUint32(f.frame[:0], f.sum))
}

// frameReader reads what a frameWriter has written and trusts none of it.
type frameReader struct {
	r   *bufio.Reader
	sum uint32
	// No record may be longer, or hold more fields.
	maxBytes, maxFields int
	frame               []byte
}

// newFrameReader reads the magic word.
func newFrameReader(r io.Reader, magic string, maxBytes, maxFields int) (*frameReader, error) {
	f := &frameReader{r: bufio.NewReaderSize(r, 64<<10), maxBytes: maxBytes, maxFields: maxFields}
	if err := f.read(magicBytes); err != nil {
		return nil, err
	}
	if string(f.frame) != magic {
		return nil, fmt.Errorf("%w snapshot: does not begin with %q", ErrMalformed, magic)
	}
	return f, nil
}

// read fills the frame with the next n bytes. Memory grows with the bytes that
// really come, whatever was announced.
func (f *frameReader) read(n int) error {
	const step = 1 << 20
	f.frame = f.frame[:0]
	for len(f.frame) < n {
		have := len(f.frame)
		f.frame = append(f.frame, make([]byte, min(n-have, step))...)
		if _, err := io.ReadFull(f.r, f.frame[have:]); err != nil {
			return cut(err)
		}
	}
	f.sum = crc32.Update(f.sum, castagnoli, f.frame)
	return nil
}

// cut names the end of the input for what it is here.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w snapshot: ends in the middle", ErrMalformed)
	}
	return fmt.Errorf("store: read snapshot: %w", err)
}

// record reads the next message, which shares no memory with the reader.
func (f *frameReader) record(m proto.Message) error {
	length, err := f.length()
	if err != nil {
		return err
	}
	if err := f.read(int(length)); err != nil {
		return err
	}
	payload, sum := f.frame, f.sum
	var stored [4]byte
	if _, err := io.ReadFull(f.r, stored[:]); err != nil {
		return cut(err)
	}
	if binary.LittleEndian.Uint32(stored[:]) != sum {
		return fmt.Errorf("%w snapshot: a checksum does not match, the bytes were changed", ErrMalformed)
	}
	f.sum = crc32.Update(f.sum, castagnoli, stored[:])
	return f.unmarshal(payload, m)
}

// length reads how long the next record is, in no more bytes than the longest
// one allowed would need.
func (f *frameReader) length() (n uint64, err error) {
	for shift := 0; n <= uint64(f.maxBytes) && shift < 35; shift += 7 {
		b, err := f.r.ReadByte()
		if err != nil {
			return 0, cut(err)
		}
		f.sum = crc32.Update(f.sum, castagnoli, []byte{b})
		n |= uint64(b&0x7f) << shift
		if b < 0x80 && n <= uint64(f.maxBytes) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%w snapshot: a record of more than %d bytes", ErrMalformed, f.maxBytes)
}

func (f *frameReader) unmarshal(payload []byte, m proto.Message) error {
	if countFields(payload) > f.maxFields {
		return fmt.Errorf("%w snapshot: a record of more than %d fields", ErrMalformed, f.maxFields)
	}
	if known, err := unmarshal(payload, m); err != nil {
		return fmt.Errorf("%w snapshot: %w", ErrMalformed, err)
	} else if !known {
		return fmt.Errorf("%w: the snapshot holds fields this node does not know", ErrVersion)
	}
	return nil
}

// end makes sure that nothing follows.
func (f *frameReader) end() error {
	switch _, err := f.r.ReadByte(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("store: read snapshot: %w", err)
	}
	return fmt.Errorf("%w snapshot: bytes after its end", ErrMalformed)
}

// countFields counts the fields of the messages in a record, one level down,
// without decoding them. Damage is left for the decoder to find.
func countFields(record []byte) int {
	n := 0
	for len(record) > 0 {
		_, wire, tag := protowire.ConsumeTag(record)
		size := fieldLength(record)
		if size < 0 {
			return n
		}
		if wire == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(record[tag:])
			for k := fieldLength(inner); k > 0; k = fieldLength(inner) {
				inner = inner[k:]
				n++
			}
		}
		record = record[size:]
		n++
	}
	return n
}

// fieldLength is how many bytes the first field takes, negative when they are
// none.
func fieldLength(b []byte) int {
	num, wire, tag := protowire.ConsumeTag(b)
	if tag < 0 {
		return -1
	}
	size := protowire.ConsumeFieldValue(num, wire, b[tag:])
	if size < 0 {
		return -1
	}
	return tag + size
}
