package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
)

// A connection begins with the caller's hello and the answer to it:
//
//	hello   "MYFLY" | version (1 byte) | length (2 bytes, big endian) | peer.v1.Hello
//	answer  length (2 bytes, big endian) | why it is refused; empty = welcome
const (
	helloMagic   = "MYFLY"
	helloVersion = 1
	// maxHello bounds what is read of a caller that is not known yet.
	maxHello = 2 << 10
	// helloTime is how long either side waits for the other's first words.
	helloTime = 5 * time.Second
)

// ErrRefused: the other side does not want this connection; the text says why.
var ErrRefused = errors.New("peer: refused by the other node")

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

// sayHello introduces the caller and returns nil once it is welcome.
func sayHello(conn net.Conn, hello *peerv1.Hello) error {
	if err := conn.SetDeadline(time.Now().Add(helloTime)); err != nil {
		return err
	}
	body, err := proto.Marshal(hello)
	if err != nil {
		return err
	}
	out := append([]byte(helloMagic), helloVersion)
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)))
	if _, err := conn.Write(append(out, body...)); err != nil {
		return err
	}
	refusal, err := readShort(conn)
	if err != nil {
		return fmt.Errorf("peer: no answer to the hello: %w", err)
	}
	if len(refusal) > 0 {
		return fmt.Errorf("%w: %q", ErrRefused, refusal)
	}
	return conn.SetDeadline(time.Time{})
}

// hearHello reads a caller's introduction. Nothing of it is trusted.
func hearHello(conn net.Conn) (*peerv1.Hello, error) {
	if err := conn.SetDeadline(time.Now().Add(helloTime)); err != nil {
		return nil, err
	}
	var head [len(helloMagic) + 1]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	if string(head[:len(helloMagic)]) != helloMagic {
		return nil, errors.New("peer: not a Mayfly node; clients belong on the client port")
	}
	if v := head[len(helloMagic)]; v != helloVersion {
		return nil, fmt.Errorf("peer: the caller speaks version %d, this node version %d", v, helloVersion)
	}
	body, err := readShort(conn)
	if err != nil {
		return nil, err
	}
	hello := new(peerv1.Hello)
	if err := proto.Unmarshal(body, hello); err != nil {
		return nil, errors.New("peer: malformed hello")
	}
	return hello, nil
}

// answer tells the caller whether it is welcome.
func answer(conn net.Conn, refusal error) error {
	text := ""
	if refusal != nil {
		text = refusal.Error()
		text = text[:min(len(text), maxHello)]
	}
	out := binary.BigEndian.AppendUint16(nil, uint16(len(text)))
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
