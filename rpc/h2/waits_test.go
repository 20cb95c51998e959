package h2

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"

	"github.com/mayfly-broker/mayfly/rpc/share"
)

// part writes the beginning of a message of so many bytes.
func (r *rough) part(id uint32, size, sent int) {
	r.t.Helper()
	b := make([]byte, prefixSize+sent)
	b[1], b[2], b[3], b[4] = byte(size>>24), byte(size>>16), byte(size>>8), byte(size)
	for len(b) > 0 {
		n := min(len(b), frameSize)
		r.must(r.WriteData(id, false, b[:n]))
		b = b[n:]
	}
}

// isGoAway matches a farewell with that code.
func isGoAway(code http2.ErrCode) func(http2.Frame) bool {
	return func(f http2.Frame) bool { g, ok := f.(*http2.GoAwayFrame); return ok && g.ErrCode == code }
}

// resets are streams opened and reset at once; they cost a client nothing.
func TestRapidReset(t *testing.T) {
	for name, test := range map[string]func(r *rough, id uint32) error{
		"by the client": func(r *rough, id uint32) error {
			return r.WriteRSTStream(id, http2.ErrCodeCancel)
		},
		"provoked": func(r *rough, id uint32) error { // CVE-2025-8671
			return r.WriteWindowUpdate(id, 1<<31-1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			r := w.rough(t)
			wrote := make(chan int)
			go func() {
				n := 0
				for id := uint32(1); n < 200_000; id += 2 {
					r.block = nil
					for _, f := range fields(":path", holdMethod) {
						_ = r.encoder.WriteField(f)
					}
					if r.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.block, EndHeaders: true}) != nil || test(r, id) != nil {
						break
					}
					n++
				}
				wrote <- n
			}()
			r.until(isGoAway(http2.ErrCodeEnhanceYourCalm))
			_, _ = io.Copy(io.Discard, r.socket)
			if n := <-wrote; n < 1000 {
				t.Errorf("sent away after %d, want at least as many as a client with all its streams may end at once", n)
			}
			if n := w.server.Counts().Floods; n != 1 {
				t.Errorf("%d floods are counted, want 1", n)
			}
		})
	}
}

// A client may end all its streams at once, and go on.
func TestManyCancels(t *testing.T) {
	w := newWorld(t, nil)
	conn := w.client(t)
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		for range 900 {
			subscribe(t, ctx, conn)
		}
		cancel()
	}
	if got, err := call(t.Context(), conn, echoMethod, "x"); err != nil || got != "x" {
		t.Errorf("%q, %v", got, err)
	}
	if n := w.server.Counts().Floods; n != 0 {
		t.Errorf("%d floods are counted", n)
	}
}

func TestFloodsOfFramesThatCarryNothing(t *testing.T) {
	for name, write := range map[string]func(r *rough) error{
		"settings": func(r *rough) error {
			return r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
		},
		"window updates": func(r *rough) error { return r.WriteWindowUpdate(1, 1) },
		"empty headers":  func(r *rough) error { return r.WriteRawFrame(0x77, 0, 0, nil) },
		"padding":        func(r *rough) error { return r.WriteDataPadded(1, false, nil, make([]byte, 200)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			r := w.rough(t)
			r.request(1, echoMethod, false)
			go func() {
				for range 1_000_000 {
					if write(r) != nil {
						return
					}
				}
			}()
			r.until(isGoAway(http2.ErrCodeEnhanceYourCalm))
		})
	}
}

// A message that was announced and does not come ends its call, whether its handler
// waits for the rest or the message is waited for.
func TestMessagesThatDoNotCome(t *testing.T) {
	for name, test := range map[string]struct {
		size, sent int
		least      time.Duration
	}{
		"nothing":        {0, -prefixSize, messageTime},
		"a small one":    {1000, 10, messageTime},
		"a large one":    {200 << 10, 10, timeFor(200 << 10)},
		"all but a byte": {1000, 999, messageTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				r := w.rough(t)
				_ = r.socket.SetDeadline(time.Time{})
				start := time.Now()
				r.request(1, echoMethod, false)
				if test.sent >= 0 {
					r.part(1, test.size, test.sent)
				}
				if got := r.status(1); got != "4" {
					t.Errorf("the call ended with %s, want 4", got)
				}
				if took := time.Since(start); took < test.least || took > 2*test.least+time.Second {
					t.Errorf("it took %v, want about %v", took, test.least)
				}
				if n := w.server.Counts().Late; n != 1 {
					t.Errorf("%d late messages are counted, want 1", n)
				}
				r.call(3, echoMethod, "x")
				if got := r.status(3); got != "0" {
					t.Errorf("a good call afterwards ended with %s", got)
				}
			})
		})
	}
}

// Messages that are not whole are held back only as long as they are few. Then those
// are asked who they are that can be, and the others refused.
func TestIncompleteMessagesAreBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Unguarded = func(method string) bool { return method == echoMethod }
	})
	r := w.rough(t)
	id := uint32(1)
	for range 20 {
		r.request(id, promptHold, false) // guarded
		r.part(id, firstWindow-100, 40_000)
		id += 2
	}
	r.request(id, echoMethod, false) // not guarded
	r.part(id, 1000, 10)
	for range 20 {
		r.request(id+2, promptHold, false)
		r.part(id+2, firstWindow-100, 40_000)
		id += 2
	}
	r.pong()
	c := w.only(t)
	c.mu.Lock()
	waiting := c.waiting
	c.mu.Unlock()
	if waiting > connectionWaits {
		t.Errorf("%d bytes wait, want at most %d", waiting, connectionWaits)
	}
	if n := w.server.Counts().Shed; n != 1 {
		t.Errorf("%d were refused, want the one that is not guarded", n)
	}
	_ = r.socket.Close()
	w.server.GracefulStop()
	if n := w.server.waitRoom.Used(); n != 0 {
		t.Errorf("%d bytes are still taken when all is over", n)
	}
}

// only is the only connection.
func (w *world) only(t testing.TB) *conn {
	t.Helper()
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	for c := range w.server.conns {
		return c
	}
	t.Fatal("nobody is connected")
	return nil
}

// What needs no credential is small.
func TestUnguardedMessagesAreSmall(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Unguarded = func(method string) bool { return method == echoMethod } })
	conn := w.client(t)
	if _, err := call(t.Context(), conn, echoMethod, strings.Repeat("x", 60_000)); err != nil {
		t.Error(err)
	}
	_, err := call(t.Context(), conn, echoMethod, strings.Repeat("x", 70_000))
	wants(t, err, codes.ResourceExhausted)
	if _, err := call(t.Context(), conn, promptMethod, strings.Repeat("x", 70_000)); err != nil {
		t.Error(err)
	}
}

// Large messages take their room before they come: they wait for each other, and for a
// while only.
func TestLargeMessagesShareTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := share.New(1<<20, 1)
		w := newWorld(t, func(c *Config) { c.Room = room })
		greedy, honest := w.rough(t), w.client(t)
		_ = greedy.socket.SetDeadline(time.Time{})
		greedy.request(1, echoMethod, false)
		greedy.part(1, 400<<10, 0)
		greedy.pong()
		synctest.Wait()
		if used := room.Used(); used != 400<<10+prefixSize {
			t.Errorf("%d bytes are taken, want the whole message", used)
		}
		start := time.Now()
		greedy.request(3, echoMethod, false)
		greedy.part(3, 400<<10, 0)
		if got := greedy.status(3); got != "8" || time.Since(start) != roomTime {
			t.Errorf("a second one ended with %s after %v, want 8 after %v", got, time.Since(start), roomTime)
		}
		large := strings.Repeat("x", 300<<10)
		if got, err := call(t.Context(), honest, echoMethod, large); err != nil || got != large {
			t.Errorf("one of another client: %v", err)
		}
		if got := greedy.status(1); got != "4" {
			t.Errorf("the first one ended with %s, want 4", got)
		}
		synctest.Wait()
		if used := room.Used(); used != 0 {
			t.Errorf("%d bytes are taken when all is over", used)
		}
	})
}

// Answers that are not read are kept only as long as there is room, and not for ever.
func TestAnswersThatAreNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := share.New(1<<20, 1)
		w := newWorld(t, func(c *Config) { c.Room = room })
		r := w.rough(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		_ = r.socket.SetDeadline(time.Time{})
		text := strings.Repeat("x", 60_000)
		refused := 0
		for i := range 20 {
			id := uint32(2*i + 1)
			r.request(id, promptMethod, false)
			m := append([]byte{0, 0, 0, byte(len(encoded(text)) >> 8), byte(len(encoded(text)))}, encoded(text)...)
			for len(m) > 0 {
				n := min(len(m), frameSize)
				r.must(r.WriteData(id, n == len(m), m[:n]))
				m = m[n:]
			}
		}
		go func() { _ = r.WritePing(false, [8]byte{9}) }()
		r.until(func(f http2.Frame) bool {
			if h, ok := f.(*http2.MetaHeadersFrame); ok && h.StreamEnded() {
				refused++
			}
			p, ok := f.(*http2.PingFrame)
			return ok && p.IsAck()
		})
		if used := room.Used(); refused == 0 || refused == 20 || used > 1<<19 || used < int64(len(text)) {
			t.Errorf("%d of 20 were refused, %d bytes are kept", refused, used)
		}
		resets, start := 0, time.Now()
		r.until(func(f http2.Frame) bool {
			if e, ok := f.(*http2.RSTStreamFrame); ok && e.ErrCode == http2.ErrCodeCancel {
				resets++
			}
			return resets == 20-refused
		})
		if took := time.Since(start); took > 2*lookTime || took < lookTime {
			t.Errorf("they were kept for %v, want %v to %v", took, lookTime, 2*lookTime)
		}
		synctest.Wait()
		if used := room.Used(); used != 0 {
			t.Errorf("%d bytes are taken when all is over", used)
		}
	})
}

// A header list that refers to its own past costs little to send, and counts as what
// it says.
func TestHeadersCountAsWhatTheySay(t *testing.T) {
	w := newWorld(t, nil)
	r := w.rough(t)
	r.request(1, echoMethod, true) // fills the block
	r.status(1)
	r.request(3, echoMethod, true)
	r.status(3)
	for range 5 { // the first is entered into the table, the others take a byte each
		_ = r.encoder.WriteField(hpack.HeaderField{Name: "x-bomb", Value: strings.Repeat("b", 3900)})
	}
	if len(r.block) > 6000 {
		t.Fatalf("the bomb takes %d bytes", len(r.block))
	}
	r.must(r.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, BlockFragment: r.block, EndHeaders: true}))
	r.until(func(f http2.Frame) bool {
		e, ok := f.(*http2.RSTStreamFrame)
		return ok && e.StreamID == 5 && e.ErrCode == http2.ErrCodeFrameSize
	})
}
