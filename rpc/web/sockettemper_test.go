package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// Some pings are answered, and a flood of them is read slowly.
func TestSocketPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(restful)
		s := &socketTemper{conn: c}
		start, answered := time.Now(), 0
		for range socketPings + 10 {
			if s.pinged(t.Context(), nil) {
				answered++
			}
		}
		if took := time.Since(start); c.faults == 0 || took != time.Duration(c.faults)*faultPause || answered < socketPings {
			t.Errorf("%d were answered, those too many took %v with %d faults", answered, took, c.faults)
		}
		for range 100 {
			time.Sleep(2 * time.Second)
			if !s.pinged(t.Context(), nil) {
				t.Fatal("a client with manners gets no answer")
			}
		}
	})
}

// Clients may go in any way; only what the protocol forbids is held against them.
func TestSocketEnds(t *testing.T) {
	for err, want := range map[error]int{
		io.EOF: 0,
		fmt.Errorf("read: %w", io.ErrUnexpectedEOF): 0,
		context.Canceled: 0,
		&net.OpError{Op: "read", Err: syscall.ECONNRESET}:                0,
		websocket.CloseError{Code: websocket.StatusNormalClosure}:        0,
		fmt.Errorf("failed to read: %w", websocket.ErrMessageTooBig):     socketFaults,
		errors.New("received header with unexpected rsv bits set: true"): socketFaults,
	} {
		c := new(restful)
		(&socketTemper{conn: c}).ended(err)
		if c.faults != want {
			t.Errorf("%v counts as %d faults, want %d", err, c.faults, want)
		}
	}
}
