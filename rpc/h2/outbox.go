package h2

import (
	"encoding/binary"
	"slices"
	"sync"

	"golang.org/x/net/http2"
)

const (
	// frameSize is the largest payload of a frame that every client takes
	// (RFC 9113, 4.2), and prefixSize what gRPC puts before a message: whether
	// it is compressed, and its length.
	frameSize  = 16 << 10
	prefixSize = 5
	// firstWindow is every window at its beginning (RFC 9113, 6.9.2), and
	// maxWindow the largest it can become.
	firstWindow = 1<<16 - 1
	maxWindow   = 1<<31 - 1
	// fullOut is when no more data is put into the buffer before it was
	// written, and floodOut when a client is taken for one that asks for much and
	// reads nothing: only what is not data comes so far.
	fullOut  = 128 << 10
	floodOut = 1 << 20
	// frameHead is the length of a frame's head.
	frameHead = 9
	// stepSize is how much a socket is given at a time that may make us wait.
	stepSize = 64 << 10
)

// outbox is what a connection is about to write, and how much it may. Guarded by
// the connection's lock.
type outbox struct {
	buf []byte // nil when there is nothing
	// writing: a goroutine is at the socket, and will write what comes meanwhile.
	writing bool
	// err is why nothing can be written any more.
	err error
	// window is what the client takes on the whole connection, initial what
	// on a new stream, in bytes.
	window, initial int64
	// tableOff is to be said before the next header block.
	tableOff bool
	// said: data or headers went out since the client's last ping.
	said bool
	// slow: who writes may have to wait for the client; steps are how often it took
	// something then, by the last look lastSteps, and stuck is for how many looks it
	// took nothing.
	slow             bool
	steps, lastSteps uint64
	stuck            int
}

// outBuffers are the buffers of connections that have something to write. Those
// that grew for a flood are not kept.
var outBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, fullOut+frameHead+frameSize)
	return &b
}}

// room makes sure that there is a buffer.
func (o *outbox) room() {
	if o.buf == nil {
		o.buf = (*outBuffers.Get().(*[]byte))[:0]
	}
}

func recycle(b []byte) {
	if cap(b) <= 2*fullOut {
		outBuffers.Put(&b)
	}
}

// frame appends the head of a frame.
func (o *outbox) frame(length int, kind http2.FrameType, flags http2.Flags, stream uint32) {
	o.room()
	o.buf = append(o.buf, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags))
	o.buf = binary.BigEndian.AppendUint32(o.buf, stream)
}

// headers appends a header block.
func (o *outbox) headers(stream uint32, block []byte, end bool) {
	o.said = true
	if o.tableOff {
		o.tableOff = false
		block = append([]byte{tableOff}, block...)
	}
	kind, flags := http2.FrameHeaders, http2.Flags(0)
	if end {
		flags = http2.FlagHeadersEndStream
	}
	for len(block) > frameSize {
		o.frame(frameSize, kind, flags, stream)
		o.buf = append(o.buf, block[:frameSize]...)
		block, kind, flags = block[frameSize:], http2.FrameContinuation, 0
	}
	o.frame(len(block), kind, flags|http2.FlagHeadersEndHeaders, stream)
	o.buf = append(o.buf, block...)
}

// data appends a DATA frame with n bytes of a message, from an offset on that
// counts the bytes of its prefix, which are prefixSize or none.
func (o *outbox) data(stream uint32, message []byte, offset, n, prefixed int) {
	o.said = true
	o.frame(n, http2.FrameData, 0, stream)
	if offset < prefixed {
		prefix := [prefixSize]byte{}
		binary.BigEndian.PutUint32(prefix[1:], uint32(len(message)))
		some := min(n, prefixSize-offset)
		o.buf = append(o.buf, prefix[offset:offset+some]...)
		if offset, n = offset+some, n-some; n == 0 {
			return
		}
	}
	offset -= prefixed
	o.buf = append(o.buf, message[offset:offset+n]...)
}

// endData ends a stream behind its last data.
func (o *outbox) endData(stream uint32) {
	o.said = true
	o.frame(0, http2.FrameData, http2.FlagDataEndStream, stream)
}

func (o *outbox) settings(settings ...http2.Setting) {
	const each = 6
	o.frame(each*len(settings), http2.FrameSettings, 0, 0)
	for _, s := range settings {
		o.buf = binary.BigEndian.AppendUint16(o.buf, uint16(s.ID))
		o.buf = binary.BigEndian.AppendUint32(o.buf, s.Val)
	}
}

func (o *outbox) ackSettings() { o.frame(0, http2.FrameSettings, http2.FlagSettingsAck, 0) }

func (o *outbox) ping(data [8]byte, flags http2.Flags) {
	o.frame(len(data), http2.FramePing, flags, 0)
	o.buf = append(o.buf, data[:]...)
}

func (o *outbox) number(kind http2.FrameType, stream, n uint32) {
	o.frame(4, kind, 0, stream)
	o.buf = binary.BigEndian.AppendUint32(o.buf, n)
}

func (o *outbox) reset(stream uint32, code http2.ErrCode) {
	o.number(http2.FrameRSTStream, stream, uint32(code))
}

func (o *outbox) credit(stream uint32, bytes int64) {
	o.number(http2.FrameWindowUpdate, stream, uint32(bytes))
}

func (o *outbox) goAway(newest uint32, code http2.ErrCode, why string) {
	o.frame(8+len(why), http2.FrameGoAway, 0, 0)
	o.buf = binary.BigEndian.AppendUint32(o.buf, newest)
	o.buf = binary.BigEndian.AppendUint32(o.buf, uint32(code))
	o.buf = append(o.buf, why...)
}

// flush writes what there is, unless somebody does already, and returns when
// nothing is left. The caller holds the lock, which is free during the writing;
// what others append meanwhile is written, too.
func (c *conn) flush() {
	o := &c.out
	if o.writing {
		return
	}
	o.writing = true
	for len(o.buf) > 0 && o.err == nil {
		b := o.buf
		o.buf = nil
		c.mu.Unlock()
		err := c.write(b)
		recycle(b)
		c.mu.Lock()
		o.slow = false
		if err != nil {
			o.err = err
			_ = c.socket.Close() // so that the reader learns of it
		}
		c.turned()
	}
	o.writing = false
	c.leave()
}

// flushAlone is flush for who does not hold the lock.
func (c *conn) flushAlone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flush()
}

// write writes all of it, at once as far as that is possible.
func (c *conn) write(b []byte) error {
	n := 0
	if c.line != nil {
		n = c.line.write(b)
	}
	for n < len(b) {
		c.writesSlowly()
		some, err := c.socket.Write(b[n:min(n+stepSize, len(b))])
		if err != nil {
			return err
		}
		n += some
	}
	return nil
}

// writesSlowly sees to it that somebody looks whether the client takes anything. The
// caller may have to wait for it, and does not hold the lock.
func (c *conn) writesSlowly() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.slow = true
	c.out.steps++
	c.lookAgain()
}

// blockage is why not all of a stream could be appended.
type blockage uint8

const (
	free blockage = iota
	byStream
	byConnection
	byBuffer
)

// push appends what the stream has to say and the windows allow, the end
// included. The caller holds the lock.
func (c *conn) push(s *Stream) blockage {
	if s.gone {
		return free
	}
	for len(s.pending) > 0 {
		message := s.pending[0]
		for size := s.prefix() + len(message); s.offset < size; {
			n := min(size-s.offset, frameSize, int(min(s.window, c.out.window)))
			switch {
			case len(c.out.buf) >= fullOut:
				return byBuffer
			case n > 0:
			case s.window <= 0:
				return byStream
			default:
				return byConnection
			}
			c.out.data(s.id, message, s.offset, n, s.prefix())
			s.offset += n
			s.window -= int64(n)
			c.out.window -= int64(n)
		}
		s.sent++
		s.offset = 0
		s.pending[0] = nil
		s.pending = s.pending[1:]
	}
	s.pending = nil
	switch {
	case s.trailers != nil:
		c.out.headers(s.id, s.trailers, true)
	case s.last:
		c.out.endData(s.id)
	default:
		return free
	}
	if !s.inbox.ended { // the client need not say the rest (RFC 9113, 8.1)
		c.out.reset(s.id, http2.ErrCodeNo)
	}
	c.remove(s)
	return free
}

// send appends a message, or leaves it to whoever is to go on with what could not
// be appended before. The caller holds the lock.
func (c *conn) send(s *Stream, message []byte) {
	if len(s.pending) > 0 {
		s.pending = append(s.pending, message)
		return
	}
	c.single[0] = message
	s.pending = c.single[:]
	why := c.push(s)
	s.keep()
	c.postpone(s, why)
}

// postpone enters a stream where it is looked for when there is room again. The
// caller holds the lock.
func (c *conn) postpone(s *Stream, why blockage) {
	if s.gone {
		return
	}
	switch why {
	case free:
	case byBuffer:
		s.state.Store(queued)
		c.queue.add(c, s)
	case byStream:
		s.state.Store(stuck)
	case byConnection:
		s.state.Store(stuck)
		if len(c.starved) > 2*len(c.streams) { // some are gone
			c.starved = slices.DeleteFunc(c.starved, func(s *Stream) bool { return s.gone })
		}
		c.starved = append(c.starved, s)
	}
}

// resume lets the courier go on with a stream that waited for its client. The
// caller holds the lock.
func (c *conn) resume(s *Stream) {
	if s.state.CompareAndSwap(stuck, queued) {
		c.queue.add(c, s)
	}
}

// resumeAll does so for those that waited for the connection's window.
func (c *conn) resumeAll() {
	for i, s := range c.starved {
		c.resume(s)
		c.starved[i] = nil
	}
	c.starved = c.starved[:0]
}
