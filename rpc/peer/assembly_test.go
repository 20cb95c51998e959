package peer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// gathering is an assembly of node b that has met others, on one afternoon.
type gathering struct {
	*assembly
	now time.Time
}

func gather(others ...string) *gathering {
	g := &gathering{newAssembly(someMember("b"), 3, 4, someTrust()), time.Unix(1000, 0)}
	for _, o := range others {
		g.meets(someMember(o), "")
	}
	return g
}

// meets has the member answer a question of this moment, at its own address.
func (g *gathering) meets(m cluster.Member, proposal string) bool {
	released, err := g.answered(m.PeerAddr, g.moment(), &peerv1.Candidate{Self: wireMember(m), Expect: 3, Groups: 4, Proposal: proposal}, g.now)
	if err != nil {
		panic(err)
	}
	return released
}

// proposal is what the first of the members would propose.
func proposal(id string, nodes ...string) Charter {
	var all []cluster.Member
	for _, n := range nodes {
		all = append(all, someMember(n))
	}
	return Charter{ClusterID: id, Groups: 4, Trust: someTrust(), Members: founding(all), Founders: foundersOf(all)}
}

// reborn is a member after a restart.
func reborn(m cluster.Member) cluster.Member { m.Boot += "-2"; return m }

func TestPromisesThatAreNotGiven(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*Charter)
		from  string
	}{
		"for two":            {func(c *Charter) { c.Members = c.Members[:2] }, "a"},
		"other groups":       {func(c *Charter) { c.Groups = 5 }, "a"},
		"without this node":  {func(c *Charter) { c.Members[1] = someMember("bb") }, "a"},
		"with its last boot": {func(c *Charter) { c.Members[1].Boot = "yesterday" }, "a"},
		"with another store": {func(c *Charter) { c.Members[1].Store = "another" }, "a"},
		"not from the first": {func(*Charter) {}, "c"},
		"fewer founders":     {func(c *Charter) { c.Founders = c.Founders[:1] }, "a"},
	} {
		g, c := gather("a", "c"), proposal("X", "a", "b", "c")
		test.spoil(&c)
		if err := g.promise(someMember(test.from), c, g.now); !errors.Is(err, route.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := g.holds(); ok {
			t.Errorf("%s: promised", name)
		}
	}
	g := gather("a", "c", "d")
	if err := g.promise(someMember("a"), proposal("X", "a", "b", "c"), g.now); !errors.Is(err, route.ErrNotExecuted) || !strings.Contains(err.Error(), "node d") {
		t.Errorf("past a fourth: %v", err)
	}
	g.now = g.now.Add(presentFor + 1)
	if err := g.promise(someMember("a"), proposal("X", "a", "b", "c"), g.now); err != nil {
		t.Errorf("after the fourth has left: %v", err)
	}
}

// A promise is to one process, and stands until that is known to be gone or to
// have given up.
func TestPromisesStand(t *testing.T) {
	a := someMember("a")
	elsewhere := someMember("z") // another node at the address of a
	elsewhere.PeerAddr = a.PeerAddr
	for name, test := range map[string]struct {
		who      cluster.Member
		proposal string
		ends     bool
	}{
		"it still proposes":        {a, "X", false},
		"it gave up":               {a, "", true},
		"it proposes another":      {a, "Y", true},
		"it restarted":             {reborn(a), "", true},
		"it restarted, and again":  {reborn(a), "X", true},
		"another has its address":  {elsewhere, "", true},
		"somebody else":            {someMember("c"), "", false},
		"somebody else's proposal": {someMember("c"), "X", false},
	} {
		g := gather("a", "c")
		before := g.moment()
		if err := g.promise(a, proposal("X", "a", "b", "c"), g.now); err != nil {
			t.Fatal(err)
		}
		// The answer to a question that is older than the promise ends nothing.
		stale, err := g.answered(test.who.PeerAddr, before, &peerv1.Candidate{Self: wireMember(test.who), Proposal: test.proposal}, g.now)
		if stale || err != nil {
			t.Errorf("%s: an answer from before ended it: %v", name, err)
		}
		if got := g.meets(test.who, test.proposal); got != test.ends {
			t.Errorf("%s: ended %t", name, got)
		}
		if _, holds := g.holds(); holds == test.ends {
			t.Errorf("%s: holds %t", name, holds)
		}
		g.gone(a.PeerAddr)
	}
	g := gather("a", "c")
	_ = g.promise(a, proposal("X", "a", "b", "c"), g.now)
	g.now = g.now.Add(time.Hour)
	g.gone(a.PeerAddr)
	g.meets(someMember("c"), "")
	if _, holds := g.holds(); !holds {
		t.Error("silence ended it")
	}
	for _, other := range []cluster.Member{someMember("aa"), reborn(a)} {
		c := proposal("Y", string(other.Node), "b", "c")
		c.Members[0].Boot = other.Boot
		if err := g.promise(other, c, g.now); !errors.Is(err, route.ErrNotExecuted) || !strings.Contains(err.Error(), "its promise to node a") {
			t.Errorf("a second promise, to %s: %v", other.Boot, err)
		}
	}
	if err := g.promise(a, proposal("Y", "a", "b", "c"), g.now); err != nil {
		t.Errorf("the same founder's next proposal: %v", err)
	}
}

// A charter that was decided is taken unless a promise to another stands.
func TestChartersAreAccepted(t *testing.T) {
	x, y := proposal("X", "a", "b", "c"), proposal("Y", "aa", "b", "c")
	later := proposal("X2", "a", "b", "c")
	for name, test := range map[string]struct {
		promised *Charter
		told     Charter
		addr     string
		want     bool
	}{
		"nothing promised":         {nil, x, "c:7000", true},
		"as promised":              {&x, x, "c:7000", true},
		"the founder's other one":  {&x, later, "c:7000", true},
		"another's":                {&x, y, "c:7000", false},
		"another's, by the broken": {&x, y, "a:7000", true}, // the founder has gone into it itself
	} {
		g := gather("a", "c")
		if test.promised != nil {
			if err := g.promise(someMember("a"), *test.promised, g.now); err != nil {
				t.Fatal(err)
			}
		}
		err := g.accept(test.told, test.addr)
		if (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if err := g.promise(someMember("a"), x, g.now); !errors.Is(err, route.ErrNotExecuted) {
				t.Errorf("%s: promised after it: %v", name, err)
			}
		}
	}
}

// Who has the first name proposes, the same charter as long as all are the same.
func TestProposals(t *testing.T) {
	g := gather("c", "d")
	all, err := g.present(g.now)
	if err != nil || names(all) != "b, c, d" {
		t.Fatalf("present: %v, %v", all, err)
	}
	first, ok := g.propose(all)
	if err := first.Check(); !ok || err != nil {
		t.Fatalf("%v: %v", first, err)
	}
	if g.introduction().GetProposal() != first.ClusterID {
		t.Error("it does not say that it proposes")
	}
	if again, _ := g.propose(all); again.ClusterID != first.ClusterID {
		t.Error("it proposes another cluster to the same nodes")
	}
	if err := g.promise(someMember("a"), proposal("X", "a", "b", "c"), g.now); !errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("it promises while it proposes: %v", err)
	}
	g.meets(reborn(someMember("d")), "")
	all, _ = g.present(g.now)
	if anew, ok := g.propose(all); !ok || anew.ClusterID == first.ClusterID {
		t.Error("it does not begin anew when a process did")
	}
	g.gone("d:7000")
	all, _ = g.present(g.now)
	if _, ok := g.propose(all); ok || g.introduction().GetProposal() != "" {
		t.Error("it proposes to two")
	}
	g.meets(someMember("a"), "")
	all, _ = g.present(g.now)
	if _, ok := g.propose(all); ok {
		t.Error("it proposes although another has the first name")
	}
}

// What others tell is bounded, and forgotten.
func TestAddressesAreBounded(t *testing.T) {
	g := gather()
	for i := range 10 {
		wire := &peerv1.Candidate{Self: wireMember(someMember(fmt.Sprint("n", i)))}
		for j := range 1000 {
			wire.Known = append(wire.Known, fmt.Sprintf("n%d-%d:7000", i, j))
		}
		g.hear(wire, g.now)
	}
	if n := len(g.heard()); n != maxAddrs {
		t.Errorf("%d addresses", n)
	}
	g.hear(&peerv1.Candidate{Self: wireMember(g.self)}, g.now.Add(heardFor+1))
	if n := g.heard(); slices.Contains(n, g.self.PeerAddr) || len(n) != 0 {
		t.Errorf("addresses %v", n)
	}
}

// Whatever newborn nodes and members send each other is read or refused.
func FuzzNewbornFrames(f *testing.F) {
	c := proposal("X", "a", "b", "c")
	candidate := &peerv1.Candidate{Self: wireMember(someMember("a")), Expect: 3, Groups: 4, Known: []string{"c:7000"}, Proposal: "X"}
	token, _ := tokenOf(f, "c")
	for kind, m := range [][]byte{
		mustMarshal(&peerv1.FoundRequest{Candidate: candidate, Proposal: wireCharter(c)}),
		mustMarshal(&peerv1.JoinRequest{Token: token, Member: wireMember(someMember("d"))}),
		mustMarshal(&peerv1.FoundResponse{Candidate: candidate, Promised: true}),
		mustMarshal(&peerv1.FoundResponse{Charter: wireCharter(c)}),
		mustMarshal(&peerv1.JoinResponse{Outcome: &peerv1.JoinResponse_Charter{Charter: wireCharter(goodCharter())}}),
	} {
		for _, length := range []int{len(m), len(m) - 1, 1 << 30} {
			f.Add(uint8(kind), append([]byte{byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)}, m...))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		here := &convention{assembly: gather("a", "c").assembly, log: quiet{logger: discard}, config: ConveneConfig{Self: someMember("b"), Expect: 3, Logger: discard}}
		read := strings.NewReader(string(data))
		hello := &peerv1.Hello{Node: "a", StoreId: "store-of-a", BootId: "boot-of-a"}
		switch kind % 4 {
		case 0:
			in := new(peerv1.FoundRequest)
			if readFrame(read, in, maxNewbornRequest) == nil {
				if out := here.respond(hello, in); out.GetPromised() {
					if founder, ok := here.assembly.holds(); !ok || founder.Node != "a" {
						t.Errorf("promised to %v", founder)
					}
				}
			}
		case 1:
			in := new(peerv1.JoinRequest)
			if readFrame(read, in, maxNewbornRequest) == nil {
				_, _ = newcomerOf(in.GetMember())
			}
		case 2:
			out := new(peerv1.FoundResponse)
			if readFrame(read, out, maxNewbornAnswer) == nil {
				if charter, _ := here.take(reply{addr: "a:7000", answer: out}); charter != nil && (charter.Check() != nil || !charter.lists("b", "store-of-b")) {
					t.Errorf("born as %v", charter)
				}
			}
		case 3:
			out := new(peerv1.JoinResponse)
			if readFrame(read, out, maxNewbornAnswer) == nil {
				if charter, err := charterOf(out.GetCharter()); err == nil && charter.Check() != nil {
					t.Errorf("read %v", charter)
				}
			}
		}
	})
}
