package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// notice is the word that clients should turn to another node, while this one
// still serves them. It is safe for concurrent use.
type notice struct {
	mu    sync.Mutex
	tell  func(ready bool) // nil until there is somebody to tell
	since time.Time        // zero when there is none
	why   web.Reason
	final bool // it stands until the end
}

// announce has tell told whenever clients shall come or go, now first.
func (n *notice) announce(tell func(ready bool)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tell = tell
	tell(n.why == web.Reason{})
}

// give gives notice, or changes the reason of the one there is.
func (n *notice) give(why web.Reason, now time.Time) { n.set(why, now, false) }

// end is give for good; it returns since when there is a notice.
func (n *notice) end(why web.Reason, now time.Time) (since time.Time) { return n.set(why, now, true) }

// withdraw has clients come again.
func (n *notice) withdraw() { n.set(web.Reason{}, time.Time{}, false) }

func (n *notice) set(why web.Reason, now time.Time, final bool) (since time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.final && !final {
		return n.since
	}
	none := web.Reason{}
	news := (why == none) != (n.why == none)
	if news {
		n.since = now
	}
	n.why, n.final = why, final
	if news && n.tell != nil {
		n.tell(why == none)
	}
	return n.since
}

// given returns why clients should turn to another node, if they should.
func (n *notice) given() (why web.Reason, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.why, n.why != web.Reason{}
}

// draining is the reason of a node that was told to go.
func draining(detail string) web.Reason { return web.Reason{Name: "draining", Detail: detail} }

// watchOrders sends clients elsewhere while the cluster has this node drain or
// leave, which it is told to do before it is stopped. A drain that was ordered
// before this process started has had its stop: the node serves again, whether or
// not it may lead.
func (n *Node) watchOrders(ctx context.Context) {
	var leaving sync.Once
	for before := true; ; {
		news := n.local.Changed()
		var self cluster.Member
		n.local.Read(func(s *cluster.State) { self, _ = s.Member(n.host.Node()) })
		switch {
		case self.Leaving:
			n.doors.notice.give(draining("this node leaves its cluster"), time.Now())
			leaving.Do(func() { n.keeping.Go(func() { n.hurryUsage(ctx) }) })
		case self.State == cluster.Draining && before:
		case self.State == cluster.Draining:
			n.doors.notice.give(draining(fmt.Sprintf("this node was drained; `mayfly node resume %s` ends that", self.Node)), time.Now())
		default:
			before = false
			n.doors.notice.withdraw()
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// takeLeave has clients sent elsewhere before any is turned away: the node says
// that it goes, gives its leaderships away, so that nobody has to notice first
// that it is gone, and serves on for a while.
func (n *Node) takeLeave(ctx context.Context) {
	since := n.doors.notice.end(draining("this node is stopping"), time.Now())
	n.handOver(ctx)
	left := n.grace() - time.Since(since)
	if left <= 0 {
		return
	}
	n.logger.Info("serving on while clients are sent elsewhere", slog.Duration("grace", left.Round(time.Millisecond)))
	over := time.NewTimer(left)
	defer over.Stop()
	select {
	case <-over.C:
	case <-n.ending: //nolint:errcheck // it is stopping already
	case <-n.doors.broken.Done():
	}
}

// grace is how long this node serves on after it has given notice.
func (n *Node) grace() time.Duration {
	if n.config.StopGrace != OwnGrace {
		return n.config.StopGrace
	}
	if n.members() < 2 || n.config.loopbackOnly() {
		return 0
	}
	return clusterGrace
}
