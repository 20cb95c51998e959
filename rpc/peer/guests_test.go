package peer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A member that is removed loses the connections that it has, of both kinds, and is
// told so when it comes again; the others keep theirs.
func TestRemovedMemberIsShown(t *testing.T) {
	var w town
	var removed, told atomic.Bool
	var log lines
	b := w.mux(t, "b", func(c *MuxConfig) {
		c.Guard = func(caller Identity) error {
			if caller.Node == "a" && removed.Load() {
				return fmt.Errorf("node %s was %w", caller.Node, ErrRemoved)
			}
			return nil
		}
	})
	a := w.mux(t, "a", func(c *MuxConfig) {
		c.Removed = func() { told.Store(true) }
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	c := w.mux(t, "c")
	replicas, err := b.Listen(3, "b/3/1")
	if err != nil {
		t.Fatal(err)
	}
	meet := func(from *Mux, raft bool) (here, there net.Conn) {
		t.Helper()
		there, err := func() (net.Conn, error) {
			if raft {
				return from.Dial(3, "b/3/1", time.Second)
			}
			return from.DialCalls(t.Context(), "b")
		}()
		if err != nil {
			t.Fatal(err)
		}
		at := b.Calls()
		if raft {
			at = replicas
		}
		if here, err = at.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = here.Close(), there.Close() })
		return here, there
	}
	_, calls := meet(a, false)
	_, raft := meet(a, true)
	kept, other := meet(c, false)
	ended, _ := meet(c, true)
	ended.Close() // what is closed is nobody's guest any more

	removed.Store(true)
	b.Review()
	for what, conn := range map[string]net.Conn{"calls": calls, "the stream of a replica": raft} {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the connection for %s of a removed member: %v", what, err)
		}
	}
	go func() { _, _ = kept.Write([]byte("x")) }()
	_ = other.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := other.Read(make([]byte, 1)); err != nil {
		t.Errorf("the connection of another member: %v", err)
	}
	if left := b.guests.list(); len(left) != 1 || left[0].caller.Node != "c" {
		t.Errorf("%d guests are left, want that of c", len(left))
	}

	if _, err := a.DialCalls(t.Context(), "b"); !errors.Is(err, ErrRefused) {
		t.Errorf("a removed member came in again: %v", err)
	}
	if !told.Load() || !strings.Contains(log.String(), ErrRemoved.Error()) {
		t.Errorf("it was told of its removal: %v; its log says %s", told.Load(), log.String())
	}
	if _, err := c.DialCalls(t.Context(), "a"); err != nil {
		t.Errorf("nobody was removed here: %v", err)
	}
}

// Who was judged welcome and is given up before it is a guest does not slip in.
func TestRemovedOnTheDoorstep(t *testing.T) {
	var w town
	var asked atomic.Int64
	b := w.mux(t, "b", func(c *MuxConfig) {
		c.Guard = func(Identity) error {
			if asked.Add(1) == 1 {
				return nil
			}
			return ErrRemoved
		}
	})
	conn, err := w.mux(t, "a").DialCalls(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("it slipped in: %v", err)
	}
	until(t, "it is a guest no more", func() bool { return len(b.guests.list()) == 0 })
}
