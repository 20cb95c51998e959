package gossip

import (
	"errors"
	"net/netip"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/mayfly-broker/mayfly/cluster"
)

var errTableFull = errors.New("gossip: the table of members is full")

// ears are memberlist's callbacks. Most are called while it holds its lock:
// they copy, and never wait or call back.
type ears struct {
	table *table
	log   *journal
	claim []byte // this node's own, encoded; never changed
}

var (
	_ memberlist.Delegate         = (*ears)(nil)
	_ memberlist.AliveDelegate    = (*ears)(nil)
	_ memberlist.EventDelegate    = (*ears)(nil)
	_ memberlist.ConflictDelegate = (*ears)(nil)
)

// hear reads a node of the library, as a stranger's words.
func hear(n *memberlist.Node) (Peer, error) {
	node, err := cluster.ParseNodeID(n.Name)
	if err != nil {
		return Peer{}, err
	}
	claim, err := decodeClaim(n.Meta)
	if err != nil {
		return Peer{}, err
	}
	ip, _ := netip.AddrFromSlice(n.Addr) // an invalid one does not pass the check
	at := netip.AddrPortFrom(ip.Unmap(), n.Port)
	if err := claim.check(node, at); err != nil {
		return Peer{}, err
	}
	return Peer{Node: node, Addr: at, Claim: claim, Alive: true, Since: time.Now()}, nil
}

// NotifyAlive is the gate: who is malformed or one too many does not get in.
func (e *ears) NotifyAlive(n *memberlist.Node) error {
	p, err := hear(n)
	if err != nil {
		return err
	}
	if !e.table.hasRoom(p.Node) {
		return errTableFull
	}
	return nil
}

// NotifyJoin records a member that came, or came back.
func (e *ears) NotifyJoin(n *memberlist.Node) { e.NotifyUpdate(n) }

// NotifyUpdate records what a member says of itself now.
func (e *ears) NotifyUpdate(n *memberlist.Node) {
	if p, err := hear(n); err == nil { // else it did not pass the gate
		e.table.heard(p)
	}
}

// NotifyLeave records that a member is gone. Whether it left or died cannot be
// told: the state is not set in what is handed over.
func (e *ears) NotifyLeave(n *memberlist.Node) { e.table.lost(cluster.NodeID(n.Name), time.Now()) }

// NotifyConflict records a second claimant of a name.
func (e *ears) NotifyConflict(existing, other *memberlist.Node) {
	held, err := hear(existing)
	if err != nil {
		return
	}
	came, err := hear(other)
	if err != nil {
		return
	}
	c := Conflict{Node: held.Node, Held: held.Addr, Other: came.Addr, Last: came.Since}
	if !e.table.conflict(c) {
		return
	}
	what := "gossip: a node's name is used at two addresses; unless it has just moved, one of them has to stop"
	if c.Node == e.table.self {
		what = "gossip: another node uses the name of this one; one of them has to stop"
	}
	e.log.warn(what, "node", string(c.Node), "held_addr", c.Held.String(), "held_store", held.Store,
		"other_addr", c.Other.String(), "other_store", came.Store)
}

// NodeMeta is what this node says of itself.
func (e *ears) NodeMeta(int) []byte { return e.claim }

// NotifyMsg drops messages: gossip carries none, so a stranger sent it.
func (e *ears) NotifyMsg([]byte) {}

// GetBroadcasts has none.
func (e *ears) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState has none.
func (e *ears) LocalState(bool) []byte { return nil }

// MergeRemoteState drops it, see NotifyMsg.
func (e *ears) MergeRemoteState([]byte, bool) {}
