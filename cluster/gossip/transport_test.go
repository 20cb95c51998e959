package gossip

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stranger is a host of the ether without a Mesh.
func (w *town) stranger() *antenna {
	c, err := w.ether.listen(placeOf(8))
	if err != nil {
		w.t.Fatal(err)
	}
	return c.(*antenna)
}

// sealed encrypts as memberlist does, under any version of the cipher, for
// which the sender of a tampered message need not hold the secret.
func sealed(t *testing.T, version byte, plain, data []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(secretOf(1))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, gcm.NonceSize())
	return gcm.Seal(append([]byte{version}, nonce...), nonce, plain, data)
}

var townHeader = append([]byte{labelMark, 4}, "town"...)

// streamOf is a whole stream of one encrypted message.
func streamOf(t *testing.T, version byte, plain []byte) []byte {
	const encrypted = 10 // memberlist's type of message
	head := binary.BigEndian.AppendUint32([]byte{encrypted}, uint32(1+12+len(plain)+16))
	body := sealed(t, version, plain, append(bytes.Clone(head), "town"...))
	return append(append(bytes.Clone(townHeader), head...), body...)
}

// padding ends like padding that is longer than the whole.
var padding = bytes.Repeat([]byte{0xff}, 32)

func TestTamperedPacketIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.start("a", placeOf(0))
		packet := append(bytes.Clone(townHeader), sealed(t, 0, padding, []byte("town"))...)
		s := w.stranger()
		s.WriteTo(packet, placeOf(0).String())
		synctest.Wait() // the library would have panicked
		if !strings.Contains(w.log.String(), "a packet was dropped") {
			t.Errorf("the log says %s", &w.log)
		}
		for n := range packet { // nor does a shorter one harm
			s.WriteTo(packet[:n], placeOf(0).String())
		}
		synctest.Wait()
	})
}

func TestTamperedStreamIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.start("a", placeOf(0))
		s := w.stranger()
		whole := streamOf(t, 0, padding)
		for n := range len(whole) + 1 {
			conn, err := s.Dial(t.Context(), placeOf(0).String())
			if err != nil {
				t.Fatal(err)
			}
			go conn.Write(whole[:n])
			synctest.Wait()
			conn.Close()
		}
	})
}

func TestTamperedReplyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a := w.start("a", placeOf(0))
		s := w.stranger()
		go func() {
			conn := <-s.streams
			go io.Copy(io.Discard, conn)
			// A reply has no label before it, but is bound to one all the same.
			conn.Write(streamOf(t, 0, padding)[len(townHeader):])
			time.Sleep(time.Second)
			conn.Close()
		}()
		err := a.Join(t.Context(), []string{placeOf(8).String()})
		if !errors.Is(err, ErrNotJoined) || !strings.Contains(err.Error(), "changed on the way") {
			t.Errorf("joining gave %v", err)
		}
	})
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a := w.start("a", placeOf(0))
		s := w.stranger()
		outcome := make(chan error)
		go func() { outcome <- a.Join(t.Context(), []string{placeOf(8).String()}) }()
		mute := <-s.streams
		go io.Copy(io.Discard, mute)
		into, err := s.Dial(t.Context(), placeOf(0).String())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		a.Close()
		if err := <-outcome; !errors.Is(err, ErrNotJoined) {
			t.Errorf("the join gave %v", err)
		}
		if _, err := into.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("reading from a closed node gave %v", err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("closing took %v", took)
		}
	})
}

func TestEndlessStreamIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.start("a", placeOf(0))
		conn, err := w.stranger().Dial(t.Context(), placeOf(0).String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// 16 MiB are announced, which the library alone would take.
		head := append(bytes.Clone(townHeader), 10, 1, 0, 0, 0, cipherVersion)
		conn.Write(head)
		sent, block := len(head), make([]byte, 4096)
		for err == nil && sent < 16<<20 {
			var n int
			n, err = conn.Write(block)
			sent += n
		}
		if sent > maxStreamBytes+2*len(block) {
			t.Errorf("%d bytes were taken, want about %d", sent, maxStreamBytes)
		}
	})
}

func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.start("a", placeOf(0))
		s := w.stranger()
		open := func() net.Conn {
			conn, err := s.Dial(t.Context(), placeOf(0).String())
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
		held := make([]net.Conn, maxStreams)
		for i := range held {
			held[i] = open()
		}
		isClosed := func(c net.Conn) bool {
			c.SetReadDeadline(time.Now().Add(time.Second))
			_, err := c.Read(make([]byte, 1))
			return errors.Is(err, io.EOF)
		}
		if isClosed(held[maxStreams-1]) {
			t.Error("a stream within the bound was refused")
		}
		if !isClosed(open()) {
			t.Error("a stream beyond the bound was taken")
		}
		time.Sleep(afterlife) // the silent ones run out of time
		if isClosed(open()) {
			t.Error("no room again after the others ended")
		}
	})
}
