package fanout

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const clusterNodes = 3

var clusterKeys = []Key{{"chat", "a"}, {"chat", "b"}}

// cluster is some brokers that share partition 0, what really was published there, and clients that move among them.
// Faithful links lose nothing and logs keep everything; then a client may miss only what a dead leader took with it.
type cluster struct {
	t        *rapid.T
	faithful bool
	config   Config
	now      time.Time
	term     uint64
	leader   int // the one elected last
	nodes    [clusterNodes]*Broker
	relays   [clusterNodes]*relay // by the node that mirrors
	clients  []*client
	truth    map[Key][]Position        // all items, whoever numbered them
	lost     map[Key]map[Position]bool // items that the next leader never heard of
}

// client is a reader that checks what it is told.
type client struct {
	key  Key
	node int
	sub  *Subscription
	seen Position // zero until its first place
	sure bool     // seen was given out by a leader
}

func newCluster(t *rapid.T) *cluster {
	c := &cluster{
		t: t, now: epoch, faithful: rapid.Bool().Draw(t, "faithful"),
		truth: make(map[Key][]Position), lost: make(map[Key]map[Position]bool),
	}
	c.config = Config{TopicItems: 4}
	if c.faithful {
		c.config = Config{TopicItems: 4096, Retention: 1000 * time.Hour, ForgetAfter: 1000 * time.Hour}
	}
	for _, key := range clusterKeys {
		c.lost[key] = make(map[Position]bool)
	}
	for i := range c.nodes {
		c.restart(i)
	}
	c.elect(0)
	return c
}

// restart replaces a node by one that knows nothing.
func (c *cluster) restart(i int) {
	b, err := New(c.config, epoch)
	if err != nil {
		c.t.Fatal(err)
	}
	c.nodes[i] = b
	c.mirror(i)
}

// mirror makes a node follow whoever leads.
func (c *cluster) mirror(i int) {
	c.relays[i] = nil
	if err := c.nodes[i].Mirror(0); err != nil {
		c.t.Fatal(err)
	}
}

// elect makes a node the leader, after a survey of all.
func (c *cluster) elect(i int) {
	c.term++
	survey := c.nodes[i].NewSurvey(0)
	known := make(map[Key]map[Position]bool)
	last := make(map[Key]Position)
	for _, key := range clusterKeys {
		known[key] = make(map[Position]bool)
	}
	for n, b := range c.nodes {
		for seen := range b.Seen(0) {
			for _, item := range seen.Items {
				known[seen.Key][item.Position] = true
			}
			if seen.Last.Compare(last[seen.Key]) > 0 {
				last[seen.Key] = seen.Last
			}
			if n == i {
				continue
			}
			if err := survey.Adopt(seen); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	if !c.nodes[i].Owns(0) && rapid.Bool().Draw(c.t, "a relay looks for the old leader") {
		connect(c.t, c.nodes[c.leader], c.nodes[i])
	}
	if err := survey.Own(pageOf(c.t, c.term)); err != nil {
		c.t.Fatal(err)
	}
	c.leader, c.relays[i] = i, nil
	for _, key := range clusterKeys {
		for _, p := range c.truth[key] {
			if !known[key][p] {
				c.lost[key][p] = true
			}
		}
	}
	for seen := range c.nodes[i].Seen(0) {
		if want := (Position{pageOf(c.t, c.term), last[seen.Key].Sequence}); seen.Last != want {
			c.t.Fatalf("%v continues behind %v, want %v", seen.Key, seen.Last, want)
		}
		if c.faithful && len(seen.Items) != len(known[seen.Key]) {
			c.t.Fatalf("the new leader has %d items of %v, the nodes had %d", len(seen.Items), seen.Key, len(known[seen.Key]))
		}
	}
}

// takeover elects a new leader; the old one dies, steps down, or does not notice yet.
func (c *cluster) takeover(t *rapid.T) {
	c.t = t
	old, next := c.leader, c.draw("next leader")
	if next != old {
		switch rapid.SampledFrom([]string{"dies", "steps down", "lingers"}).Draw(t, "old leader") {
		case "dies":
			for i := range c.nodes {
				if r := c.relays[i]; r != nil && r.leader == c.nodes[old] {
					r.link.Close()
					c.relays[i] = nil
				}
			}
			for _, cl := range c.clients {
				if cl.node == old {
					cl.sub = nil // its stream broke
				}
			}
			c.restart(old)
		case "steps down":
			c.mirror(old)
		}
	}
	c.elect(next)
}

// notice makes leaders of the past find out.
func (c *cluster) notice(t *rapid.T) {
	c.t = t
	for i, b := range c.nodes {
		if i != c.leader && b.Owns(0) {
			c.mirror(i)
		}
	}
}

func (c *cluster) draw(what string) int { return rapid.IntRange(0, clusterNodes-1).Draw(c.t, what) }

// publish lets anybody who thinks it may number an item do so.
func (c *cluster) publish(t *rapid.T) {
	c.t = t
	i, key := c.draw("node"), rapid.SampledFrom(clusterKeys).Draw(t, "key")
	if !c.nodes[i].Owns(0) {
		i = c.leader
	}
	p, err := c.nodes[i].Publish(0, key, c.now, encodePosition)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(c.truth[key], p) {
		t.Fatalf("%v was given out twice", p)
	}
	c.truth[key] = append(c.truth[key], p)
	if i != c.leader {
		c.lost[key][p] = true
	}
}

// join connects a node with somebody who leads or thinks so.
func (c *cluster) join(t *rapid.T) {
	c.t = t
	i, to := c.draw("node"), c.draw("leader")
	if !c.nodes[to].Owns(0) {
		to = c.leader
	}
	if !c.nodes[i].Owns(0) {
		c.relays[i] = connect(t, c.nodes[to], c.nodes[i])
	}
}

func (c *cluster) part(t *rapid.T) {
	c.t = t
	if i := c.draw("node"); c.relays[i] != nil {
		c.relays[i].link.Close()
		c.relays[i] = nil
	}
}

// carry moves things along one connection.
func (c *cluster) carry(t *rapid.T) {
	c.t = t
	r := c.relays[c.draw("node")]
	if r == nil {
		return
	}
	r.t = t
	switch rapid.SampledFrom([]string{"ask", "send", "mark", "pump"}).Draw(t, "what") {
	case "ask":
		r.ask(c.now)
	case "send":
		r.send()
	case "mark":
		r.mux.Mark()
	case "pump":
		r.ask(c.now)
		r.send()
		for len(r.frames) > 0 {
			c.arrive(r)
		}
	}
	for n := rapid.IntRange(0, 3).Draw(t, "frames"); n > 0 && len(r.frames) > 0; n-- {
		c.mangle(r)
		if len(r.frames) > 0 {
			c.arrive(r)
		}
	}
}

// mangle does to the first frame what bad links do.
func (c *cluster) mangle(r *relay) {
	if c.faithful || r.frames[0].Kind != Told {
		return
	}
	switch rapid.SampledFrom([]string{"pass", "drop", "repeat", "delay"}).Draw(c.t, "frame") {
	case "drop":
		r.frames = r.frames[1:]
	case "repeat":
		r.frames = append(r.frames, r.frames[0])
	case "delay":
		if len(r.frames) > 1 && r.frames[1].Kind == Told {
			r.frames[0], r.frames[1] = r.frames[1], r.frames[0]
		}
	}
}

func (c *cluster) arrive(r *relay) {
	f := r.frames[0]
	r.frames = r.frames[1:]
	r.arrive(f, c.now)
}

// come is a new client.
func (c *cluster) come(t *rapid.T) {
	c.t = t
	cl := &client{key: rapid.SampledFrom(clusterKeys).Draw(t, "key"), node: c.draw("node")}
	if !c.faithful && rapid.Bool().Draw(t, "from anywhere") {
		cl.seen.Page = pageOf(t, rapid.Uint64Range(1, c.term+1).Draw(t, "page"))
		cl.seen.Sequence = rapid.Uint64Range(0, 9).Draw(t, "number")
	}
	c.subscribe(cl)
	c.clients = append(c.clients, cl)
}

func (c *cluster) subscribe(cl *client) {
	from := Position{}
	if cl.seen.Page != 0 {
		from = cl.seen.next()
	}
	s, err := c.nodes[cl.node].Subscribe(0, cl.key, from, c.now)
	if err != nil {
		c.t.Fatal(err)
	}
	cl.sub = s
	for i, b := range c.nodes {
		// A leader of the past, and who follows it, cannot know the page that the client names.
		cl.sure = cl.sure && (i == c.leader || !b.Owns(0))
	}
}

func (c *cluster) anyone() *client {
	if len(c.clients) == 0 {
		return nil
	}
	return rapid.SampledFrom(c.clients).Draw(c.t, "client")
}

// move lets a client lose its stream and come back, maybe elsewhere.
func (c *cluster) move(t *rapid.T) {
	c.t = t
	if cl := c.anyone(); cl != nil {
		if cl.sub != nil {
			cl.sub.Close()
		}
		cl.node = c.draw("node")
		c.subscribe(cl)
	}
}

func (c *cluster) leave(t *rapid.T) {
	c.t = t
	if len(c.clients) > 0 {
		i := rapid.IntRange(0, len(c.clients)-1).Draw(t, "client")
		if s := c.clients[i].sub; s != nil {
			s.Close()
		}
		c.clients = slices.Delete(c.clients, i, i+1)
	}
}

func (c *cluster) read(t *rapid.T) {
	c.t = t
	if cl := c.anyone(); cl != nil && cl.sub != nil {
		c.follow(cl, rapid.IntRange(1, 5).Draw(t, "room"))
	}
}

// follow checks what a client is told next: that it continues what the client has seen, that it was published, and
// that what it skips is said exactly, and not skipped without reason.
func (c *cluster) follow(cl *client, room int) int {
	if cl.seen.Page == 0 {
		if cl.seen = cl.sub.Position(); cl.seen.Page != 0 {
			cl.sure = true
		}
	}
	buf := make([]Event, room)
	n, err := cl.sub.Take(buf)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range buf[:n] {
		if gap, ok := e.Discontinuity(); ok {
			to := Position{gap.Page, gap.New}
			if gap.Last != cl.seen.Sequence || cl.sure && to.Compare(cl.seen) <= 0 {
				c.t.Fatalf("client at %v was told %+v", cl.seen, gap)
			}
			if c.faithful {
				c.excuse(cl, to)
			}
			cl.seen, cl.sure = to, true
			continue
		}
		item, _ := e.Item()
		word(c.t, e) // checks the bytes
		if !item.follows(cl.seen) || !slices.Contains(c.truth[cl.key], item.Position) {
			c.t.Fatalf("client at %v was told item %v", cl.seen, item.Position)
		}
		cl.seen, cl.sure = item.Position, true
	}
	return n
}

// excuse checks that a gap has a reason.
func (c *cluster) excuse(cl *client, to Position) {
	missed := 0
	for _, p := range c.truth[cl.key] {
		if p.Compare(cl.seen) <= 0 || p.Compare(to) > 0 {
			continue
		}
		if !c.lost[cl.key][p] {
			c.t.Fatalf("the gap from %v to %v left out %v, which was not lost", cl.seen, to, p)
		}
		missed++
	}
	if missed == 0 && to.Page == cl.seen.Page {
		c.t.Fatalf("a gap from %v to %v left out nothing", cl.seen, to)
	}
}

func (c *cluster) pass(t *rapid.T) {
	c.t = t
	c.now = c.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
	for _, b := range c.nodes {
		b.Sweep(c.now)
	}
}

// heal gives everybody a good connection to the leader and lets everything arrive.
func (c *cluster) heal() {
	c.notice(c.t)
	for i := range c.nodes {
		for try := 0; i != c.leader && !c.catchUp(i); try++ {
			if try == 2 {
				c.t.Fatalf("node %d cannot follow the leader", i)
			}
		}
	}
}

// catchUp lets everything arrive at a node; false if its leader turned out to be stale.
func (c *cluster) catchUp(i int) bool {
	b := c.nodes[i]
	connected := func() bool { return b.partitionOf(0).link.Load() == c.relays[i].link }
	if r := c.relays[i]; r == nil || r.leader != c.nodes[c.leader] || !connected() {
		c.relays[i] = connect(c.t, c.nodes[c.leader], b)
	}
	r := c.relays[i]
	r.t = c.t
	r.pump(c.now)
	for range 3 {
		r.mux.Mark()
		r.pump(c.now)
	}
	return connected()
}

func (b *Broker) partitionOf(id uint32) *partition {
	p, err := b.partition(id)
	if err != nil {
		panic(fmt.Sprint("no partition: ", err))
	}
	return p
}

// settle checks that all clients, wherever they are, end where the leader is.
func (c *cluster) settle() {
	c.heal()
	for _, cl := range c.clients {
		if cl.sub == nil {
			c.subscribe(cl)
		}
	}
	for range 2 { // a client that finds out by reading that it has to wait needs a second look
		c.heal()
		for _, cl := range c.clients {
			for c.follow(cl, 3) > 0 {
			}
		}
	}
	for _, cl := range c.clients {
		var last Position
		for seen := range c.nodes[c.leader].Seen(0) {
			if seen.Key == cl.key {
				last = seen.Last
			}
		}
		if !cl.sub.Live() || cl.sub.Position() != last {
			c.t.Fatalf("client at node %d stands at %v, live %t, the leader %d at %v",
				cl.node, cl.sub.Position(), cl.sub.Live(), c.leader, last)
		}
	}
}

// TestCluster runs random histories of a leader, its mirrors, bad links, and clients that move among them.
func TestCluster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t)
		t.Repeat(map[string]func(*rapid.T){
			"publish": c.publish, "publish again": c.publish, "publish more": c.publish,
			"carry": c.carry, "carry again": c.carry, "carry more": c.carry, "carry on": c.carry,
			"join": c.join, "join again": c.join, "part": c.part,
			"come": c.come, "move": c.move, "leave": c.leave,
			"read": c.read, "read again": c.read,
			"take over": c.takeover, "notice": c.notice, "pass": c.pass,
		})
		c.t = t
		c.settle()
		for _, cl := range c.clients {
			cl.sub.Close()
		}
	})
}
