package h2

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/test/bufconn"
)

func isFrame[F http2.Frame](http2.Frame) func(f http2.Frame) bool {
	return func(f http2.Frame) bool { _, ok := f.(F); return ok }
}

// Whoever breaks the rules of a connection loses it, and is told why.
func TestRulesOfConnections(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(r *rough)
		want http2.ErrCode
	}{
		"an even stream":       {func(r *rough) { r.request(2, echoMethod, true) }, http2.ErrCodeProtocol},
		"a stream gone by":     {func(r *rough) { r.call(3, echoMethod, "x"); r.call(1, echoMethod, "x") }, http2.ErrCodeProtocol},
		"data before a stream": {func(r *rough) { r.say(1, "x", true) }, http2.ErrCodeProtocol},
		"a reset before it":    {func(r *rough) { r.must(r.WriteRSTStream(1, 0)) }, http2.ErrCodeProtocol},
		"credit before it":     {func(r *rough) { r.must(r.WriteWindowUpdate(1, 1)) }, http2.ErrCodeProtocol},
		"credit of nothing":    {func(r *rough) { r.must(r.WriteWindowUpdate(0, 0)) }, http2.ErrCodeProtocol},
		"too much credit":      {func(r *rough) { r.must(r.WriteWindowUpdate(0, maxWindow)) }, http2.ErrCodeFlowControl},
		"windows beyond measure": {func(r *rough) {
			r.must(r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31}))
		}, http2.ErrCodeFlowControl},
		"a frame too large": {func(r *rough) { r.must(r.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, frameSize+1))) }, http2.ErrCodeFrameSize},
		"a push": {func(r *rough) {
			r.must(r.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true}))
		}, http2.ErrCodeProtocol},
		"a stray continuation": {func(r *rough) { r.must(r.WriteContinuation(1, true, nil)) }, http2.ErrCodeProtocol},
		"garbled headers": {func(r *rough) {
			r.must(r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true}))
		}, http2.ErrCodeCompression},
		"headers without end": {func(r *rough) {
			r.request(1, echoMethod, true) // fills the block
			block := r.block
			r.must(r.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block}))
			for range 200 {
				if r.WriteContinuation(3, false, []byte(strings.Repeat("\x00\x01a\x7f\x00"+strings.Repeat("b", 127), 100))) != nil {
					return // it was cut off, as it should be
				}
			}
		}, http2.ErrCodeProtocol},
		"pings without end": {func(r *rough) {
			for range 5 {
				r.must(r.WritePing(false, [8]byte{}))
			}
		}, http2.ErrCodeEnhanceYourCalm},
		"priorities without end": {func(r *rough) {
			for range 1_000_000 {
				if r.WritePriority(1, http2.PriorityParam{Weight: 1}) != nil {
					return
				}
			}
		}, http2.ErrCodeEnhanceYourCalm},
		"empty data without end": {func(r *rough) {
			r.request(1, echoMethod, false)
			for range 1_000_000 {
				if r.WriteData(1, false, nil) != nil {
					return
				}
			}
		}, http2.ErrCodeEnhanceYourCalm},
		"more than the window": {func(r *rough) {
			for id := uint32(1); id < 40; id += 2 {
				r.request(id, echoMethod, false)
				for range 4 { // each within its own
					if r.WriteData(id, false, make([]byte, frameSize-1)) != nil {
						return
					}
				}
			}
		}, http2.ErrCodeNo}, // the connection's is given back at once, so that this is fine
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			r := w.rough(t)
			wrote := make(chan struct{})
			go func() { defer close(wrote); test.do(r) }()
			if test.want == http2.ErrCodeNo {
				<-wrote
				r.pong()
				return
			}
			f := r.until(isFrame[*http2.GoAwayFrame](nil)).(*http2.GoAwayFrame)
			if f.ErrCode != test.want {
				t.Errorf("ended with %v, want %v", f.ErrCode, test.want)
			}
			_, _ = io.Copy(io.Discard, r.socket) // until it is closed
			<-wrote
			// Others are not disturbed.
			if got, err := call(t.Context(), w.client(t), echoMethod, "x"); err != nil || got != "x" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// Whoever breaks the rules of a stream loses the stream only.
func TestRulesOfStreams(t *testing.T) {
	w := newWorld(t, nil)
	r := w.rough(t)
	resets := func(id uint32, want http2.ErrCode) {
		t.Helper()
		f := r.until(isFrame[*http2.RSTStreamFrame](nil)).(*http2.RSTStreamFrame)
		if f.StreamID != id || f.ErrCode != want {
			t.Errorf("stream %d ended with %v, want %d with %v", f.StreamID, f.ErrCode, id, want)
		}
	}
	r.request(1, echoMethod, false, "connection", "close")
	resets(1, http2.ErrCodeProtocol)
	r.request(3, echoMethod, false, ":authority", "")
	if got := r.status(3); got != "13" {
		t.Errorf("status %s", got)
	}
	resets(3, http2.ErrCodeNo)
	r.call(5, holdMethod, "x") // in hand, with its request at an end
	<-w.entered
	r.must(r.WriteData(5, true, []byte{1}))
	resets(5, http2.ErrCodeStreamClosed)
	r.request(7, talkMethod, false)
	r.must(r.WriteWindowUpdate(7, maxWindow))
	resets(7, http2.ErrCodeFlowControl)
	r.request(9, talkMethod, false)
	r.must(r.WriteWindowUpdate(9, 0))
	resets(9, http2.ErrCodeProtocol)
	x := strings.Repeat("x", 4<<10)
	r.request(11, echoMethod, false, "a", x, "b", x, "c", x, "d", x)
	resets(11, http2.ErrCodeFrameSize)
	// What is larger than a window is not sent before the handler wants it.
	r.request(13, echoMethod, false)
	part := make([]byte, frameSize)
	part[3] = 0xff // 65,280 bytes are to come
	for range 4 {
		r.must(r.WriteData(13, false, part))
	}
	resets(13, http2.ErrCodeFlowControl)
	r.pong()
}

func TestStreamsAreCounted(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxStreams = 2 })
	r := w.rough(t)
	for id := uint32(1); id < 9; id += 2 {
		r.call(id, holdMethod, "x")
	}
	for _, id := range []uint32{5, 7} {
		f := r.until(isFrame[*http2.RSTStreamFrame](nil)).(*http2.RSTStreamFrame)
		if f.StreamID != id || f.ErrCode != http2.ErrCodeRefusedStream {
			t.Fatalf("got %v, want stream %d refused", f, id)
		}
	}
	for range 2 {
		<-w.entered
		w.leave <- struct{}{}
	}
	r.status(1)
	r.call(9, echoMethod, "x")
	if got := r.status(9); got != "0" {
		t.Errorf("status %s when there is room again", got)
	}
}

// A connection keeps to what it was told; the next one is told what holds by then.
func TestMaxStreamsWhileRunning(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxStreams = 1 })
	before := w.rough(t)
	before.call(1, echoMethod, "x")
	before.status(1)
	w.server.SetMaxStreams(2)
	after := w.rough(t)
	for i, r := range []*rough{before, after} {
		last := uint32(2*i + 5)
		for id := uint32(3); id <= last; id += 2 {
			r.call(id, holdMethod, "x")
		}
		f := r.until(isFrame[*http2.RSTStreamFrame](nil)).(*http2.RSTStreamFrame)
		if f.StreamID != last || f.ErrCode != http2.ErrCodeRefusedStream {
			t.Fatalf("got %v, want stream %d of connection %d refused", f, last, i)
		}
	}
	for range 3 {
		<-w.entered
		w.leave <- struct{}{}
	}
}

// Streams that are opened and reset at once count until their handlers have
// noticed, so that no more of them run than a client may have streams.
func TestRapidResets(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxStreams = 10 })
	r := w.rough(t)
	const tries = 500
	go func() { _, _ = io.Copy(io.Discard, r.socket) }()
	for i := range tries {
		id := uint32(2*i + 1)
		r.call(id, holdMethod, "x")
		r.must(r.WriteRSTStream(id, http2.ErrCodeCancel))
		w.server.mu.Lock()
		for c := range w.server.conns {
			c.mu.Lock()
			if c.busy > 10 {
				t.Errorf("%d streams in hand", c.busy)
			}
			c.mu.Unlock()
		}
		w.server.mu.Unlock()
	}
}

// A stream whose client takes nothing is in nobody's way, not on its own connection
// either; and takes no more from its source than one message.
func TestStreamsWaitForThemselves(t *testing.T) {
	w := newWorld(t, nil)
	r := w.rough(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	r.call(1, feedMethod, "")
	shut := w.feed(t)
	r.call(3, feedMethod, "")
	open := w.feed(t)
	r.must(r.WriteWindowUpdate(3, 1<<20))
	shut.put("a", "b", "c", strings.Repeat("d", 100))
	for range 100 {
		open.put("x")
		r.until(func(f http2.Frame) bool {
			d, ok := f.(*http2.DataFrame)
			if ok && d.StreamID == 1 {
				t.Fatal("data without credit")
			}
			return ok
		})
	}
	if sent, rests := shut.s.Progress(); sent != 0 || rests {
		t.Errorf("%d sent, rests %v; want none, and something waiting", sent, rests)
	}
	// Credit comes byte by byte, and the end last of all.
	shut.end()
	got := 0
	want := 3*(prefixSize+len(encoded("a"))) + prefixSize + len(encoded(strings.Repeat("d", 100)))
	for got < want {
		r.must(r.WriteWindowUpdate(1, 7))
		got += len(r.until(isFrame[*http2.DataFrame](nil)).(*http2.DataFrame).Data())
	}
	if status := r.status(1); got != want || status != "0" {
		t.Errorf("got %d bytes and status %s, want %d and 0", got, status, want)
	}
}

// Settings that change the windows change those of streams that are open.
func TestWindowsChange(t *testing.T) {
	w := newWorld(t, nil)
	r := w.rough(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	r.call(1, feedMethod, "")
	f := w.feed(t)
	f.put(strings.Repeat("x", 100))
	if d := r.until(isFrame[*http2.DataFrame](nil)).(*http2.DataFrame); len(d.Data()) != 10 {
		t.Fatalf("%d bytes, want 10", len(d.Data()))
	}
	r.must(r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})) // the window is -10 now
	r.must(r.WriteWindowUpdate(1, 10))
	r.pong()
	r.must(r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3}))
	if d := r.until(isFrame[*http2.DataFrame](nil)).(*http2.DataFrame); len(d.Data()) != 3 {
		t.Fatalf("%d bytes, want 3", len(d.Data()))
	}
}

// A window may be below zero before a source has sent anything: when a greeting used up
// all of it, and the client takes back what it allowed.
func TestWindowsBelowZeroFromTheStart(t *testing.T) {
	w := newWorld(t, nil)
	greeting := uint32(prefixSize + len(encoded("hello")))
	r := w.rough(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: greeting})
	r.call(1, feedMethod, "hello")
	r.until(isFrame[*http2.DataFrame](nil))
	f := w.feed(t)
	for f.turns() == 0 { // until it rests
		runtime.Gosched()
	}
	r.must(r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	r.pong()
	f.put("x")
	for f.turns() == 1 {
		runtime.Gosched()
	}
	r.must(r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100}))
	if d := r.until(isFrame[*http2.DataFrame](nil)).(*http2.DataFrame); !strings.HasSuffix(string(d.Data()), "x") {
		t.Fatalf("%q", d.Data())
	}
}

// The connection's window holds up all its streams, and lets all go on.
func TestConnectionsWait(t *testing.T) {
	w := newWorld(t, nil)
	r := w.rough(t)
	const streams, each = 5, 40_000
	var feeds []*stock
	for i := range streams {
		r.call(uint32(2*i+1), feedMethod, "")
		feeds = append(feeds, w.feed(t))
	}
	for _, f := range feeds {
		f.put(strings.Repeat("x", each-10))
		f.end()
	}
	got, ended := 0, 0
	for ended < streams {
		switch f := r.until(func(f http2.Frame) bool { return f.Header().StreamID > 0 }).(type) {
		case *http2.DataFrame:
			if got += len(f.Data()); got == firstWindow {
				r.must(r.WriteWindowUpdate(0, 1<<20))
			}
		case *http2.MetaHeadersFrame:
			if f.StreamEnded() {
				ended++
			}
		}
	}
	if want := streams * (prefixSize + len(encoded(strings.Repeat("x", each-10)))); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}

// A message that was begun is the last that a stream gets which is cut, and its
// end comes behind it.
func TestCutStreams(t *testing.T) {
	w := newWorld(t, nil)
	r := w.rough(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	r.call(1, feedMethod, "")
	f := w.feed(t)
	f.put(strings.Repeat("x", 20), "y", "z")
	r.until(isFrame[*http2.DataFrame](nil))
	f.s.Cut()
	r.must(r.WriteWindowUpdate(1, 1000))
	rest := r.until(isFrame[*http2.DataFrame](nil)).(*http2.DataFrame)
	if got, want := len(rest.Data()), prefixSize+len(encoded(strings.Repeat("x", 20)))-10; got != want {
		t.Errorf("%d bytes more, want %d", got, want)
	}
	if _, ok := r.until(func(f http2.Frame) bool { return f.Header().StreamID == 1 }).(*http2.MetaHeadersFrame); !ok {
		t.Error("there is more before the end")
	}
}

// A client that does not even read its socket delays nobody: not who publishes,
// not other connections.
func TestDeafConnections(t *testing.T) {
	w := newWorld(t, nil)
	r := w.rough(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxWindow})
	r.must(r.WriteWindowUpdate(0, maxWindow-firstWindow))
	r.call(1, feedMethod, "")
	deaf := w.feed(t)
	stream := subscribe(t, t.Context(), w.client(t))
	honest := w.feed(t)
	big := strings.Repeat("x", 10_000)
	for range 200 {
		deaf.put(big)
		honest.put(big)
		if got := next(t, stream); got != big {
			t.Fatalf("got %d bytes", len(got))
		}
	}
	if _, rests := deaf.s.Progress(); rests {
		t.Error("everything went to a client that reads nothing")
	}
}

// Who reads a publisher's calls also writes to the subscribers' sockets, and is
// not held up by one that is full: neither publishing nor other subscribers notice.
func TestPublishersAndDeafSockets(t *testing.T) {
	w := newTCPWorld(t)
	r := w.rough(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxWindow})
	r.must(r.WriteWindowUpdate(0, maxWindow-firstWindow))
	const deaf, subscribers, rounds = 10, 40, 400
	for i := range deaf {
		r.call(uint32(2*i+1), feedMethod, "")
		w.feed(t)
	}
	text := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), 5_000) }
	var reading sync.WaitGroup
	conn := w.client(t)
	for i := range subscribers {
		if i%10 == 0 {
			conn = w.client(t)
		}
		stream := subscribe(t, t.Context(), conn)
		w.feed(t)
		reading.Go(func() {
			for round := range rounds {
				m := new(message)
				if err := stream.RecvMsg(m); err != nil || string(m.GetValue()) != text(round) {
					t.Errorf("subscriber %d, round %d: %d bytes, %v", i, round, len(m.GetValue()), err)
					return
				}
			}
		})
	}
	publisher := w.client(t)
	for round := range rounds {
		if _, err := call(t.Context(), publisher, publishMethod, text(round)); err != nil {
			t.Fatal(err)
		}
	}
	reading.Wait()
}

// A handler that was expected to be prompt and is not delays its connection for a
// moment only.
func TestPromptHandlersThatWait(t *testing.T) {
	w := newWorld(t, nil)
	r := w.rough(t)
	const held = 20
	for i := range held {
		r.call(uint32(2*i+1), promptHold, "x")
	}
	for range held {
		<-w.entered
	}
	r.pong()
	close(w.leave)
	for seen := 0; seen < held; seen++ { // in any order
		r.until(func(f http2.Frame) bool {
			h, ok := f.(*http2.MetaHeadersFrame)
			return ok && h.StreamEnded()
		})
	}
}

// Such a handler holds back what others have to send for a moment only.
func TestCouriersAreHeldBackForAMoment(t *testing.T) {
	w := newWorld(t, nil)
	stream := subscribe(t, t.Context(), w.client(t))
	f := w.feed(t)
	r := w.rough(t)
	r.call(1, promptHold, "x")
	<-w.entered
	f.put("meanwhile")
	if got := next(t, stream); got != "meanwhile" {
		t.Errorf("got %q", got)
	}
	close(w.leave)
	if got := r.status(1); got != "0" {
		t.Errorf("status %s", got)
	}
}

// Pings are answered while the client is at rest as often as is allowed, and more
// often by those who were sent something.
func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		r := w.rough(t)
		_ = r.socket.SetDeadline(time.Time{})
		for range 10 {
			time.Sleep(2 * time.Second)
			r.pong()
		}
		for i := range 20 {
			r.call(uint32(2*i+1), echoMethod, "x")
			r.status(uint32(2*i + 1))
			r.pong()
		}
	})
}

// A client that is gone without a word is noticed; one that answers stays, until it
// has had no calls for long.
func TestSilentClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		gone, there := w.rough(t), w.rough(t)
		there.call(1, echoMethod, "x")
		there.status(1)
		_, _ = gone.socket.SetDeadline(time.Time{}), there.socket.SetDeadline(time.Time{})
		start := time.Now()
		gone.call(1, holdMethod, "x")
		<-w.entered
		ended := make(chan time.Duration, 2)
		go func() {
			_, _ = io.Copy(io.Discard, gone.socket)
			ended <- time.Since(start)
		}()
		go func() {
			for {
				f, err := there.ReadFrame()
				if err != nil {
					ended <- time.Since(start)
					return
				}
				if p, ok := f.(*http2.PingFrame); ok && !p.IsAck() {
					_ = there.WritePing(true, p.Data)
				}
			}
		}()
		if at := <-ended; at != 40*time.Second {
			t.Errorf("a client that is gone was noticed after %v, want 40s", at)
		}
		if at := <-ended; at < 10*time.Minute || at > 12*time.Minute {
			t.Errorf("an idle client was sent away after %v, want about 10m", at)
		}
	})
}

// A client that is there and never calls is sent away sooner, and politely.
func TestClientsThatNeverCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		r := w.rough(t)
		_ = r.socket.SetDeadline(time.Time{})
		start := time.Now()
		for {
			f, err := r.ReadFrame()
			if err != nil {
				break
			}
			switch f := f.(type) {
			case *http2.PingFrame:
				if !f.IsAck() {
					_ = r.WritePing(true, f.Data)
				}
			case *http2.GoAwayFrame:
				if f.ErrCode != http2.ErrCodeNo {
					t.Errorf("sent away with %v", f.ErrCode)
				}
			}
		}
		if at := time.Since(start); at < time.Minute || at > 100*time.Second {
			t.Errorf("sent away after %v, want about a minute", at)
		}
	})
}

func TestHandshakesAreTimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		socket, err := w.dial()
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, _ = io.WriteString(socket, http2.ClientPreface[:10])
		_, _ = io.Copy(io.Discard, socket)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("a client that says nothing was sent away after %v, want 5s", took)
		}
	})
}

// Calls under way are finished, and those that come while the client does not know
// yet are served, too.
func TestGracefulStop(t *testing.T) {
	w := newWorld(t, nil)
	r := w.rough(t)
	r.call(1, holdMethod, "x")
	<-w.entered
	stopped := make(chan struct{})
	go func() { w.server.GracefulStop(); close(stopped) }()
	away := r.until(isFrame[*http2.GoAwayFrame](nil)).(*http2.GoAwayFrame)
	if away.LastStreamID != maxWindow || away.ErrCode != http2.ErrCodeNo {
		t.Errorf("first told of %d, %v", away.LastStreamID, away.ErrCode)
	}
	r.call(3, echoMethod, "on its way")
	if got := r.status(3); got != "0" {
		t.Errorf("a call on its way got status %s", got)
	}
	r.must(r.WritePing(true, drainPing))
	away = r.until(isFrame[*http2.GoAwayFrame](nil)).(*http2.GoAwayFrame)
	if away.LastStreamID != 3 {
		t.Errorf("then told of %d, want 3", away.LastStreamID)
	}
	close(w.leave)
	if got := r.status(1); got != "0" {
		t.Errorf("a call under way got status %s", got)
	}
	_, _ = io.Copy(io.Discard, r.socket)
	_ = r.socket.Close()
	<-stopped
	if err := w.server.Serve(bufconn.Listen(1)); !errors.Is(err, ErrStopped) {
		t.Errorf("Serve after the stop: %v", err)
	}
}

// Stop waits for handlers, which learn from their contexts.
func TestStop(t *testing.T) {
	w := newWorld(t, nil)
	conn := w.client(t)
	var calls sync.WaitGroup
	for range 10 {
		calls.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			wants(t, second(call(ctx, conn, holdMethod, "x")), codes.Unavailable)
		})
		<-w.entered
	}
	w.server.Stop()
	calls.Wait()
	if n := len(w.server.conns); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// FuzzConnections sends any bytes after a good beginning, and cut up: nothing
// panics, everything ends, and nobody else is disturbed.
func FuzzConnections(f *testing.F) {
	w := newWorld(f, func(c *Config) {
		c.MaxStreams, c.MaxReceive = 10, 1<<20
		c.Other = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, io.LimitReader(r.Body, 1<<20)) })
	})
	record := func(do func(r *rough)) {
		into := new(recorder)
		r := &rough{t: f, Framer: http2.NewFramer(into, nil)}
		r.AllowIllegalWrites = true
		r.encoder = newEncoder(r)
		do(r)
		f.Add(into.bytes, uint16(len(into.bytes)/2))
	}
	record(func(r *rough) { r.call(1, echoMethod, "x"); r.call(3, promptMethod, "y") })
	record(func(r *rough) { r.call(1, feedMethod, ""); r.must(r.WriteRSTStream(1, 0)); r.call(3, failMethod, "") })
	record(func(r *rough) { r.request(1, talkMethod, false); r.say(1, "x", false); r.say(1, "y", true) })
	record(func(r *rough) {
		r.must(r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}))
		r.call(1, echoMethod, strings.Repeat("x", 100))
		r.must(r.WriteWindowUpdate(1, 50))
		r.must(r.WritePing(false, [8]byte{}))
	})
	record(func(r *rough) {
		r.request(1, echoMethod, false, "grpc-timeout", "1n")
		r.must(r.WriteDataPadded(1, true, []byte{0, 0, 0, 0, 0}, make([]byte, 9)))
	})
	record(func(r *rough) {
		r.ask(1, []string{":method", "POST", ":scheme", "http", ":authority", "here", ":path", "/a?b=c", "content-length", "3", "cookie", "d"}, []byte("abc"), true)
		r.ask(3, []string{":method", "GET", ":scheme", "http", ":authority", "here", ":path", "/"}, nil, true)
		r.must(r.WriteRSTStream(3, 8))
	})
	f.Fuzz(func(t *testing.T, raw []byte, cut uint16) {
		socket, err := w.dial()
		if err != nil {
			t.Fatal(err)
		}
		_ = socket.SetDeadline(time.Now().Add(10 * time.Second))
		read := make(chan struct{})
		go func() { defer close(read); _, _ = io.Copy(io.Discard, socket) }()
		_, _ = io.WriteString(socket, http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		at := min(int(cut), len(raw))
		_, _ = socket.Write(raw[:at])
		_, _ = socket.Write(raw[at:])
		_ = socket.Close()
		<-read
		for {
			w.server.mu.Lock()
			left := len(w.server.conns)
			w.server.mu.Unlock()
			if left == 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		w.mu.Lock()
		clear(w.feeds)
		w.mu.Unlock()
	})
}
