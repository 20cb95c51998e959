package cluster

import (
	"strings"
	"testing"
)

func TestMemberTransitions(t *testing.T) {
	all := []MemberState{Joining, Active, Draining, Removed}
	legal := map[[2]MemberState]bool{
		{Joining, Active}: true, {Joining, Removed}: true, {Active, Draining}: true, {Active, Removed}: true,
		{Draining, Active}: true, {Draining, Removed}: true,
	}
	for _, from := range all {
		for _, to := range all {
			if got := from.CanBecome(to); got != legal[[2]MemberState{from, to}] {
				t.Errorf("%s to %s: %v", from, to, got)
			}
		}
	}
}

func TestMemberCheck(t *testing.T) {
	if err := member("a").Check(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Member){
		"node name":        func(m *Member) { m.Node = "" },
		"store id":         func(m *Member) { m.Store = "a/b" },
		"boot id":          func(m *Member) { m.Boot = strings.Repeat("b", 65) },
		"zone":             func(m *Member) { m.Zone = "a\nb" },
		"no known state":   func(m *Member) { m.State = "asleep" },
		"draining member":  func(m *Member) { m.Leaving = true },
		"peer address":     func(m *Member) { m.PeerAddr = "nowhere" },
		"gossip address":   func(m *Member) { m.GossipAddr = "" },
		"number from 1 to": func(m *Member) { m.PeerAddr = "host:65536" },
	} {
		m := member("a")
		spoil(&m)
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, it should say %q", m, err, want)
		}
	}
}

func TestCheckAddr(t *testing.T) {
	for addr, good := range map[string]bool{
		"host:1": true, "a.b-c.example:65535": true, "10.1.2.3:7947": true, "[::1]:80": true, "[fe80::1%eth0]:80": true,
		"": false, ":80": false, "host:": false, "host:0": false, "host:+1": false, "host:65536": false, "host:http": false,
		"::1:80": false, "[::1:80": false, "[1.2.3.4]:80": false, "ho st:80": false, "host\n:80": false, "-x:80": false,
		"a/b:80": false, strings.Repeat("h", 260) + ":80": false,
	} {
		if err := checkAddr("address", addr); (err == nil) != good {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestReplicaID(t *testing.T) {
	g, r, err := ParseReplicaID("node-1/16/42")
	if err != nil || g != 16 || r != (Replica{"node-1", 42}) || r.ID(g) != "node-1/16/42" {
		t.Errorf("%v %v %v", g, r, err)
	}
	for _, bad := range []string{"", "a", "a/1", "a/1/0", "a/1/-1", "a/01/1", "a/1/1/1", "/1/1", "a/4294967296/1", "a b/1/1", "a/1/+1"} {
		if _, _, err := ParseReplicaID(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
