package api

import (
	"cmp"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/mayfly-broker/mayfly/rpc/admit"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// How many calls each lane serves at a time. Of those from memory so many that a node
// which forwards them to another, a millisecond away, has a quarter of a million a
// second under way. Of writes so many that groups have enough to gather, for few in an
// entry cost more each: with half as many, 10,240 callers on two busy cores had a
// quarter fewer writes done, and one beside them waited half as long.
const (
	quickRoom   = 256
	slowRoom    = 512
	controlRoom = 64
)

// lanes let calls in when a node has more to do than it can do at once. Health and
// pings have none: they never wait.
type lanes struct {
	// quick is for what is answered from memory, slow for what has to be on the disks
	// of most of a group first, and control for caches as a whole, keys and operators.
	quick, slow, control *admit.Lane
}

func newLanes() lanes {
	return lanes{
		quick:   admit.New(quickRoom),
		slow:    admit.New(slowRoom),
		control: admit.New(controlRoom),
	}
}

// of is the lane of calls that need so much; nil for none.
func (l *lanes) of(n need) *admit.Lane {
	switch n {
	case readItem, subscribe, publish:
		return l.quick
	case writeItem, readWriteItem:
		return l.slow
	case control, ownCredential:
		return l.control
	default:
		return nil
	}
}

// enter waits until it is the call's turn. The message is here, and nothing was done
// with it yet.
func (c *call) enter(size int) error {
	if c.lane == nil {
		return nil
	}
	c.Idle() // another message of the same call
	pass, err := c.lane.Enter(c, size, c.caller)
	c.passing.Lock()
	defer c.passing.Unlock()
	c.pass = pass
	return err
}

// Idle gives the call's place to another. It implements route.Idler: groups that have
// lost their leader, or have one that cannot prove it, keep nobody from what others
// lead.
func (c *call) Idle() {
	c.passing.Lock()
	defer c.passing.Unlock()
	c.pass.Leave()
}

// sendPatience is how long a call keeps its place while its client does not read.
const sendPatience = 100 * time.Millisecond

// send sends a message of a stream that is in a lane. While its client reads slowly
// others have its place, and before it sends more it waits for its turn again.
func (c *call) send(stream grpc.ServerStream, message any) error {
	if c.lane == nil || c.method.need == subscribe { // which leaves before it has anything to send
		return stream.SendMsg(message)
	}
	if c.away {
		c.away = false
		if err := c.enter(0); err != nil {
			return err
		}
	}
	left := make(chan struct{})
	slow := time.AfterFunc(sendPatience, func() {
		defer close(left)
		c.Idle()
	})
	defer func() {
		if !slow.Stop() {
			<-left
			c.away = true
		}
	}()
	return stream.SendMsg(message)
}

// caller is who takes turns: those with one API key or one that came from it, or of
// one kind, together, and among them each token, or else each connection, for itself. Strangers are told
// apart by where they come from.
func (c *call) caller() admit.Caller {
	who := admit.Caller{Group: cmp.Or(c.who.Account, c.who.Kind.String()), Weight: c.who.Limits.Weight}
	from := ""
	if p, ok := peer.FromContext(c); ok && p.Addr != nil {
		from = p.Addr.String()
	}
	switch c.who.Kind {
	case auth.KindToken:
		who.Member = c.who.ID
	case auth.KindAPIKey, auth.KindAdmin:
		who.Member = from
	default:
		host, _, _ := net.SplitHostPort(from)
		who.Group, who.Member = who.Group+" "+host, from
	}
	return who
}
