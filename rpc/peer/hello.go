package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
)

// A connection begins with the caller's hello and the answer to it. Their shape
// is the same in all versions, for ever; what may change is the Hello, by adding
// fields, and all that follows the answer.
//
//	hello   "MYFLY" | oldest and newest version spoken (1 byte each) | length (2 bytes, big endian) | peer.v1.Hello
//	answer  version to be spoken (1 byte), 0 = refused | length (2 bytes, big endian) | why it is refused
const (
	helloMagic = "MYFLY"
	// maxHello bounds what is read of a caller that is not known yet.
	maxHello = 2 << 10
	// helloTime is how long either side waits for the other's first words.
	helloTime = 5 * time.Second
)

// versions are those of the peer protocol that a node speaks: a whole range, so
// that the nodes of a cluster are upgraded one after the other.
type versions struct{ oldest, newest byte }

// ourVersions is what this program speaks. A release raises newest when nodes
// must do something in another way, not when they learn more, and oldest when no
// program that is to work beside it speaks that any more.
var ourVersions = versions{oldest: 1, newest: 1}

// common returns the highest version that both sides speak.
func (v versions) common(other versions) (byte, error) {
	version := min(v.newest, other.newest)
	if version == 0 || version < v.oldest || version < other.oldest {
		return 0, fmt.Errorf("the caller speaks versions %d to %d of the peer protocol, this node %d to %d; upgrade the older one, through a release between the two if need be",
			other.oldest, other.newest, v.oldest, v.newest)
	}
	return version, nil
}

// ErrRefused: the other side does not want this connection; the text says why.
var ErrRefused = errors.New("peer: refused by the other node")

// ErrRemoved is what a Guard says, at the end of its text, of a caller that was a
// member of the cluster and is not let in again. The caller knows it by these
// words, which are therefore part of the protocol.
var ErrRemoved = errors.New("removed from the cluster for ever")

// turnedAway is an ErrRefused that came as the answer to a hello.
type turnedAway struct{ why string }

func (t *turnedAway) Error() string { return fmt.Sprintf("%v: %q", ErrRefused, t.why) }

// Unwrap lets errors.Is find ErrRefused.
func (t *turnedAway) Unwrap() error { return ErrRefused }

// Refusals that end by themselves.
var (
	errStopping  = errors.New("this node is stopping")
	errNoReplica = errors.New("no such replica runs here")
)

// removed reports whether the other node's Guard said ErrRemoved.
func (t *turnedAway) removed() bool { return strings.HasSuffix(t.why, ErrRemoved.Error()) }

// passes reports whether the refusal ends by itself.
func (t *turnedAway) passes() bool {
	return t.why == errStopping.Error() || t.why == errNoReplica.Error()
}

// Identity says who a node is, in every hello. All fields are needed.
type Identity struct {
	// ClusterID names the cluster; nodes of another are refused.
	ClusterID string
	// Node is the node's name, StoreID the random name of its data directory,
	// BootID the random name of this process.
	Node, StoreID, BootID string
}

// identityOf is who a caller says it is.
func identityOf(hello *peerv1.Hello) Identity {
	return Identity{ClusterID: hello.GetClusterId(), Node: hello.GetNode(), StoreID: hello.GetStoreId(), BootID: hello.GetBootId()}
}

// Guard decides whether a caller that is of this cluster may talk to this node;
// nil error means welcome. The error's text is told to the caller.
type Guard func(caller Identity) error

// sayHello introduces the caller and returns, once it is welcome, the version
// that both sides speak on the connection.
func sayHello(conn net.Conn, hello *peerv1.Hello, ours versions) (version byte, err error) {
	if err := conn.SetDeadline(time.Now().Add(helloTime)); err != nil {
		return 0, err
	}
	body, err := proto.Marshal(hello)
	if err != nil {
		return 0, err
	}
	out := append([]byte(helloMagic), ours.oldest, ours.newest)
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)))
	if _, err := conn.Write(append(out, body...)); err != nil {
		return 0, err
	}
	var chosen [1]byte
	if _, err := io.ReadFull(conn, chosen[:]); err != nil {
		return 0, fmt.Errorf("peer: no answer to the hello: %w", err)
	}
	refusal, err := readShort(conn)
	switch version = chosen[0]; {
	case err != nil:
		return 0, fmt.Errorf("peer: no answer to the hello: %w", err)
	case version == 0:
		return 0, &turnedAway{why: string(refusal)}
	case version < ours.oldest || version > ours.newest:
		return 0, fmt.Errorf("peer: the other node chose version %d of the peer protocol, this one speaks %d to %d", version, ours.oldest, ours.newest)
	}
	return version, conn.SetDeadline(time.Time{})
}

// hearHello reads a caller's introduction. Nothing of it is trusted.
func hearHello(conn net.Conn) (*peerv1.Hello, versions, error) {
	if err := conn.SetDeadline(time.Now().Add(helloTime)); err != nil {
		return nil, versions{}, err
	}
	var head [len(helloMagic) + 2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, versions{}, err
	}
	if string(head[:len(helloMagic)]) != helloMagic {
		return nil, versions{}, errors.New("peer: not a Mayfly node; clients belong on the client port")
	}
	body, err := readShort(conn)
	if err != nil {
		return nil, versions{}, err
	}
	hello := new(peerv1.Hello)
	if err := proto.Unmarshal(body, hello); err != nil {
		return nil, versions{}, errors.New("peer: malformed hello")
	}
	return hello, versions{oldest: head[len(helloMagic)], newest: head[len(helloMagic)+1]}, nil
}

// answer tells the caller that it is welcome, and in which version, or why not.
func answer(conn net.Conn, version byte, refusal error) error {
	text := ""
	if refusal != nil {
		version, text = 0, refusal.Error()
		text = text[:min(len(text), maxHello)]
	}
	out := binary.BigEndian.AppendUint16([]byte{version}, uint16(len(text)))
	if _, err := conn.Write(append(out, text...)); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// readShort reads a length and as many bytes, at most maxHello.
func readShort(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint16(size[:])
	if n > maxHello {
		return nil, fmt.Errorf("peer: %d bytes announced, at most %d are read", n, maxHello)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	return body, err
}

// errFounded: the node that was asked belongs to a cluster that the caller is
// not one of the first members of.
var errFounded = errors.New("the node belongs to a cluster already; if this one is new, let it join with a token: `mayfly cluster join-token`; if it was a member and lost its disk, bring it back: `mayfly node replace`")
