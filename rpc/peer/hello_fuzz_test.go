package peer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
)

// spokenConn is a connection whose other side has said all that it will.
type spokenConn struct {
	net.Conn
	said *bytes.Reader
	told bytes.Buffer
}

func saying(said []byte) *spokenConn { return &spokenConn{said: bytes.NewReader(said)} }

func (c *spokenConn) Read(b []byte) (int, error)  { return c.said.Read(b) }
func (c *spokenConn) Write(b []byte) (int, error) { return c.told.Write(b) }
func (*spokenConn) SetDeadline(time.Time) error   { return nil }

// FuzzHellos: whatever opens a connection to the peer port is read as a hello or
// refused, in bounds, and whatever answers one likewise.
func FuzzHellos(f *testing.F) {
	hello := &peerv1.Hello{ClusterId: "c", Node: "a", StoreId: "s", BootId: "b", Callee: "d", Class: peerv1.Hello_CLASS_RAFT, Group: 7, Replica: "d/7/1"}
	good := saying(nil)
	_, _ = sayHello(good, hello, ourVersions) // no answer comes
	whole := good.told.Bytes()
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(bytes.Replace(whole, []byte(helloMagic), []byte("GET /"), 1))
	f.Add(append([]byte(helloMagic), 0, 0, 0, 0))
	f.Add(append([]byte(helloMagic), 1, 1, 0xff, 0xff))
	f.Add(append([]byte(helloMagic), 255, 0, 0, 3, 0x0a, 0xff, 0xff))
	f.Add([]byte{1, 0, 0})
	f.Add(append([]byte{0, 0, 5}, "x\x00\xff\ny"...))
	f.Add([]byte("\x16\x03\x01\x02\x00\x01\x00"))
	f.Fuzz(func(t *testing.T, said []byte) {
		read, theirs, err := hearHello(saying(said))
		if err == nil {
			if !bytes.HasPrefix(said, []byte(helloMagic)) || theirs != (versions{said[5], said[6]}) {
				t.Fatalf("%q was heard as a hello in %+v", said, theirs)
			}
			if n := int(binary.BigEndian.Uint16(said[7:])); n > maxHello || proto.Size(read) > 2*maxHello {
				t.Fatalf("a hello of %d bytes", n)
			}
			if version, err := ourVersions.common(theirs); err == nil && (version < ourVersions.oldest || version > ourVersions.newest) {
				t.Fatalf("version %d of %+v", version, theirs)
			}
		}
		version, err := sayHello(saying(said), hello, ourVersions)
		turned, refused := errors.AsType[*turnedAway](err)
		switch {
		case err == nil && (version < ourVersions.oldest || version > ourVersions.newest):
			t.Fatalf("%q was heard as a welcome in version %d", said, version)
		case refused && len(turned.why) > maxHello:
			t.Fatalf("a refusal of %d bytes", len(turned.why))
		}
	})
}

// FuzzJoinTokens: a text that is taken for a join token is one, and no refusal repeats
// what was given.
func FuzzJoinTokens(f *testing.F) {
	good, _ := tokenOf(f, "cluster-1")
	for _, text := range []string{good, strings.ToLower(good), good[:len(good)-1], good + "A", "." + good, good + "\n", "..", "", "../../etc/passwd." + good[len(good)-tokenTailLen:], "\xff." + good[len(good)-tokenTailLen:]} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err != nil {
			if len(text) > 12 && strings.Contains(err.Error(), text) {
				t.Fatalf("the refusal repeats %q", text)
			}
			return
		}
		again, err := ParseToken(token.ClusterID + text[len(token.ClusterID):])
		if err != nil || again != token || len(text) != len(token.ClusterID)+1+tokenTailLen || !strings.Contains(text, "."+token.Pin) {
			t.Fatalf("%q is of %v, then of %v: %v", text, token, again, err)
		}
	})
}
