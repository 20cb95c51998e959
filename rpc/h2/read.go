package h2

import (
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxStrikes is how many pings too many a client may send in a row.
const maxStrikes = 2

// errPreface is a client that does not speak HTTP/2.
var errPreface = errors.New("h2: the client does not begin as HTTP/2 clients do")

// greet exchanges what every connection begins with (RFC 9113, 3.4).
func (c *conn) greet() error {
	config := &c.server.config
	if err := c.socket.SetDeadline(time.Now().Add(config.HandshakeTime)); err != nil {
		return err
	}
	c.mu.Lock()
	c.out.settings(
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(c.most)},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: config.MaxHeaders},
	)
	c.out.credit(0, connectionWindow-firstWindow)
	c.flush()
	c.mu.Unlock()

	var preface [len(http2.ClientPreface)]byte
	if _, err := io.ReadFull(c.in, preface[:]); err != nil {
		return err
	}
	if string(preface[:]) != http2.ClientPreface {
		return errPreface
	}
	frame, err := c.framer.ReadFrame()
	if err != nil {
		return err
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok || settings.IsAck() {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if err := c.adopt(settings); err != nil {
		return err
	}
	if c.line != nil {
		c.inlet.Reader = c.line
	}
	return c.socket.SetDeadline(time.Time{})
}

// read reads and acts until the connection ends or another goroutine has taken
// over.
func (c *conn) read() {
	for {
		whole := c.buffered()
		if !whole {
			if !c.endBatch() || !c.say() {
				return
			}
			c.temper.rest(c.ctx)
		}
		frame, err := c.framer.ReadFrame()
		if !whole {
			c.touched()
		}
		var s *Stream
		if err == nil {
			s, err = c.act(frame)
		}
		if err != nil {
			err = c.survives(err)
		}
		if err != nil {
			c.end(err)
			return
		}
		if s != nil && !c.begin(s) {
			return
		}
	}
}

// buffered reports whether the next frame is here, so that reading it is no
// waiting.
func (c *conn) buffered() bool {
	n := c.in.Buffered()
	if n < frameHead {
		return false
	}
	head, _ := c.in.Peek(frameHead) // is buffered
	return n >= frameHead+(int(head[0])<<16|int(head[1])<<8|int(head[2]))
}

// say writes what has come together while the requests at hand were read. It
// reports whether this goroutine is still the one that reads.
func (c *conn) say() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.weigh() {
		c.server.handlers.Add(1)
		go s.run(false)
	}
	if len(c.out.buf) == 0 || c.out.writing {
		return true
	}
	if c.line != nil && c.flushEagerly() {
		return true
	}
	shift := c.step()
	c.flush()
	return c.back(shift)
}

// begin has a call served. It reports whether this goroutine is still the one
// that reads.
func (c *conn) begin(s *Stream) bool {
	c.server.handlers.Add(1)
	if s.exchange != nil {
		go s.exchange.run()
		return true
	}
	if !s.method.prompt || !s.inbox.whole || !c.pace.isPrompt() {
		go s.run(false)
		return true
	}
	c.beginBatch()
	shift := c.step()
	s.run(true)
	if c.back(shift) {
		return true
	}
	c.flushAlone() // the answer, which who reads would have written otherwise
	return false
}

// survives resets the stream that an error is about, and returns nil; or the error if
// it is about the whole connection, which it is too when there are too many of them.
func (c *conn) survives(err error) error {
	e, ok := errors.AsType[http2.StreamError](err)
	if !ok {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest = max(c.newest, e.StreamID)
	c.reset(e.StreamID, e.Code)
	c.temper.fault(1)
	return c.wasted()
}

// reset ends a stream from this side. The caller holds the lock.
func (c *conn) reset(id uint32, code http2.ErrCode) {
	c.out.reset(id, code)
	if s, ok := c.streams[id]; ok {
		c.drop(s)
	}
}

// drop forgets a stream whose end the other side knows. The caller holds the
// lock.
func (c *conn) drop(s *Stream) {
	c.remove(s)
	s.cancel()
	c.turned()
	c.leave()
}

// act does what a frame asks for. It returns the stream whose call is to begin,
// if one is.
func (c *conn) act(frame http2.Frame) (*Stream, error) {
	if err := c.bear(frame); err != nil {
		return nil, err
	}
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		return c.headers(f)
	case *http2.DataFrame:
		return c.data(f)
	case *http2.WindowUpdateFrame:
		return nil, c.credited(f)
	case *http2.PingFrame:
		return nil, c.ping(f)
	case *http2.SettingsFrame:
		if f.IsAck() {
			return nil, nil
		}
		return nil, c.adopt(f)
	case *http2.RSTStreamFrame:
		c.mu.Lock()
		defer c.mu.Unlock()
		if f.StreamID > c.newest {
			return nil, http2.ConnectionError(http2.ErrCodeProtocol)
		}
		s, ok := c.streams[f.StreamID]
		if !ok {
			return nil, nil
		}
		c.drop(s)
		return nil, c.wasted()
	case *http2.PushPromiseFrame:
		return nil, http2.ConnectionError(http2.ErrCodeProtocol)
	default: // GOAWAY: the client ends its streams itself; priorities; what nobody knows
		return nil, nil
	}
}

// adopt takes over the client's settings.
func (c *conn) adopt(f *http2.SettingsFrame) error {
	if f.HasDuplicates() {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := f.ForeachSetting(func(s http2.Setting) error {
		if err := s.Valid(); err != nil {
			return err
		}
		switch s.ID {
		case http2.SettingInitialWindowSize:
			return c.resize(int64(s.Val))
		case http2.SettingHeaderTableSize:
			c.out.tableOff = true
		default: // none of the others matters to a server that pushes nothing and sends small frames
		}
		return nil
	})
	c.out.ackSettings()
	return err
}

// resize changes the windows of all streams (RFC 9113, 6.9.2).
func (c *conn) resize(initial int64) error {
	more := initial - c.out.initial
	c.out.initial = initial
	for _, s := range c.streams {
		if s.window += more; s.window > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		if s.window > 0 {
			c.resume(s)
		}
	}
	return nil
}

// credited takes in what a client is ready to receive.
func (c *conn) credited(f *http2.WindowUpdateFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.StreamID == 0 {
		if c.out.window += int64(f.Increment); c.out.window > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.resumeAll()
		return nil
	}
	s, ok := c.streams[f.StreamID]
	switch {
	case !ok && f.StreamID > c.newest:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case !ok:
		return nil
	}
	if s.window += int64(f.Increment); s.window > maxWindow {
		return http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeFlowControl}
	}
	if s.window > 0 {
		c.resume(s)
	}
	return nil
}

// ping answers, and sends those away that ask too often. What was sent to a
// client gives it reason to measure its line.
func (c *conn) ping(f *http2.PingFrame) error {
	if f.IsAck() {
		c.ponged(f.Data)
		return nil
	}
	now := time.Now()
	early := now.Sub(c.pinged) < c.server.config.PingMinTime
	c.pinged = now
	c.mu.Lock()
	c.out.ping(f.Data, http2.FlagPingAck)
	said := c.out.said
	c.out.said = false
	c.mu.Unlock()
	switch {
	case said:
		c.strikes = 0
	case early:
		c.strikes++
	}
	if c.strikes > maxStrikes {
		return errPings
	}
	return c.flooded()
}

// headers begins a stream, or ends the request of one.
func (c *conn) headers(f *http2.MetaHeadersFrame) (*Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.streams[f.StreamID]; ok { // trailers
		if !f.StreamEnded() || s.inbox.ended {
			return nil, http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeProtocol}
		}
		return c.ended(s), nil
	}
	if f.StreamID%2 == 0 || f.StreamID <= c.newest {
		return nil, http2.ConnectionError(http2.ErrCodeProtocol)
	}
	c.newest = f.StreamID
	if len(c.out.buf) > floodOut {
		return nil, http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	switch {
	case c.stage >= deaf:
		return nil, nil // the client knows that this one is not served, and asks elsewhere
	case f.Truncated:
		return nil, http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeFrameSize}
	case c.busy >= c.most:
		return nil, http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeRefusedStream}
	}
	if c.server.config.Other != nil && !isGRPC(valueOf(f.Fields, "content-type")) {
		return c.beginExchange(f)
	}
	head, repeated := c.habit.read(f.Fields)
	refused, err := head.check()
	if err != nil {
		return nil, http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeProtocol}
	}
	m := c.server.methods[head.path]
	if refused == nil && c.crammed > 0 && c.crammed > c.age() {
		c.server.counts.shed.Add(1)
		refused = &refusal{http.StatusOK, status.Convert(errNoRoom)}
	}
	if refused == nil && m == nil {
		refused = refuse(200, codes.Unimplemented, c.server.unknown(head.path))
	}
	if refused != nil {
		c.refuse(f.StreamID, refused, f.StreamEnded())
		return nil, nil
	}
	if !repeated && m.stream == nil { // those of streams are few, and would be kept for long
		c.habit.keep(f.Fields, head)
	}
	s := newStream(c, f.StreamID, m, &head)
	c.streams[s.id] = s
	c.busy++
	if f.StreamEnded() {
		return c.ended(s), nil
	}
	if begins := s.ready(); begins != nil {
		return begins, nil
	}
	c.waitFor(s, weightOf(f.Fields))
	return nil, nil
}

// refuse answers a request without a handler. The caller holds the lock.
func (c *conn) refuse(id uint32, why *refusal, ended bool) {
	c.temper.fault(1)
	block := appendResponse(nil, why.http)
	if why.Code() == codes.Unimplemented {
		block = appendField(block, "grpc-accept-encoding", "identity")
	}
	c.out.headers(id, appendStatus(block, why.Status, nil), true)
	if !ended {
		c.out.reset(id, http2.ErrCodeNo)
	}
}

// ended notes that the client has said all it has to say on a stream. The caller
// holds the lock.
func (c *conn) ended(s *Stream) *Stream {
	s.inbox.ended = true
	c.turned()
	return s.ready()
}

// data takes in a part of a request.
func (c *conn) data(f *http2.DataFrame) (*Stream, error) {
	size := int64(f.Length) // padding counts
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.allowance -= size; c.allowance < 0 {
		return nil, http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	// The connection's window is not held back by calls that read slowly: each
	// has its own.
	if c.allowance < connectionWindow/2 {
		c.out.credit(0, connectionWindow-c.allowance)
		c.allowance = connectionWindow
	}
	s, ok := c.streams[f.StreamID]
	switch {
	case !ok && f.StreamID > c.newest:
		return nil, http2.ConnectionError(http2.ErrCodeProtocol)
	case !ok: // ended from this side, and the client did not know yet
		return nil, nil
	case s.inbox.ended:
		return nil, http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeStreamClosed}
	}
	if s.inbox.window -= size; s.inbox.window < 0 {
		return nil, http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeFlowControl}
	}
	s.inbox.add(f.Data())
	if s.weight > 0 {
		c.addWeight(s, size)
	}
	if f.StreamEnded() {
		return c.ended(s), nil
	}
	c.turned()
	return s.ready(), nil
}

// tellWhy says why the connection ends, as far as it is the client's doing.
func (c *conn) tellWhy(err error) {
	code, why := http2.ErrCodeNo, ""
	if e, ok := errors.AsType[http2.ConnectionError](err); ok {
		code = http2.ErrCode(e)
	}
	switch {
	case errors.Is(err, http2.ErrFrameTooLarge):
		code = http2.ErrCodeFrameSize
	case errors.Is(err, errPings):
		code, why = http2.ErrCodeEnhanceYourCalm, "too_many_pings" // a word that clients know
	case code == http2.ErrCodeNo:
		return
	}
	if code == http2.ErrCodeEnhanceYourCalm {
		c.temper.tell(floodFaults)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.goAway(c.newest, code, why)
	_ = c.socket.SetDeadline(time.Now().Add(lingerTime)) // a closed socket fails anyway
	c.flush()
	c.mu.Unlock()
	// A socket that is closed with something unread takes back what was written.
	_, _ = io.CopyN(io.Discard, c.in, floodOut)
	c.mu.Lock()
}

// errPings is a client that pings too often.
var errPings = errors.New("h2: the client pings too often")
