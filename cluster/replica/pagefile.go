package replica

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math"
)

// This file reads a bbolt file the suspicious way: with plain reads instead of
// a memory map, believing no number before it is checked. bbolt itself trusts
// its pages: a flipped bit can make it panic, loop, fault on a page beyond the
// end of a truncated file, or, worst, silently skip records or fall back to
// the transaction before the last. None of that may happen before a damaged
// file is noticed.
//
// The checks leave a flipped bit nowhere to hide that matters: both meta pages
// are valid and of consecutive transactions; the file reaches its high-water
// mark; every page below it is either reachable exactly once or free exactly
// once; keys ascend within the bounds their parents give. What the records
// themselves hold is sealed (seal.go) and checked by the caller.

const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	metaLen   = 64 // including the checksum in the last 8 bytes
	headerLen = 16
	elemLen   = 16
	bucketLen = 16

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10

	leafIsBucket = 0x01

	// maxTreeDepth is far above any real tree: 30 levels of at least two
	// children are more pages than a file system holds.
	maxTreeDepth = 30
)

// native is the byte order of bbolt's pages, which are memory images.
var native = binary.NativeEndian

// pageFile is a bbolt file during verification.
type pageFile struct {
	r        io.ReaderAt
	size     int64
	pageSize int64
	high     uint64 // pages in use, free ones included
	root     uint64
	freelist uint64
	seen     []bool
	visit    func(bucket string, key, value []byte) error
}

// walkPages verifies the structure of a bbolt file of the given size and calls
// visit for each key of each bucket, in order within a bucket. Key and value
// are only valid during the call. An error of visit ends the walk.
func walkPages(r io.ReaderAt, size int64, visit func(bucket string, key, value []byte) error) error {
	f := &pageFile{r: r, size: size, visit: visit}
	if err := f.readMeta(); err != nil {
		return err
	}
	f.seen = make([]bool, f.high)
	f.seen[0], f.seen[1] = true, true
	if err := f.walkTree("", f.root, nil, nil, 0); err != nil {
		return err
	}
	if err := f.walkFreelist(); err != nil {
		return err
	}
	for id, seen := range f.seen {
		if !seen {
			return f.damage(uint64(id), "it is neither used nor free")
		}
	}
	return nil
}

func (f *pageFile) damage(page uint64, format string, args ...any) error {
	return fmt.Errorf("page %d at offset %d: %s", page, page*uint64(f.pageSize), fmt.Sprintf(format, args...))
}

// boltMeta is what one meta page says.
type boltMeta struct {
	pageSize uint32
	root     uint64
	freelist uint64
	high     uint64
	txid     uint64
}

// readMeta requires both meta pages: bbolt would fall back from a damaged one
// to the other and so forget its last transaction. A crash cannot tear a meta
// page, its 80 bytes lie in one sector.
func (f *pageFile) readMeta() error {
	meta0, err := f.readMetaPage(0, 0)
	if err != nil {
		return err
	}
	f.pageSize = int64(meta0.pageSize)
	meta1, err := f.readMetaPage(1, f.pageSize)
	if err != nil {
		return err
	}
	last := meta0
	if meta1.txid > meta0.txid {
		last = meta1
	}
	switch {
	case meta0.pageSize != meta1.pageSize:
		return f.damage(1, "page size %d, page 0 says %d", meta1.pageSize, meta0.pageSize)
	case meta0.txid%2 != 0 || meta1.txid%2 != 1 || last.txid-min(meta0.txid, meta1.txid) != 1:
		return f.damage(1, "transactions %d and %d do not follow each other", meta0.txid, meta1.txid)
	case last.high < 4 || last.high > uint64(math.MaxInt64)/uint64(f.pageSize) || int64(last.high)*f.pageSize > f.size:
		return fmt.Errorf("the file has %d bytes, its %d pages need %d: it was cut short", f.size, last.high, last.high*uint64(f.pageSize))
	}
	f.high, f.root, f.freelist = last.high, last.root, last.freelist
	return nil
}

func (f *pageFile) readMetaPage(id uint64, offset int64) (boltMeta, error) {
	var page [headerLen + metaLen]byte
	if _, err := f.r.ReadAt(page[:], offset); err != nil {
		return boltMeta{}, fmt.Errorf("meta page %d at offset %d cannot be read, the file has %d bytes: %w", id, offset, f.size, err)
	}
	meta := page[headerLen:]
	sum := fnv.New64a()
	sum.Write(meta[:metaLen-8])
	m := boltMeta{
		pageSize: native.Uint32(meta[8:]),
		root:     native.Uint64(meta[16:]),
		freelist: native.Uint64(meta[32:]),
		high:     native.Uint64(meta[40:]),
		txid:     native.Uint64(meta[48:]),
	}
	switch {
	case native.Uint32(meta) != boltMagic || native.Uint32(meta[4:]) != boltVersion,
		native.Uint64(meta[metaLen-8:]) != sum.Sum64(),
		native.Uint64(page[:]) != id || native.Uint16(page[8:]) != flagMeta:
		return m, fmt.Errorf("meta page %d at offset %d: its checksum does not match", id, offset)
	case m.pageSize < 512 || m.pageSize > 1<<20 || m.pageSize&(m.pageSize-1) != 0:
		return m, fmt.Errorf("meta page %d at offset %d: page size %d", id, offset, m.pageSize)
	}
	return m, nil
}

// page is one logical page: a first page and its overflow.
type page struct {
	id    uint64
	flags uint16
	count int
	buf   []byte
}

// claim marks a span of pages as accounted for, once.
func (f *pageFile) claim(id, n uint64) error {
	if id < 2 || id >= f.high || n > f.high-id {
		return f.damage(id, "%d pages from here lie outside of the %d pages of the file", n, f.high)
	}
	for i := id; i < id+n; i++ {
		if f.seen[i] {
			return f.damage(i, "it is used twice")
		}
		f.seen[i] = true
	}
	return nil
}

func (f *pageFile) readPage(id uint64) (page, error) {
	if id < 2 || id >= f.high {
		return page{}, f.damage(id, "it lies outside of the %d pages of the file", f.high)
	}
	var header [headerLen]byte
	offset := int64(id) * f.pageSize
	if _, err := f.r.ReadAt(header[:], offset); err != nil {
		return page{}, f.damage(id, "%v", err)
	}
	if got := native.Uint64(header[:]); got != id {
		return page{}, f.damage(id, "it says that it is page %d", got)
	}
	span := uint64(native.Uint32(header[12:])) + 1
	if err := f.claim(id, span); err != nil {
		return page{}, err
	}
	p := page{id: id, flags: native.Uint16(header[8:]), count: int(native.Uint16(header[10:]))}
	p.buf = make([]byte, int64(span)*f.pageSize)
	if _, err := f.r.ReadAt(p.buf, offset); err != nil {
		return page{}, f.damage(id, "%v", err)
	}
	return p, nil
}

// walkTree visits the tree below a page. Keys lie in [low, high); nil is open.
func (f *pageFile) walkTree(bucket string, id uint64, low, high []byte, depth int) error {
	if depth > maxTreeDepth {
		return f.damage(id, "the tree is more than %d levels deep", maxTreeDepth)
	}
	p, err := f.readPage(id)
	if err != nil {
		return err
	}
	switch {
	case p.flags == flagLeaf:
		if p.count == 0 && depth > 0 {
			return f.damage(id, "an inner leaf is empty")
		}
		return f.walkLeaf(bucket, p, low, high)
	case p.flags == flagBranch && p.count > 0:
		return f.walkBranch(bucket, p, low, high, depth)
	default:
		return f.damage(id, "kind %#x with %d entries does not belong here", p.flags, p.count)
	}
}

func (f *pageFile) walkBranch(bucket string, p page, low, high []byte, depth int) error {
	type child struct {
		key []byte
		id  uint64
	}
	children := make([]child, p.count)
	for i := range children {
		at := headerLen + i*elemLen
		key, err := f.cut(p, at, 0, 4, nil)
		if err != nil {
			return err
		}
		children[i] = child{key: key, id: native.Uint64(p.buf[at+8:])}
		if err := f.checkOrder(p, key, low, high, i > 0); err != nil {
			return err
		}
		low = key
	}
	for i, c := range children {
		end := high
		if i+1 < len(children) {
			end = children[i+1].key
		}
		if err := f.walkTree(bucket, c.id, c.key, end, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (f *pageFile) walkLeaf(bucket string, p page, low, high []byte) error {
	for i := range p.count {
		at := headerLen + i*elemLen
		var value []byte
		key, err := f.cut(p, at, 4, 8, &value)
		if err != nil {
			return err
		}
		if err := f.checkOrder(p, key, low, high, i > 0); err != nil {
			return err
		}
		low = key
		switch kind := native.Uint32(p.buf[at:]); {
		case kind == leafIsBucket && bucket == "":
			err = f.walkBucket(string(key), p, value)
		case kind == 0 && bucket != "":
			err = f.visit(bucket, key, value)
		default:
			err = f.damage(p.id, "entry %d is of kind %#x", i, kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// walkBucket follows a bucket header: its root page, or for a small bucket the
// page that follows inline.
func (f *pageFile) walkBucket(name string, p page, value []byte) error {
	if len(value) < bucketLen {
		return f.damage(p.id, "the header of bucket %q has %d bytes", name, len(value))
	}
	if root := native.Uint64(value); root != 0 {
		return f.walkTree(name, root, nil, nil, 0)
	}
	inline := page{id: p.id, buf: value[bucketLen:]}
	if len(inline.buf) < headerLen {
		return f.damage(p.id, "the inline page of bucket %q has %d bytes", name, len(inline.buf))
	}
	inline.flags, inline.count = native.Uint16(inline.buf[8:]), int(native.Uint16(inline.buf[10:]))
	if inline.flags != flagLeaf {
		return f.damage(p.id, "the inline page of bucket %q is of kind %#x", name, inline.flags)
	}
	return f.walkLeaf(name, inline, nil, nil)
}

// cut returns the key of the entry at offset at, whose position and key length
// are found at the given offsets within the entry; with value it also cuts the
// value, whose length follows that of the key.
func (f *pageFile) cut(p page, at, posAt, keyLenAt int, value *[]byte) (key []byte, err error) {
	if headerLen+p.count*elemLen > len(p.buf) {
		return nil, f.damage(p.id, "%d entries do not fit", p.count)
	}
	start := at + int(native.Uint32(p.buf[at+posAt:]))
	end := start + int(native.Uint32(p.buf[at+keyLenAt:]))
	valueEnd := end
	if value != nil {
		valueEnd += int(native.Uint32(p.buf[at+keyLenAt+4:]))
	}
	if start < headerLen+p.count*elemLen || end <= start || valueEnd > len(p.buf) {
		return nil, f.damage(p.id, "the entry at byte %d points outside of the page", at)
	}
	if value != nil {
		*value = p.buf[end:valueEnd]
	}
	return p.buf[start:end], nil
}

func (f *pageFile) checkOrder(p page, key, low, high []byte, strict bool) error {
	c := bytes.Compare(key, low)
	if (low != nil && c < 0) || (strict && c == 0) || (high != nil && bytes.Compare(key, high) >= 0) {
		return f.damage(p.id, "its keys are out of order")
	}
	return nil
}

// walkFreelist claims every free page.
func (f *pageFile) walkFreelist() error {
	p, err := f.readPage(f.freelist)
	if err != nil {
		return err
	}
	if p.flags != flagFreelist {
		return f.damage(p.id, "kind %#x, the list of free pages is expected here", p.flags)
	}
	ids, count := p.buf[headerLen:], uint64(p.count)
	if count == math.MaxUint16 {
		count, ids = native.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return f.damage(p.id, "%d free pages do not fit into the list", count)
	}
	for range count {
		if err := f.claim(native.Uint64(ids), 1); err != nil {
			return err
		}
		ids = ids[8:]
	}
	return nil
}
