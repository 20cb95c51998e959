package peer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

const (
	// presentFor is how long a candidate counts after it answered last.
	presentFor = 3 * time.Second
	// heardFor is how long an address is tried that others told of.
	heardFor = time.Minute
	// maxAddrs bounds the addresses that are tried.
	maxAddrs = 2 * cluster.MaxMembers
)

// assembly is what one newborn node knows of the others that would found a
// cluster with it, and what it has promised. It decides; it talks to nobody. It
// is safe for concurrent use. Times come in as arguments.
//
// A node counts only those candidates that answered it itself; what others tell
// are addresses to try. It has at most one promise out: to itself while it
// proposes, or to the process that proposed. A promise ends when its founder, or
// whoever has the founder's address now, was asked after it was given and does
// not propose that charter any more.
type assembly struct {
	self           cluster.Member
	expect, groups int
	trust          cluster.Trust // that this node would propose

	mu       sync.Mutex
	seen     map[string]candidate // by name and store
	addrs    map[string]time.Time // told by others, and when last
	proposal *Charter             // of this node
	promised *promise             // to another
	given    uint64               // counts the promises to others
	closed   bool                 // the charter is decided: nothing changes any more
}

// candidate is another newborn node, as it answered last.
type candidate struct {
	member         cluster.Member
	expect, groups int
	addr           string // that it was asked at
	at             time.Time
}

// promise is to help found one cluster, and no other.
type promise struct {
	founder   cluster.Member
	clusterID string
}

func newAssembly(self cluster.Member, expect, groups int, first cluster.Trust) *assembly {
	return &assembly{self: self, expect: expect, groups: groups, trust: first, seen: make(map[string]candidate), addrs: make(map[string]time.Time)}
}

// sameProcess reports whether both are one process on one data directory.
func sameProcess(a, b cluster.Member) bool {
	return a.Node == b.Node && a.Store == b.Store && a.Boot == b.Boot
}

// introduction is what this node tells of itself.
func (a *assembly) introduction() *peerv1.Candidate {
	a.mu.Lock()
	defer a.mu.Unlock()
	wire := &peerv1.Candidate{Self: wireMember(a.self), Expect: uint32(a.expect), Groups: uint32(a.groups)}
	for _, c := range a.seen {
		if len(wire.Known) < cluster.MaxMembers {
			wire.Known = append(wire.Known, c.member.PeerAddr)
		}
	}
	if a.proposal != nil {
		wire.Proposal = a.proposal.ClusterID
	}
	return wire
}

// hear notes the addresses of which a candidate told.
func (a *assembly) hear(wire *peerv1.Candidate, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for addr, at := range a.addrs {
		if now.Sub(at) > heardFor {
			delete(a.addrs, addr)
		}
	}
	told := append([]string{wire.GetSelf().GetPeerAddr()}, wire.GetKnown()...)
	for _, addr := range told[:min(len(told), cluster.MaxMembers)] {
		if _, known := a.addrs[addr]; known || len(a.addrs) < maxAddrs && len(addr) < maxHello {
			a.addrs[addr] = now
		}
	}
}

// heard lists the addresses that others told of, without this node's own.
func (a *assembly) heard() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []string
	for addr := range a.addrs {
		if addr != a.self.PeerAddr {
			list = append(list, addr)
		}
	}
	return list
}

// moment is taken before a question, and handed in with its answer.
func (a *assembly) moment() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.given
}

// answered notes who answered at an address to a question that was begun at that
// moment. It reports whether a promise ended by it.
func (a *assembly) answered(addr string, moment uint64, wire *peerv1.Candidate, now time.Time) (released bool, err error) {
	member, err := newcomerOf(wire.GetSelf())
	if err != nil {
		return false, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, c := range a.seen {
		if c.addr == addr || now.Sub(c.at) > presentFor {
			delete(a.seen, key) // another process may have the address now
		}
	}
	if !sameProcess(member, a.self) {
		key := string(member.Node) + "/" + member.Store
		a.seen[key] = candidate{member: member, expect: int(wire.GetExpect()), groups: int(wire.GetGroups()), addr: addr, at: now}
	}
	return a.release(addr, moment, member, wire.GetProposal()), nil
}

// gone notes that nobody listens at an address any more. A promise to who was
// there stands: it may have decided before.
func (a *assembly) gone(addr string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, c := range a.seen {
		if c.addr == addr {
			delete(a.seen, key)
		}
	}
}

// release ends the promise if its founder is gone or has given up.
func (a *assembly) release(addr string, moment uint64, member cluster.Member, proposal string) bool {
	p := a.promised
	switch {
	case p == nil || a.closed || moment != a.given: // asked before it was given
		return false
	case sameProcess(member, p.founder) && proposal == p.clusterID:
		return false
	case addr == p.founder.PeerAddr, member.Node == p.founder.Node && member.Store == p.founder.Store:
		a.promised = nil
		return true
	default:
		return false
	}
}

// present returns this node and the candidates that answered lately, by name, or
// why they cannot found a cluster together.
func (a *assembly) present(now time.Time) ([]cluster.Member, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []cluster.Member{a.self}
	var wrong []error
	for _, c := range a.seen {
		if now.Sub(c.at) > presentFor {
			continue
		}
		all = append(all, c.member)
		if c.expect != a.expect {
			wrong = append(wrong, fmt.Errorf("node %s at %s waits for %d nodes, this one for %d; start all with the same number", c.member.Node, c.addr, c.expect, a.expect))
		}
		if c.groups != a.groups {
			wrong = append(wrong, fmt.Errorf("node %s at %s wants %d groups, this one %d; start all with the same number", c.member.Node, c.addr, c.groups, a.groups))
		}
	}
	slices.SortFunc(all, func(x, y cluster.Member) int {
		return strings.Compare(string(x.Node)+"/"+x.Store+"/"+x.Boot, string(y.Node)+"/"+y.Store+"/"+y.Boot)
	})
	stores := make(map[string]cluster.Member)
	for i, m := range all {
		if i > 0 && all[i-1].Node == m.Node {
			wrong = append(wrong, fmt.Errorf("two nodes call themselves %s, at %s and %s; give each a name of its own", m.Node, all[i-1].PeerAddr, m.PeerAddr))
		}
		if other, twice := stores[m.Store]; twice && other.Node != m.Node {
			wrong = append(wrong, fmt.Errorf("nodes %s and %s run on copies of one data directory; start one with an empty one", other.Node, m.Node))
		}
		stores[m.Store] = m
	}
	if len(all) > a.expect {
		wrong = append(wrong, fmt.Errorf("%d nodes want to found a cluster of %d: %s; start all with the number of them, or stop those that do not belong to it", len(all), a.expect, names(all)))
	}
	slices.SortFunc(wrong, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	return all, errors.Join(wrong...)
}

func names(members []cluster.Member) string {
	list := make([]string, len(members))
	for i, m := range members {
		list[i] = string(m.Node)
	}
	return strings.Join(list, ", ")
}

// propose returns the charter that this node asks the others' promises for, if
// it is for this node to ask. It is the same one as long as they are the same.
func (a *assembly) propose(all []cluster.Member) (Charter, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(all) != a.expect || all[0].Node != a.self.Node || a.promised != nil {
		a.proposal = nil
		return Charter{}, false
	}
	if a.proposal == nil || !slices.Equal(a.proposal.Members, founding(all)) {
		c := Charter{ClusterID: rand.Text(), Groups: a.groups, Trust: a.trust, Members: founding(all), Founders: foundersOf(all), Level: all[0].Level}
		for _, m := range all {
			c.Level = min(c.Level, m.Level)
		}
		a.proposal = &c
	}
	return *a.proposal, true
}

// founding makes of candidates the members that a cluster is born with.
func founding(all []cluster.Member) []cluster.Member {
	members := slices.Clone(all)
	for i := range members {
		members[i].State = cluster.Active
	}
	return members
}

// foundersOf chooses the first voters among members in the order of their names:
// as many as groups have, but an odd number.
func foundersOf(members []cluster.Member) []cluster.NodeID {
	n := min(len(members), cluster.ReplicationFactor)
	if n%2 == 0 {
		n--
	}
	var founders []cluster.NodeID
	for _, m := range members[:n] {
		founders = append(founders, m.Node)
	}
	return founders
}

// giveUp takes the own proposal back.
func (a *assembly) giveUp() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.proposal = nil
}

// decide closes the assembly with the charter that this node proposed. After it
// no promise is given, none ends, and the proposal is not taken back.
func (a *assembly) decide() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
}

// accept closes the assembly with a charter that the born node at an address
// told, unless this node's promise is still out to another founder: that is kept
// until it is known to be void, as by this node's being at the founder's address.
func (a *assembly) accept(c Charter, addr string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	// A founder decides once, whatever it proposed before.
	if p := a.promised; p != nil && p.clusterID != c.ClusterID && !sameProcess(p.founder, c.Members[0]) && p.founder.PeerAddr != addr {
		return fmt.Errorf("this node promised node %s to found another cluster with it", p.founder.Node)
	}
	a.proposal, a.closed = nil, true
	return nil
}

// promise gives this node's promise to a founder, or says why not. Repeating it
// is harmless.
func (a *assembly) promise(founder cluster.Member, c Charter, now time.Time) error {
	if err := a.fits(founder, c); err != nil {
		return fmt.Errorf("%w: %w", route.ErrInvalid, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return fmt.Errorf("%w: this node is being born", route.ErrNotExecuted)
	case a.proposal != nil:
		return fmt.Errorf("%w: this node asks for promises itself", route.ErrNotExecuted)
	case a.promised != nil && !sameProcess(a.promised.founder, founder):
		return fmt.Errorf("%w: this node gave its promise to node %s; should that be gone for good, restart this one", route.ErrNotExecuted, a.promised.founder.Node)
	}
	for _, other := range a.seen {
		if now.Sub(other.at) <= presentFor && !c.lists(other.member.Node, other.member.Store) {
			return fmt.Errorf("%w: node %s is a candidate too", route.ErrNotExecuted, other.member.Node)
		}
	}
	a.promised = &promise{founder: founder, clusterID: c.ClusterID}
	a.given++
	return nil
}

// fits checks that a proposal is what this node would propose in the founder's
// place.
func (a *assembly) fits(founder cluster.Member, c Charter) error {
	self, ok := c.member(a.self.Node)
	switch {
	case len(c.Members) != a.expect:
		return fmt.Errorf("it is for %d nodes, this one waits for %d", len(c.Members), a.expect)
	case c.Groups != a.groups:
		return fmt.Errorf("it is for %d groups, this one wants %d", c.Groups, a.groups)
	case !ok || !sameProcess(self, a.self):
		return errors.New("this node is not in it as it is now")
	case !sameProcess(c.Members[0], founder):
		return fmt.Errorf("it comes from node %s, but node %s has the first name in it", founder.Node, c.Members[0].Node)
	case !slices.Equal(c.Founders, foundersOf(c.Members)):
		return fmt.Errorf("its founders are %v, they should be %v", c.Founders, foundersOf(c.Members))
	}
	return nil
}

// holds tells to whom this node has promised, if it has.
func (a *assembly) holds() (founder cluster.Member, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.promised == nil {
		return cluster.Member{}, false
	}
	return a.promised.founder, true
}
