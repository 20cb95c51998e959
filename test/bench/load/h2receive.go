package load

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2"
)

// grpcHead is the length of what comes before a message: a byte that says
// whether it is compressed, and its length in four.
const grpcHead = 5

var (
	errStream     = errors.New("a frame came on a stream that nobody opened")
	errCompressed = errors.New("a message is compressed, which nobody asked for")
)

// receive reads what the server sends, until the connection ends or something
// is wrong. No subscription is expected to end.
func (c *h2Conn) receive() error {
	for {
		if c.in.Buffered() == 0 { // about to wait: what there is to say must be out
			if err := c.out.Flush(); err != nil {
				return err
			}
		}
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return fmt.Errorf("connection: %w", err)
		}
		if err := c.handle(frame); err != nil {
			return err
		}
	}
}

func (c *h2Conn) handle(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.DataFrame:
		return c.data(f)
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.framer.WritePing(true, f.Data)
		}
	case *http2.HeadersFrame:
		if f.StreamEnded() {
			return errors.New("the server ended a subscription")
		}
	case *http2.RSTStreamFrame:
		return fmt.Errorf("the server reset a subscription: %s", f.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server ended the connection: %s", f.ErrCode)
	}
	return nil
}

// data takes the messages out of a frame. The server is told that they have been
// read when a quarter of a window has, as grpc-go does.
func (c *h2Conn) data(f *http2.DataFrame) error {
	place := int(f.StreamID / 2)
	if place >= len(c.streams) {
		return errStream
	}
	s := c.streams[place]
	if err := s.append(f.Data()); err != nil {
		return err
	}
	length := f.Header().Length
	c.unsaid += length
	s.unsaid += length
	if c.unsaid >= connectionWindow/4 {
		if err := c.framer.WriteWindowUpdate(0, c.unsaid); err != nil {
			return err
		}
		c.unsaid = 0
	}
	if s.unsaid >= streamWindow/4 {
		if err := c.framer.WriteWindowUpdate(f.StreamID, s.unsaid); err != nil {
			return err
		}
		s.unsaid = 0
	}
	return nil
}

// append goes on with what is in b, and hands over the messages that are whole.
func (s *h2Stream) append(b []byte) error {
	if len(s.partial) > 0 {
		s.partial = append(s.partial, b...)
		b = s.partial
	}
	for len(b) >= grpcHead {
		if b[0] != 0 {
			return errCompressed
		}
		end := grpcHead + uint64(binary.BigEndian.Uint32(b[1:]))
		if uint64(len(b)) < end {
			break
		}
		var d delivery
		if err := d.read(b[grpcHead:end]); err != nil {
			return err
		}
		if err := s.take(&d); err != nil {
			return err
		}
		b = b[end:]
	}
	s.partial = append(s.partial[:0], b...)
	return nil
}
