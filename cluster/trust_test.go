package cluster

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func gossipKey(b byte) []byte { return []byte(strings.Repeat(string('a'+rune(b)), GossipKeyLen)) }

func someTrust() Trust {
	return Trust{Serial: 1, Authorities: []Authority{{[]byte("certificate 1"), []byte("key 1")}}, GossipKeys: [][]byte{gossipKey(1)}}
}

// A rotation shows every node the new beside the old before anybody uses it, and
// takes the old away after nobody does.
func TestRotation(t *testing.T) {
	one, two := someTrust().Authorities[0], Authority{[]byte("certificate 2"), []byte("key 2")}
	for _, authority := range []*Authority{nil, &two} {
		s := trio(t)
		both := func(first, second Authority) []Authority {
			if authority == nil {
				return []Authority{one}
			}
			return []Authority{first, second}
		}
		last := one
		if authority != nil {
			last = two
		}
		for i, step := range []struct {
			op   Op
			want Trust
			fail string
		}{
			{&Turn{0}, Trust{}, "no rotation"},
			{&Rotate{GossipKey: gossipKey(2)}, Trust{}, "no keys yet"},
			{&Entrust{Trust{Serial: 1}}, Trust{}, "0 authorities"},
			{&Entrust{someTrust()}, someTrust(), ""},
			{&Turn{1}, someTrust(), "no rotation"},
			{&Rotate{GossipKey: gossipKey(1), Authority: authority}, someTrust(), "is the old one"},
			{&Rotate{GossipKey: []byte("short"), Authority: authority}, someTrust(), "must have 32"},
			{&Rotate{gossipKey(2), authority}, Trust{2, Spreading, both(one, two), [][]byte{gossipKey(1), gossipKey(2)}}, ""},
			{&Rotate{gossipKey(3), authority}, Trust{2, Spreading, both(one, two), [][]byte{gossipKey(1), gossipKey(2)}}, "is spreading"},
			{&Turn{1}, Trust{2, Spreading, both(one, two), [][]byte{gossipKey(1), gossipKey(2)}}, ""}, // late
			{&Turn{2}, Trust{3, Switching, both(two, one), [][]byte{gossipKey(2), gossipKey(1)}}, ""},
			{&Entrust{someTrust()}, Trust{3, Switching, both(two, one), [][]byte{gossipKey(2), gossipKey(1)}}, ""},
			{&Turn{3}, Trust{4, Settled, []Authority{last}, [][]byte{gossipKey(2)}}, ""},
		} {
			out := s.Apply(Change{Op: step.op})
			if !strings.Contains(out.Detail, step.fail) || (step.fail == "") != (out.Status == Done) {
				t.Errorf("step %d: %+v, want %q", i, out, step.fail)
			}
			if !reflect.DeepEqual(s.Trust(), step.want) {
				t.Fatalf("step %d: %d %q %s %s", i, s.Trust().Serial, s.Trust().Stage, s.Trust().Authorities, s.Trust().GossipKeys)
			}
			if s.Trust().Strict() != (authority != nil && s.Trust().Stage != Settled) {
				t.Errorf("step %d: strict: %v", i, s.Trust().Strict())
			}
		}
	}
}

func TestTrustPrintsNoSecret(t *testing.T) {
	s := someTrust()
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", s, s, s, s), fmt.Sprintf("%v %+v %#v", &s, &s, struct{ Trust Trust }{s})} {
		if strings.Contains(text, "bbb") || strings.Contains(text, "98 98") || strings.Contains(text, "0x62") || strings.Contains(text, "key") {
			t.Errorf("printed: %s", text)
		}
	}
}

// A token that let a node in is remembered for that node, within bounds.
func TestSpentTokensAreBounded(t *testing.T) {
	s := trio(t)
	first := leveled("d")
	for i := range MaxTokens + 1 {
		d := Digest{byte(i), byte(i >> 8), 1}
		s.Apply(Change{Op: &AddToken{Token{d, uint64(1000 + i)}}})
		if out := s.Apply(Change{Op: &Join{first, d}}); out.Err() != nil {
			t.Fatal(i, out)
		}
	}
	if len(s.spent) != MaxTokens {
		t.Errorf("%d are remembered", len(s.spent))
	}
	s.Apply(Change{AtMs: 2000, Op: &RaiseLevel{2}})
	if len(s.spent) != 0 {
		t.Errorf("%d are remembered after their time", len(s.spent))
	}
}
