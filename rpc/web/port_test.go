package web

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

const wholePreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// accepted takes the next connection of a side and reads n bytes of it.
func accepted(t *testing.T, side net.Listener, n int) (net.Conn, string) {
	t.Helper()
	c, err := side.Accept()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return c, string(b)
}

func TestEverythingGoesToItsSide(t *testing.T) {
	for name, test := range map[string]struct {
		said []string // in one packet each
		grpc bool
	}{
		"preface":             {[]string{wholePreface}, true},
		"preface and more":    {[]string{wholePreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"}, true},
		"preface, bytewise":   {strings.Split(wholePreface, ""), true},
		"get":                 {[]string{"GET / HTTP/1.1\r\n\r\n"}, false},
		"get, bytewise":       {strings.Split("GET / HTTP/1.1\r\n\r\n", ""), false},
		"put":                 {[]string{"P", "UT /x HTTP/1.1\r\n\r\n"}, false},
		"patch":               {[]string{"PATCH /x HTTP/1.1\r\n\r\n"}, false},
		"PRI of HTTP/2":       {[]string{"PRI * HTTP/1.1\r\n\r\n"}, false},
		"a byte":              {[]string{"\n"}, false},
		"TLS":                 {[]string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}, false},
		"almost, in two":      {[]string{"PRI * HTTP/2", ",0"}, false},
		"other case":          {[]string{"pri * http/2.0\r\n\r\n"}, false},
		"zeros":               {[]string{"\x00\x00\x00\x00"}, false},
		"preface at its end":  {[]string{"PRI * HTTP/2.0"}, true},
		"one byte at the end": {[]string{"PRI * HTTP/2.", "0"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, l := servePort(t)
				client := l.dial()
				defer client.Close()
				go func() {
					for _, packet := range test.said {
						_, _ = io.WriteString(client, packet)
						synctest.Wait()
					}
				}()
				side := p.HTTP()
				if test.grpc {
					side = p.GRPC()
				}
				all := strings.Join(test.said, "")
				c, got := accepted(t, side, len(all))
				defer c.Close()
				if got != all {
					t.Errorf("the side read %q, want %q", got, all)
				}
			})
		})
	}
}

// A connection that was sorted has no deadline of ours any more, reads and writes
// as it is, and is counted.
func TestAfterSorting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := servePort(t)
		client := l.dial()
		go func() { _, _ = io.WriteString(client, "GET / HTTP/1.1\r\n\r\n") }()
		c, _ := accepted(t, p.HTTP(), 18)
		time.Sleep(10 * sniffTime)
		go func() { _, _ = io.WriteString(client, "more") }()
		b := make([]byte, 10)
		if n, err := c.Read(b); n != 4 || err != nil {
			t.Errorf("long after, Read returned %d, %v", n, err)
		}
		go func() { _, _ = c.Write([]byte("hello")) }()
		if n, err := io.ReadFull(client, b[:5]); n != 5 || err != nil {
			t.Errorf("the client read %d, %v", n, err)
		}
		synctest.Wait()
		want := Traffic{Open: 1, Accepted: 1, Received: 22, Sent: 5}
		if got := p.Stats(); got.HTTP != want || got.GRPC != (Traffic{}) {
			t.Errorf("counted %+v", got)
		}
		c.Close()
		c.Close()
		want.Open = 0
		if got := p.Stats().HTTP; got != want {
			t.Errorf("after Close: %+v", got)
		}
	})
}

// gone fails unless the peer has closed the connection by now.
func gone(t *testing.T, client net.Conn) {
	t.Helper()
	_ = client.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection still lives: %v", err)
	}
}

func TestSilentPeersAreDropped(t *testing.T) {
	for name, say := range map[string]func(net.Conn){
		"nothing":      func(net.Conn) {},
		"half":         func(c net.Conn) { _, _ = io.WriteString(c, "PRI * HT") },
		"all too slow": func(c net.Conn) { drip(c, wholePreface, time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, l := servePort(t)
				silent := l.dial()
				var saying sync.WaitGroup
				saying.Go(func() { say(silent) })
				defer saying.Wait()
				defer silent.Close()
				time.Sleep(sniffTime - time.Millisecond)
				synctest.Wait()
				if s := p.Stats(); s.Waiting != 1 || s.Dropped != 0 {
					t.Fatalf("before its time: %+v", s)
				}
				// Whoever comes meanwhile does not wait for it.
				other := l.dial()
				go func() { _, _ = io.WriteString(other, wholePreface) }()
				c, _ := accepted(t, p.GRPC(), len(wholePreface))
				c.Close()
				time.Sleep(time.Millisecond)
				synctest.Wait()
				gone(t, silent)
				if s := p.Stats(); s.Waiting != 0 || s.Dropped != 1 {
					t.Errorf("after its time: %+v", s)
				}
			})
		})
	}
}

func drip(c net.Conn, text string, pause time.Duration) {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

func TestTheOldestMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		p := NewPort(l, nil)
		p.guests = newGuests(Limits{}, 3)
		served := make(chan error)
		go func() { served <- p.Serve() }()
		first, second, third := l.dial(), l.dial(), l.dial()
		synctest.Wait()
		gone(t, first)
		if s := p.Stats(); s.Waiting != 2 || s.Dropped != 1 {
			t.Errorf("after the third: %+v", s)
		}
		for _, c := range []net.Conn{second, third} {
			go func() { _, _ = io.WriteString(c, "GET") }()
			side, _ := accepted(t, p.HTTP(), 3)
			side.Close()
		}
		p.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// A closed side refuses its own connections and leaves the other's alone.
func TestOneSideCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := servePort(t)
		p.GRPC().Close()
		if _, err := p.GRPC().Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept of a closed side: %v", err)
		}
		refused := l.dial()
		go func() { _, _ = io.WriteString(refused, "PRI * HTTP/2.0") }()
		synctest.Wait()
		gone(t, refused)
		client := l.dial()
		go func() { _, _ = io.WriteString(client, "GET") }()
		c, _ := accepted(t, p.HTTP(), 3)
		c.Close()
	})
}

// While nobody accepts on a side, those who come and go do not pile up.
func TestNobodyAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := servePort(t)
		early := l.dial()
		go func() { _, _ = io.WriteString(early, "PRI * HTTP/2.0") }()
		time.Sleep(giveTime - time.Millisecond)
		patient := l.dial()
		go func() { _, _ = io.WriteString(patient, "PRI * HTTP/2.0") }()
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		gone(t, early)
		c, _ := accepted(t, p.GRPC(), len("PRI * HTTP/2.0"))
		c.Close()
	})
}

// Close leaves nobody behind: not those that wait, nor those that no side has
// accepted. The bubble does not end while a goroutine is left.
func TestCloseDropsWhoeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := servePort(t)
		silent, spoken := l.dial(), l.dial()
		go func() { _, _ = io.WriteString(spoken, "GET") }()
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if n := p.Stats().Waiting; n != 0 {
			t.Errorf("Close returned while %d goroutines were still busy", n)
		}
		gone(t, silent)
		gone(t, spoken)
		if n := p.Stats().Dropped; n != 0 {
			t.Errorf("%d connections count as dropped, although it was the port that went", n)
		}
	})
}

func TestAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		p := NewPort(l, nil)
		served := make(chan error)
		go func() { served <- p.Serve() }()
		for range 3 {
			l.accept <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		client := l.dial() // it still accepts
		client.Close()
		l.accept <- errBroken
		if err := <-served; !errors.Is(err, errBroken) {
			t.Errorf("Serve returned %v", err)
		}
		p.Close()
	})
}

// Whatever a client sends, in whatever pieces: the side it reaches is decided by
// the preface alone, and reads exactly what was sent.
func FuzzSniff(f *testing.F) {
	f.Add([]byte(wholePreface), uint8(1))
	f.Add([]byte("PRI * HTTP/2"), uint8(5))
	f.Add([]byte("POST / HTTP/1.1\r\n"), uint8(0))
	f.Add([]byte{0x16, 3, 1}, uint8(3))
	f.Fuzz(func(t *testing.T, said []byte, piece uint8) {
		c := &conn{Conn: &chunks{left: said, size: int(piece) + 1}, tally: new(tally)}
		isHTTP2, err := c.sniff()
		if want := bytes.HasPrefix(said, []byte(preface)); isHTTP2 != want {
			t.Fatalf("%q is HTTP/2: %v, want %v", said, isHTTP2, want)
		}
		if undecided := strings.HasPrefix(preface, string(said)) && len(said) < len(preface); (err != nil) != undecided {
			t.Fatalf("%q: %v", said, err)
		}
		got, err := io.ReadAll(iotest.OneByteReader(c))
		if err != nil || !bytes.Equal(got, said) {
			t.Fatalf("the side read %q, %v, want %q", got, err, said)
		}
		if n := c.tally.received.Load(); n != uint64(len(said)) {
			t.Fatalf("%d bytes were counted, want %d", n, len(said))
		}
	})
}

// chunks is a connection that yields a text in pieces.
type chunks struct {
	net.Conn
	left []byte
	size int
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.left[:min(c.size, len(c.left))])
	c.left = c.left[n:]
	return n, nil
}
