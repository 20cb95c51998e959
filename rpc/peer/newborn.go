package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
)

// A node that belongs to no cluster yet says one thing on a connection of its
// own: after the handshake of TLS and the hello (CLASS_JOIN, CLASS_FOUND) a request, one answer, the end.
//
//	request, answer   length (4 bytes, big endian) | peer.v1 message
const (
	// maxNewbornRequest is above a charter with the most members, all of whose
	// names and addresses are as long as can be.
	maxNewbornRequest = 256 << 10
	// maxNewbornAnswer bounds what a newborn node reads.
	maxNewbornAnswer = 1 << 20
	// answerTime is how long a newborn waits for its answer: the time that the
	// other side has for it, and some for the way.
	answerTime = maxBudget + helloTime
	// The time between two attempts grows from retryFirst to patience.
	patience = 5 * time.Second
)

// newborn is a node that is about to be born, as it calls others.
type newborn struct {
	self   cluster.Member
	speaks versions
	// secure makes the handshake on a connection, for what the node asks. It leaves
	// the connection open.
	secure func(ctx context.Context, conn net.Conn) (net.Conn, error)
}

// checkNewborn requires what every newborn node is told at its start.
func checkNewborn(self cluster.Member, seeds []string) error {
	if err := self.Check(); err != nil {
		return fmt.Errorf("peer: this node: %w", err)
	}
	if len(seeds) > cluster.MaxMembers {
		return fmt.Errorf("peer: %d addresses of nodes to turn to, at most %d are taken", len(seeds), cluster.MaxMembers)
	}
	for _, seed := range seeds {
		if _, _, err := net.SplitHostPort(seed); err != nil {
			return fmt.Errorf("peer: the address %.64q of a node to turn to is not host:port", seed)
		}
	}
	return nil
}

// ask dials an address, says hello and the request, and reads the answer.
func (n newborn) ask(ctx context.Context, addr string, hello *peerv1.Hello, in, out proto.Message, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, dialTime+helloTime+wait)
	defer cancel()
	dialing, dialled := context.WithTimeout(ctx, dialTime)
	raw, err := dialer.DialContext(dialing, "tcp", addr)
	dialled()
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	return n.say(ctx, raw, hello, in, out, wait)
}

// say is ask on a connection that it leaves for the caller to close.
func (n newborn) say(ctx context.Context, raw net.Conn, hello *peerv1.Hello, in, out proto.Message, wait time.Duration) error {
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	shaking, shaken := context.WithTimeout(ctx, helloTime)
	conn, err := n.secure(shaking, raw)
	shaken()
	if err != nil {
		return err
	}
	hello.Node, hello.StoreId, hello.BootId = string(n.self.Node), n.self.Store, n.self.Boot
	if _, err = sayHello(conn, hello, n.speaks); err == nil {
		err = conn.SetDeadline(time.Now().Add(wait))
	}
	if err == nil {
		err = writeFrame(conn, in, maxNewbornRequest)
	}
	if err == nil {
		err = readFrame(conn, out, maxNewbornAnswer)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return trust.Explain(err)
}

// writeFrame sends one message of limit bytes at most.
func writeFrame(w io.Writer, m proto.Message, limit int) error {
	body, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	if len(body) > limit {
		return fmt.Errorf("peer: a message of %d bytes, at most %d are sent", len(body), limit)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// readFrame reads one message of limit bytes at most.
func readFrame(r io.Reader, m proto.Message, limit int) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > uint32(limit) {
		return fmt.Errorf("peer: a message of %d bytes announced, at most %d are read", n, limit)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	if err := proto.Unmarshal(body, m); err != nil {
		return errors.New("peer: malformed message") // it may hold a token
	}
	return nil
}

// pause is a wait between attempts that grows.
type pause struct{ next time.Duration }

// wait pauses, a little randomly so that many who failed together do not return
// together, and reports whether ctx goes on.
func (p *pause) wait(ctx context.Context) bool {
	p.next = min(max(2*p.next, retryFirst), patience)
	timer := time.NewTimer(p.next/2 + rand.N(p.next/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// quiet tells the log a thing once, until it is another thing. It is for one
// goroutine.
type quiet struct {
	logger *slog.Logger
	last   string
}

func (q *quiet) warn(message string, err error) {
	if text := message + err.Error(); text != q.last {
		q.last = text
		q.logger.Warn(message, slog.Any("err", err))
	}
}
