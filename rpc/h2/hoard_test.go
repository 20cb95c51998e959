package h2

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"

	"github.com/mayfly-broker/mayfly/rpc/share"
)

const pourMethod = "/s/Pour"

// pour serves a method that sends so many messages of 20 kB, and says what came of it.
func (w *world) pour(messages int) (ended <-chan error) {
	done := make(chan error, 1)
	w.server.methods[pourMethod] = &method{impl: w.service, late: true, guarded: true,
		stream: func(_ any, stream grpc.ServerStream) (err error) {
			m := &message{Value: []byte(strings.Repeat("x", 20_000))}
			for i := 0; i < messages && err == nil; i++ {
				err = stream.SendMsg(m)
			}
			done <- err
			return err
		}}
	return done
}

// talks says something every few seconds, until the test ends or the connection does.
func (r *rough) talks(stop <-chan struct{}) {
	for {
		select {
		case <-time.After(3 * time.Second):
			if r.WriteWindowUpdate(0, 1) != nil {
				return
			}
		case <-stop:
			return
		}
	}
}

// A handler whose client does not read is told so in a while, whether the client gives
// no credit or takes nothing from its socket, and however much it says meanwhile.
func TestHandlersOfThoseWhoDoNotRead(t *testing.T) {
	for name, test := range map[string]struct {
		window uint32
		reads  bool
		talks  bool
		most   time.Duration
	}{
		"no credit":             {0, true, false, 2 * lookTime},
		"no credit, but words":  {0, true, true, 2 * lookTime},
		"no reading":            {1 << 30, false, false, 3 * lookTime},
		"no reading, but words": {1 << 30, false, true, 3 * lookTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				told := w.pour(1 << 30)
				r := w.rough(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: test.window})
				_ = r.socket.SetDeadline(time.Time{})
				r.must(r.WriteWindowUpdate(0, 1<<30))
				start, stop := time.Now(), make(chan struct{})
				defer close(stop)
				r.call(1, pourMethod, "x")
				if test.reads {
					go func() { _, _ = io.Copy(io.Discard, r.socket) }()
				}
				if test.talks {
					go r.talks(stop)
				}
				select {
				case err := <-told:
					if took := time.Since(start); err == nil || took < lookTime || took > test.most {
						t.Errorf("it was told %v after %v, want within %v", err, took, test.most)
					}
				case <-time.After(time.Hour):
					t.Error("it was not told within an hour")
				}
				if n := w.server.Counts().Late; n != 1 {
					t.Errorf("%d are counted, want 1", n)
				}
				_ = r.socket.Close()
			})
		})
	}
}

// Who reads slowly goes on.
func TestHandlersOfThoseWhoReadSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		const messages = 100
		ended := w.pour(messages)
		r := w.rough(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
		_ = r.socket.SetDeadline(time.Time{})
		r.must(r.WriteWindowUpdate(0, 1<<30))
		r.call(1, pourMethod, "x")
		go func() {
			for range time.Tick(lookTime) {
				if _, err := io.CopyN(io.Discard, r.socket, stepSize); err != nil || r.WriteWindowUpdate(0, 1) != nil {
					return
				}
			}
		}()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = r.socket.Close()
		time.Sleep(lookTime) // until who reads has noticed
	})
}

// What a handler left behind for a client that does not read takes room like the answers
// of others, and is not kept for ever.
func TestWhatEndedStreamsLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := share.New(1<<20, 1)
		w := newWorld(t, func(c *Config) { c.Room = room })
		ended := w.pour(3)
		r := w.rough(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		_ = r.socket.SetDeadline(time.Time{})
		start := time.Now()
		r.call(1, pourMethod, "x")
		go func() {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		r.pong()
		synctest.Wait()
		if used := room.Used(); used < 60_000 {
			t.Errorf("%d bytes are taken", used)
		}
		r.until(func(f http2.Frame) bool {
			e, ok := f.(*http2.RSTStreamFrame)
			return ok && e.ErrCode == http2.ErrCodeCancel
		})
		if took := time.Since(start); took > 2*lookTime {
			t.Errorf("it was kept for %v", took)
		}
		synctest.Wait()
		if used := room.Used(); used != 0 {
			t.Errorf("%d bytes are taken when all is over", used)
		}
	})
}
