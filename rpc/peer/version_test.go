package peer

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
)

// Nodes of different releases speak the newest version that both know, whoever
// calls; without one both are told what each of them speaks.
func TestVersionsOfTwoReleases(t *testing.T) {
	for name, test := range map[string]struct {
		one, other versions
		want       byte // 0: none in common
	}{
		"the same":           {versions{1, 1}, versions{1, 1}, 1},
		"the next release":   {versions{1, 1}, versions{1, 2}, 1},
		"two that overlap":   {versions{2, 5}, versions{3, 9}, 5},
		"one within another": {versions{1, 9}, versions{3, 4}, 4},
		"a newer world":      {versions{1, 1}, versions{2, 3}, 0},
		"nothing at all":     {versions{1, 1}, versions{0, 0}, 0},
		"upside down":        {versions{1, 3}, versions{4, 2}, 0},
	} {
		for _, way := range [][2]versions{{test.one, test.other}, {test.other, test.one}} {
			got, err := overWire(t, way[0], way[1])
			switch {
			case test.want != 0 && (err != nil || got != [2]byte{test.want, test.want}):
				t.Errorf("%s: caller %v, callee %v: they speak %v, %v, want %d", name, way[0], way[1], got, err, test.want)
			case test.want == 0 && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "upgrade the older one")):
				t.Errorf("%s: caller %v, callee %v: they speak %v, %v", name, way[0], way[1], got, err)
			}
		}
	}
}

// overWire has two nodes meet, and returns the version each of them speaks then.
func overWire(t *testing.T, caller, callee versions) (spoken [2]byte, err error) {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	done := make(chan error, 1)
	go func() {
		_, theirs, err := hearHello(there)
		if err == nil {
			var refusal error
			spoken[1], refusal = callee.common(theirs)
			err = answer(there, spoken[1], refusal)
		}
		done <- err
	}()
	spoken[0], err = sayHello(here, &peerv1.Hello{Node: "a"}, caller)
	if heard := <-done; heard != nil {
		t.Errorf("caller %v, callee %v: %v", caller, callee, heard)
	}
	return spoken, err
}

// Whole nodes: old and new work together in both directions, strangers do not.
func TestNodesOfTwoReleases(t *testing.T) {
	speaking := func(v versions) func(*MuxConfig) { return func(c *MuxConfig) { c.speaks = v } }
	var w town
	nodes := map[string]*Mux{
		"a": w.mux(t, "a", speaking(versions{1, 1})),
		"b": w.mux(t, "b", speaking(versions{1, 2})),
		"c": w.mux(t, "c", speaking(versions{2, 3})),
	}
	for _, test := range []struct {
		from, to string
		version  byte
	}{{"a", "b", 1}, {"b", "a", 1}, {"b", "c", 2}, {"c", "b", 2}, {"a", "c", 0}, {"c", "a", 0}} {
		conn, err := nodes[test.from].DialCalls(t.Context(), cluster.NodeID(test.to))
		if test.version == 0 {
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "of the peer protocol") {
				t.Errorf("%s calls %s: %v", test.from, test.to, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s calls %s: %v", test.from, test.to, err)
			continue
		}
		taken, err := nodes[test.to].Calls().Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := taken.(*introducedConn).link.version; got != test.version {
			t.Errorf("%s calls %s: they speak version %d, want %d", test.from, test.to, got, test.version)
		}
		taken.Close()
		conn.Close()
	}
}

// A callee that chooses what was not offered is not believed.
func TestVersionThatWasNotOffered(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	go func() {
		defer there.Close()
		_, _, _ = hearHello(there)
		_ = answer(there, 7, nil)
		_, _ = io.Copy(io.Discard, there)
	}()
	if v, err := sayHello(here, &peerv1.Hello{Node: "a"}, versions{1, 2}); err == nil {
		t.Errorf("version %d is spoken", v)
	}
}
