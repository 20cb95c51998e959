package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mayfly-broker/mayfly/test/bench/proc"
)

// Client is a client process, seen from its parent. It is for one goroutine.
type Client struct {
	child *proc.Child
	in    *os.File
	out   *os.File
	tell  *json.Encoder
	hear  *json.Decoder

	forget func() bool // ends the watch over the context
}

// Start starts a client process from the spec of a program that calls Serve
// with its standard input and output, and waits until the task is ready. A
// failed Start leaves nothing behind. When ctx ends, the client gives up what it
// is doing.
func Start(ctx context.Context, spec proc.Spec, task Task) (*Client, error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, stdin.Close(), in.Close())
	}
	spec.Stdin, spec.Stdout = stdin, stdout
	child, err := proc.Start(spec)
	_, _ = stdin.Close(), stdout.Close() // the child has its own
	c := &Client{child: child, in: in, out: out, tell: json.NewEncoder(in), hear: json.NewDecoder(out)}
	if err != nil {
		_, _ = in.Close(), out.Close()
		return nil, err
	}
	// The end of its input is what ends a client.
	c.forget = context.AfterFunc(ctx, func() { _ = in.Close() })
	if err := c.tell.Encode(task); err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", child.Name, err)
	}
	if _, err := c.listen(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Run lets the client do its task and returns when it is done. What the task
// holds stays until Close.
func (c *Client) Run() (Report, error) {
	if err := c.tell.Encode(struct{}{}); err != nil {
		return Report{}, fmt.Errorf("%s: %w", c.child.Name, err)
	}
	report, err := c.listen()
	if err != nil {
		return Report{}, err
	}
	if report == nil {
		return Report{}, fmt.Errorf("%s reported nothing", c.child.Name)
	}
	return *report, nil
}

// listen takes one line from the client process.
func (c *Client) listen() (*Report, error) {
	var told line
	err := c.hear.Decode(&told)
	switch {
	case errors.Is(err, io.EOF):
		<-c.child.Done()
		return nil, c.child.Ended()
	case err != nil:
		return nil, fmt.Errorf("%s: %w", c.child.Name, err)
	case told.Err != "":
		return nil, fmt.Errorf("%s: %s", c.child.Name, told.Err)
	}
	return told.Report, nil
}

// Close ends the client process and waits for its end.
func (c *Client) Close() {
	c.forget()
	_ = c.in.Close()
	c.child.Stop()
	_ = c.out.Close()
}
