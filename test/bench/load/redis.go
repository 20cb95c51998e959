package load

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// redisConn is a connection to redis-server, for one goroutine. A command is a
// list of strings with their lengths; the answers that matter here are numbers,
// on a line of their own.
type redisConn struct {
	net.Conn
	in  *bufio.Reader
	out *bufio.Writer
}

func dialRedis(ctx context.Context, addr string) (*redisConn, error) {
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &redisConn{Conn: socket, in: bufio.NewReader(socket), out: bufio.NewWriterSize(socket, natsBuffer)}, nil
}

// call sends a command that is answered with a number.
func (c *redisConn) call(command [][]byte) (int, error) {
	_, _ = fmt.Fprintf(c.out, "*%d\r\n", len(command)) // errors of the buffer stay with it
	for _, part := range command {
		_, _ = fmt.Fprintf(c.out, "$%d\r\n%s\r\n", len(part), part)
	}
	if err := c.out.Flush(); err != nil {
		return 0, err
	}
	line, err := c.in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	text, isNumber := strings.CutPrefix(strings.TrimSpace(line), ":")
	if !isNumber {
		return 0, fmt.Errorf("redis-server answers %q", text)
	}
	return strconv.Atoi(text)
}
