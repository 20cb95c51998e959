package peer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// vessel is a whole node but for gossip and the steward.
type vessel struct {
	name   cluster.NodeID
	topics *fanout.Broker
	local  *route.Local
	host   *replica.Host
	mux    *Mux
	pool   *Pool
	server *Server
	router *route.Router
	stop   func()
}

func launch(t *testing.T, s *straits, name cluster.NodeID, all []cluster.NodeID) *vessel {
	v := &vessel{name: name}
	bell := route.NewBell()
	var err error
	if v.topics, err = fanout.New(fanout.Config{Notify: func(uint32) { bell.Ring() }}, time.Now()); err != nil {
		t.Fatal(err)
	}
	self := Identity{ClusterID: "c", Node: string(name), StoreID: "store of " + string(name), BootID: "boot of " + string(name)}
	v.local = route.NewLocal(route.LocalConfig{
		Topics: v.topics,
		Encode: func(at fanout.Position, m route.Message) []byte { return m.Value },
		Survey: func(ctx context.Context, g cluster.GroupID, page uint64, take func(fanout.Seen) error) (heard []cluster.NodeID) {
			ctx, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
			defer cancel()
			var asking sync.WaitGroup
			var mu sync.Mutex // over heard
			for _, other := range all {
				if other == name {
					continue
				}
				asking.Go(func() {
					if v.pool.Client(other).Survey(ctx, g, page, take) == nil {
						mu.Lock()
						defer mu.Unlock()
						heard = append(heard, other)
					}
				})
			}
			asking.Wait()
			return heard
		},
	})
	v.mux = NewMux(MuxConfig{
		Listener: s.listen(name), Self: self, Guard: func(Identity) error { return nil },
		Resolve: func(n cluster.NodeID) (string, bool) { return string(n), true }, Dial: s.dial(name),
		Wallet: walletOf(t, self, someTrust()),
	})
	v.pool = NewPool(PoolConfig{Self: self, Dial: func(ctx context.Context, n cluster.NodeID) (net.Conn, error) {
		return v.mux.DialCalls(context.WithValue(ctx, forCalls{}, true), n)
	}})
	v.host, err = replica.Open(t.Context(), replica.Config{
		Node: name, ClusterID: "c", DataGroups: 1, Founders: all, Network: v.mux,
		StateMachine: v.local.StateMachine, Terms: v.pool.Terms,
		StoreID: self.StoreID,
	})
	if err != nil {
		t.Fatal(err)
	}
	v.server, err = NewServer(ServerConfig{Node: v.local, Catalog: v.local, Terms: v.host, Witness: v.local, Topics: v.local})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = v.server.Serve(v.mux.Calls()) })
	for _, g := range v.host.Groups() {
		v.local.Bind(g)
	}
	v.router = route.NewRouter(route.RouterConfig{
		Topology: v.host.Topology(), Local: v.local, Gateway: []byte("0123456789abcde" + name), Self: name, Seeds: all,
		Face: func(n cluster.NodeID) route.Face { return v.pool.Client(n) },
	})
	mirrors := route.NewMirrors(route.MirrorsConfig{Router: v.router, Bell: bell, Open: func(ctx context.Context, n cluster.NodeID) (route.Upstream, error) {
		u, err := v.pool.Client(n).Mirror(ctx)
		if err != nil {
			return nil, err
		}
		return u, nil
	}})
	ctx, end := context.WithCancel(context.Background())
	running.Go(func() { v.local.Run(ctx, v.router.CatchUp) })
	running.Go(func() { mirrors.Run(ctx) })
	v.stop = sync.OnceFunc(func() {
		end()
		v.router.Close()
		now, cut := context.WithCancel(context.Background())
		cut()
		_ = v.server.Stop(now)
		_ = v.pool.Close()
		v.topics.Close()
		_ = v.host.Close(context.Background())
		_ = v.mux.Close()
		v.local.Wait()
		running.Wait()
	})
	return v
}

// voyage is three nodes on the straits, one of which leads the group of a topic
// that another one reads.
type voyage struct {
	*straits
	t      *testing.T
	fleet  map[cluster.NodeID]*vessel
	names  []cluster.NodeID
	leader *vessel
}

var cabin = fanout.Key{Cache: "chat", Topic: "cabin"}

// sail runs a story in fake time.
func sail(t *testing.T, story func(*voyage)) {
	synctest.Test(t, func(t *testing.T) {
		v := &voyage{straits: newStraits(), t: t, fleet: make(map[cluster.NodeID]*vessel), names: []cluster.NodeID{"a", "b", "c"}}
		defer v.running.Wait()
		for _, n := range v.names {
			v.fleet[n] = launch(t, v.straits, n, v.names)
			defer v.fleet[n].stop()
		}
		v.find()
		story(v)
	})
}

// find waits for a leader that numbers the topics.
func (v *voyage) find() {
	for v.leader = nil; v.leader == nil; time.Sleep(100 * time.Millisecond) {
		for _, n := range v.names {
			if s := v.fleet[n]; s.host.Group(1).IsLeader() && s.topics.Owns(1) {
				v.leader = s
			}
		}
	}
}

// other is a node that does not lead.
func (v *voyage) other() *vessel {
	for _, n := range v.names {
		if v.fleet[n] != v.leader {
			return v.fleet[n]
		}
	}
	return nil
}

// publish lets the leader number an item.
func (v *voyage) publish() {
	v.t.Helper()
	if _, err := v.leader.local.Publish(v.t.Context(), 1, cabin, route.Message{}); err != nil {
		v.t.Fatal(err)
	}
}

// back is how soon readers are served again when a connection has died without a
// word: keepalive takes 15 seconds at most, a new connection no more than the rest.
const back = 20 * time.Second

// However far the connection to the leader has come when it dies without a word,
// in one direction or the other, a reader finds its place over the next one.
func TestReadersOutliveHalfOpenConnections(t *testing.T) {
	for _, answers := range []bool{false, true} {
		for after := range 12 {
			t.Run(fmt.Sprintf("answers %v, after piece %d", answers, after), func(t *testing.T) {
				sail(t, func(v *voyage) {
					reader := v.other()
					v.set(&trap{wire: wire{reader.name, v.leader.name}, answers: answers, after: after})
					began := time.Now()
					s, err := reader.local.Subscribe(1, cabin, fanout.Position{})
					if err != nil {
						v.t.Fatal(err)
					}
					defer func() { s.Close() }()
					for !s.Live() {
						if time.Since(began) > back {
							v.t.Fatalf("the reader has no place after %s", back)
						}
						time.Sleep(100 * time.Millisecond)
						if _, err := s.Take(make([]fanout.Event, 1)); err != nil { // sent away
							if s, err = reader.local.Subscribe(1, cabin, fanout.Position{}); err != nil {
								v.t.Fatal(err)
							}
						}
					}
					v.hears(s)
				})
			})
		}
	}
}

// hears demands that a reader hears what is published now.
func (v *voyage) hears(s *fanout.Subscription) {
	v.t.Helper()
	v.publish()
	ctx, cancel := context.WithTimeout(v.t.Context(), back)
	defer cancel()
	if e, err := s.Next(ctx); err != nil {
		v.t.Errorf("nothing is heard: %v", err)
	} else if _, ok := e.Item(); !ok {
		v.t.Errorf("a gap is heard where nothing is lost: %v", e)
	}
}

// A connection that dies while nobody has anything to say costs no item.
func TestReadersOutliveQuietConnectionsThatDie(t *testing.T) {
	for name, kill := range map[string]func(*strait){
		"what is asked":    func(c *strait) { c.muffled.Store(true) },
		"what is answered": func(c *strait) { c.deafened.Store(true) },
		"both":             func(c *strait) { c.muffled.Store(true); c.deafened.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			sail(t, func(v *voyage) {
				reader := v.other()
				s, err := reader.local.Subscribe(1, cabin, fanout.Position{})
				if err != nil {
					v.t.Fatal(err)
				}
				defer s.Close()
				time.Sleep(5 * time.Second)
				v.hears(s)
				time.Sleep(30 * time.Second)
				v.of(wire{reader.name, v.leader.name}, kill)
				v.hears(s)
			})
		})
	}
}

// All wires to a leader, from it, or both are cut for a while, again and again;
// when they are mended everybody hears on soon.
func TestReadersHearOnWhenWiresAreMended(t *testing.T) {
	const rounds = 8
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			luck := rand.New(rand.NewPCG(seed, 1))
			sail(t, func(v *voyage) {
				var readers []*fanout.Subscription
				for _, n := range v.names {
					s, err := v.fleet[n].local.Subscribe(1, cabin, fanout.Position{})
					if err != nil {
						v.t.Fatal(err)
					}
					defer func() { s.Close() }()
					readers = append(readers, s)
				}
				time.Sleep(5 * time.Second)
				for range rounds {
					to, from := luck.IntN(3) > 0, luck.IntN(3) > 0
					v.change(func(cut map[wire]bool) {
						for _, n := range v.names {
							cut[wire{n, v.leader.name}], cut[wire{v.leader.name, n}] = to, from
						}
					})
					time.Sleep(time.Duration(luck.IntN(30_000)) * time.Millisecond)
					v.change(func(cut map[wire]bool) { clear(cut) })
					time.Sleep(5 * time.Second)
					v.find()
					v.publish()
					time.Sleep(time.Second)
					for i, s := range readers {
						readers[i] = v.upToDate(v.names[i], s)
					}
				}
			})
		})
	}
}

// upToDate demands that a reader is where the leader is. One that was sent away
// comes back.
func (v *voyage) upToDate(node cluster.NodeID, s *fanout.Subscription) *fanout.Subscription {
	v.t.Helper()
	at := s.Position()
	for events := make([]fanout.Event, 64); ; {
		n, err := s.Take(events)
		at = s.Position()
		if err != nil {
			s.Close()
			if s, err = v.fleet[node].local.Subscribe(1, cabin, fanout.Position{Page: at.Page, Sequence: at.Sequence + 1}); err != nil {
				v.t.Fatal(err)
			}
			time.Sleep(time.Second)
			continue
		}
		if n == 0 {
			break
		}
	}
	for seen := range v.leader.topics.Seen(1) {
		if seen.Last != at || !s.Live() {
			v.t.Errorf("the reader at %s is at %v, live %v, the topic is at %v", node, at, s.Live(), seen.Last)
		}
	}
	return s
}
