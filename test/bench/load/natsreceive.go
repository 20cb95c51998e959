package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

var errNATS = errors.New("nats-server sent a line that is not understood")

// receive reads what the server sends, until the connection ends.
func (c *natsConn) receive(readers []*reader) error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("nats-server: %w", err)
		}
		switch verb, rest, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(" ")); string(verb) {
		case "MSG":
			err = c.deliver(rest, readers)
		case "PING":
			err = c.write(func(out *bufio.Writer) { _, _ = out.WriteString("PONG\r\n") })
		case "PONG":
			c.pongs <- struct{}{}
		case "INFO", "+OK":
		case "-ERR":
			err = fmt.Errorf("nats-server refuses: %s", rest)
		default:
			err = errNATS
		}
		if err != nil {
			return err
		}
	}
}

// deliver reads the message behind a MSG line, whose head is its subject, the
// subscription id and the size.
func (c *natsConn) deliver(head []byte, readers []*reader) error {
	sid, size, err := parseHead(head)
	if err != nil {
		return err
	}
	if sid >= len(readers) || size > natsBuffer-2 {
		return errNATS
	}
	body, err := c.in.Peek(size + 2) // the line end after it
	if err != nil {
		return fmt.Errorf("nats-server: %w", err)
	}
	s, err := readStamp(body[:size])
	if err != nil {
		return err
	}
	if _, err := c.in.Discard(size + 2); err != nil {
		return err
	}
	return readers[sid].take(s)
}

func parseHead(head []byte) (sid, size int, err error) {
	_, numbers, _ := bytes.Cut(head, []byte(" "))
	first, second, ok := bytes.Cut(numbers, []byte(" "))
	if !ok {
		return 0, 0, errNATS
	}
	if sid, err = strconv.Atoi(string(first)); err != nil || sid < 0 {
		return 0, 0, errNATS
	}
	if size, err = strconv.Atoi(string(second)); err != nil || size < 0 {
		return 0, 0, errNATS
	}
	return sid, size, nil
}
