package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// natsBus speaks the client protocol of nats-server: lines of text, each
// message a line with its size and then the bytes. The publisher has a
// connection of its own. A publish is not answered, which is how NATS is used;
// settle asks once.
type natsBus struct {
	addr, topic string

	publisher *natsConn
	conns     []*natsConn
	running   sync.WaitGroup
	closing   atomic.Bool
}

// natsConn is one connection. Reading and writing are for one goroutine each;
// out is shared and locked.
type natsConn struct {
	net.Conn
	in    *bufio.Reader
	pongs chan struct{}

	mu  sync.Mutex
	out *bufio.Writer
}

// natsBuffer is large enough that reads and writes are as large as the socket
// has them, and holds any message of the benchmark.
const natsBuffer = 64 << 10

// greetNATS asks for plain messages without acknowledgements.
const greetNATS = "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"bench\",\"version\":\"1\",\"protocol\":1}\r\n"

func dialNATS(ctx context.Context, addr, topic string, fail func(error)) (*natsBus, error) {
	b := &natsBus{addr: addr, topic: topic}
	conn, err := b.connect(ctx, nil, fail)
	if err != nil {
		return nil, err
	}
	b.publisher = conn
	return b, conn.ask()
}

// connect opens a connection and begins to receive for the readers, whose
// subscription ids are their places.
func (b *natsBus) connect(ctx context.Context, readers []*reader, fail func(error)) (*natsConn, error) {
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, "tcp", b.addr)
	if err != nil {
		return nil, err
	}
	c := &natsConn{
		Conn:  socket,
		in:    bufio.NewReaderSize(socket, natsBuffer),
		out:   bufio.NewWriterSize(socket, natsBuffer),
		pongs: make(chan struct{}, 1),
	}
	b.conns = append(b.conns, c)
	b.running.Go(func() {
		if err := c.receive(readers); !b.closing.Load() {
			fail(err)
		}
		close(c.pongs)
	})
	return c, c.write(func(out *bufio.Writer) { _, _ = out.WriteString(greetNATS) })
}

// write lets fill write, and sends it. Errors of the buffer stay with it.
func (c *natsConn) write(fill func(out *bufio.Writer)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	fill(c.out)
	return c.out.Flush()
}

// ask returns when the server has dealt with everything sent so far.
func (c *natsConn) ask() error {
	if err := c.write(func(out *bufio.Writer) { _, _ = out.WriteString("PING\r\n") }); err != nil {
		return err
	}
	if _, ok := <-c.pongs; !ok {
		return errors.New("nats-server closed the connection")
	}
	return nil
}

// subscribe places a subscription to each topic and returns when all are placed.
// Their ids are the places of the topics.
func (c *natsConn) subscribe(topics []string) error {
	err := c.write(func(out *bufio.Writer) {
		for sid, topic := range topics {
			_, _ = fmt.Fprintf(out, "SUB %s %d\r\n", topic, sid)
		}
	})
	if err != nil {
		return err
	}
	return c.ask()
}

func (b *natsBus) subscribe(readers []*reader, perConnection int, fail func(error)) error {
	for len(readers) > 0 {
		n := min(perConnection, len(readers))
		conn, err := b.connect(context.Background(), readers[:n], fail)
		if err != nil {
			return err
		}
		if err := conn.subscribe(slices.Repeat([]string{b.topic}, n)); err != nil {
			return err
		}
		readers = readers[n:]
	}
	return nil
}

func (b *natsBus) publish(items [][]byte) error {
	return b.publisher.write(func(out *bufio.Writer) {
		for _, item := range items {
			_, _ = out.WriteString("PUB ")
			_, _ = out.WriteString(b.topic)
			_ = out.WriteByte(' ')
			_, _ = out.Write(strconv.AppendInt(out.AvailableBuffer(), int64(len(item)), 10))
			_, _ = out.WriteString("\r\n")
			_, _ = out.Write(item)
			_, _ = out.WriteString("\r\n")
		}
	})
}

func (b *natsBus) settle() error { return b.publisher.ask() }

func (b *natsBus) close() {
	b.closing.Store(true)
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.running.Wait()
}
