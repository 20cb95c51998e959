package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
)

// Form is how a subscription is carried.
type Form string

// The forms of a subscription to Mayfly. The empty one is native gRPC.
const (
	GRPC Form = ""
	// Events are server-sent events, of which each reader has a connection.
	Events Form = "events"
)

// eventsBuffer is what a reader of events keeps: a few items.
const eventsBuffer = 4 << 10

// eventsConn is a reader of server-sent events, as a browser is one. It is for one
// goroutine at a time; Close may be called from any.
type eventsConn struct {
	net.Conn
	take func(*delivery) error
}

// dialEvents opens a connection and asks for a topic. The answer is for receive.
func dialEvents(ctx context.Context, addr, topic string, take func(*delivery) error) (*eventsConn, error) {
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	// Thousands of connections that wait for their end would use up the ports.
	_ = socket.(*net.TCPConn).SetLinger(0) // fails only on a connection that is dead
	c := &eventsConn{Conn: socket, take: take}
	_, err = fmt.Fprintf(socket, "GET /topics/%s/%s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", Cache, topic, addr)
	return c, err
}

// receive reads what the server sends, until the connection ends or something is
// wrong. No stream is expected to end.
func (c *eventsConn) receive() error {
	in := bufio.NewReaderSize(c.Conn, eventsBuffer)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return fmt.Errorf("connection: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	lines := bufio.NewReaderSize(answer.Body, eventsBuffer)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("connection: %w", err)
		}
		d, ok, err := readEvent(line)
		if err != nil {
			return err
		}
		if ok {
			if err := c.take(&d); err != nil {
				return err
			}
		}
	}
}

// What an item begins with on its line, and what its value begins with.
var (
	itemHead  = []byte(`data: {"topic_sequence_number":`)
	valueHead = []byte(`"value":{"text":"`)
)

// readEvent reads one line of a stream; ok is false for those that hold nothing that
// is counted.
func readEvent(line []byte) (d delivery, ok bool, err error) {
	switch {
	case bytes.HasPrefix(line, []byte(": heartbeat")):
		return delivery{kind: heartbeat}, true, nil
	case bytes.HasPrefix(line, []byte("event: discontinuity")):
		return delivery{kind: discontinuity}, true, nil
	case !bytes.HasPrefix(line, itemHead):
		return d, false, nil
	}
	d.kind = item
	number, rest, _ := bytes.Cut(line[len(itemHead):], []byte{','})
	if d.sequence, err = strconv.ParseUint(string(number), 10, 64); err != nil {
		return d, false, errDelivery
	}
	_, value, found := bytes.Cut(rest, valueHead)
	if !found {
		return d, false, errDelivery
	}
	d.stamp, err = readStamp(value)
	return d, true, err
}
