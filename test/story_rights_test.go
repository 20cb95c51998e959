package test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// Every role, for every kind of selector, tries every call of every service and every
// path of plain HTTP on its own places and on others, on the node that leads the place
// and through one that forwards: exactly what the table of needs allows passes, whoever
// is refused learns nothing else, and nothing that was refused has an effect.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	s := newRightsStory(t)
	s.tryStrangers(t)
	for _, is := range []kind{aScalar, aList, aDictionary, aSet, aSortedSet, aLeaderboard} {
		s.tryItems(t, is)
	}
	s.tryTopics(t)
	s.tryBroker(t)
	s.leaks.check(t, s.cluster)
	t.Logf("%d calls, of which %d were refused", s.tried.Load(), s.denied.Load())
}

// rightsStory is a cluster with somebody for each grant.
type rightsStory struct {
	cluster *harness.Cluster
	methods []method
	grants  []grant
	holders map[string]string // credentials by the name of the grant
	leaks   *leaks
	conns   map[*harness.Node]*grpc.ClientConn
	leaders map[int]*harness.Node
	payload string // of what is published and written
	keyID   string // of the super user's key

	tried, denied, wrong atomic.Int64
}

func newRightsStory(t *testing.T) *rightsStory {
	t.Helper()
	s := &rightsStory{
		cluster: harness.StartCluster(t, harness.ClusterOptions{Args: []string{"--log-level", "debug", "--config", vendingBySecret(t)}}),
		grants:  grants(), holders: make(map[string]string), leaks: newLeaks(),
		conns: make(map[*harness.Node]*grpc.ClientConn), leaders: make(map[int]*harness.Node),
		payload: "payload-" + rand.Text(),
	}
	s.leaks.keep(s.payload)
	first := s.cluster.Nodes[0]
	for _, cache := range []string{ownCache, "other"} {
		first.CreateCache(t, cache)
	}
	for _, g := range s.grants {
		s.holders[g.name] = s.hold(t, first, g)
		s.leaks.keep(s.holders[g.name])
	}
	s.cluster.Balanced(t)
	for group := 1; group <= 4; group++ {
		s.leaders[group] = s.cluster.Leader(t, group)
	}
	for _, n := range s.cluster.Nodes {
		s.conns[n] = n.Conn(t)
	}
	s.methods = served(t, s.conns[first])
	s.putSecrets(t)
	s.knowsRoutes(t)
	if t.Failed() {
		t.FailNow()
	}
	return s
}

// hold makes the credential of a grant.
func (s *rightsStory) hold(t *testing.T, n *harness.Node, g grant) string {
	t.Helper()
	admin := n.AdminKey(t)
	if g.operator && !g.key {
		return admin
	}
	c := clientsOf(n.Conn(t))
	if g.key {
		key, err := c.auth.GenerateApiToken(harness.Bounded(t), &authpb.GenerateApiTokenRequest{
			Expiry: &authpb.GenerateApiTokenRequest_Expires{Expires: &authpb.Expires{ValidForSeconds: 3600}}, AuthToken: admin, Permissions: g.permissions(),
		})
		if err != nil {
			t.Fatalf("%s: %v", g.name, err)
		}
		s.leaks.keep(key.GetRefreshToken())
		return key.GetApiKey()
	}
	token, err := c.token.GenerateDisposableToken(harness.Bounded(t), &tokenpb.GenerateDisposableTokenRequest{
		Expires: &tokenpb.Expires{ValidForSeconds: 3600}, AuthToken: admin, Permissions: g.permissions(),
	})
	if err != nil {
		t.Fatalf("%s: %v", g.name, err)
	}
	return token.GetApiKey()
}

// knowsRoutes demands a row in the table of routes for every verb that the broker's own
// document has.
func (s *rightsStory) knowsRoutes(t *testing.T) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(s.cluster.Nodes[0].Get(t, "/openapi.json").Body), &document); err != nil {
		t.Fatal(err)
	}
	for path, verbs := range document.Paths {
		for verb := range verbs {
			known := verb == "parameters"
			for _, r := range routes {
				known = known || r.path == path && strings.EqualFold(r.verb, verb)
			}
			if !known {
				t.Errorf("%s %s has no row in the table of routes: who may ask for it?", verb, path)
			}
		}
	}
}

// caller is the holder of a grant at the node that leads a place, or at another one.
func (s *rightsStory) caller(g grant, at place, leads bool) caller {
	leader := s.leaders[s.cluster.Group(at.cache, at.name)]
	n := leader
	if !leads {
		others := s.cluster.Except(leader)
		n = others[len(at.name)%len(others)]
	}
	return caller{n, s.conns[n], s.holders[g.name]}
}

// trial is one thing that somebody tries.
type trial struct {
	what    string
	at      place
	allowed bool
	try     func(context.Context) (answer, error)
}

// judge makes trials, a few at a time, and demands of each what it says. What is
// refused has to be refused in the same words wherever it was tried, so that nobody
// learns what exists.
func (s *rightsStory) judge(t *testing.T, trials []trial) {
	t.Helper()
	var running errgroup.Group
	running.SetLimit(16)
	for _, a := range trials {
		running.Go(func() error {
			got, err := a.try(t.Context())
			if err != nil {
				return fmt.Errorf("%s at %v: %w", a.what, a.at, err)
			}
			s.tried.Add(1)
			if problem := s.problem(a, got); problem != "" && s.wrong.Add(1) < 20 {
				t.Errorf("%s at %v: %s, %s", a.what, a.at, got, problem)
			}
			return nil
		})
	}
	if err := running.Wait(); err != nil {
		t.Fatal(err)
	}
}

// problem is what is wrong with an answer; nothing if it is right.
func (s *rightsStory) problem(a trial, got answer) string {
	switch {
	case got.unknown():
		return "the credential is good"
	case !a.allowed && !got.refused():
		return "want it refused"
	case a.allowed && got.refused():
		return "want it to pass"
	}
	if a.allowed {
		// It passed, and may yet meet no cache, no item, or items of another shape.
		busy := got.http == http.StatusServiceUnavailable && strings.Contains(a.what, "/metrics") // a few at a time may look
		fine := got.http != 0 && got.http < 500 || busy || slices.Contains([]codes.Code{codes.OK, codes.NotFound, codes.InvalidArgument, codes.FailedPrecondition, codes.AlreadyExists, codes.Unimplemented}, got.code) && got.http == 0
		if missing := got.code == codes.NotFound || got.http == 404; !fine || a.at.cache == noCache && !missing {
			return "it passed, but not well"
		}
		return ""
	}
	s.denied.Add(1)
	if secret := s.leaks.in(got.said); secret != "" {
		return "which tells " + secret
	}
	for _, name := range []string{a.at.name, a.at.cache} {
		if strings.Contains(got.said, name) && name != "" && name != "room" && name != "other" {
			return "which repeats where"
		}
	}
	return ""
}

// split separates what is refused, which is tried first and must not change anything,
// from what is allowed.
func split(trials []trial) (refused, allowed []trial) {
	for _, a := range trials {
		if a.allowed {
			allowed = append(allowed, a)
		} else {
			refused = append(refused, a)
		}
	}
	return refused, allowed
}

// on are the trials of everybody at everything of a kind. What is allowed is tried on
// the leader and through another node, what is refused on either by turns; and every
// other time in one of the forms of gRPC-Web, too.
func (s *rightsStory) on(is kind, somewhere []place) (all []trial) {
	for i, m := range s.methods {
		if m.kind != is {
			continue
		}
		for j, g := range s.grants {
			for k, at := range somewhere {
				if at.name != ownName && !g.isAbout(is) {
					continue // it differs in nothing
				}
				turn := i + j + k
				leads := []bool{turn%2 == 0}
				if g.allows(m.need, m.touches(at)...) {
					leads = []bool{true, false}
				}
				for _, leads := range leads {
					all = append(all, s.calls(nativeDoor, m, g, at, leads, turn)...)
				}
				if turn/2%2 == 0 {
					all = append(all, s.calls([]door{textDoor, binaryDoor}[turn/4%2], m, g, at, turn%2 == 1, turn)...)
				}
			}
		}
	}
	return append(all, s.asked(is, somewhere)...)
}

// calls are the trials of one at one place with one method.
func (s *rightsStory) calls(d door, m method, g grant, at place, leads bool, member int) (all []trial) {
	c := s.caller(g, at, leads)
	allowed := g.allows(m.need, m.touches(at)...)
	if allowed && m.need == acts {
		return nil
	}
	f := filler{at: at, credential: c.credential, payload: s.payload, member: member, node: "nobody", id: "none"}
	if !allowed {
		f.node, f.id = "n1", s.keyID // which must have no effect
	}
	for _, in := range f.requests(m) {
		all = append(all, trial{
			fmt.Sprintf("%s by %s, %s, who needs %s", path(m), d.name, g.name, m.need), at, allowed,
			func(ctx context.Context) (answer, error) { return d.call(ctx, c, m, at.cache, in) },
		})
	}
	if m.namesNone() {
		all = append(all, trial{
			fmt.Sprintf("%s of nothing by %s, %s, who needs %s", path(m), d.name, g.name, m.need), at, g.allowsSome(m.need, at.cache),
			func(ctx context.Context) (answer, error) { return d.call(ctx, c, m, at.cache, emptyOf(m.Input())) },
		})
	}
	return all
}

// asked are the trials of everybody at every path of plain HTTP about a kind.
func (s *rightsStory) asked(is kind, somewhere []place) (all []trial) {
	for i, r := range routes {
		if r.kind != is || r.need == never {
			continue
		}
		for j, g := range s.grants {
			for k, at := range somewhere {
				c := s.caller(g, at, (i+j+k)%2 == 0)
				all = append(all, trial{
					fmt.Sprintf("%s %s?%s, %s, who needs %s", r.verb, r.path, r.query, g.name, r.need), at, g.allows(r.need, at),
					func(ctx context.Context) (answer, error) {
						return ask(ctx, c, r.verb, filledPath(r.path, at), filledPath(r.query, at), r.body)
					},
				})
			}
		}
	}
	return all
}

// tryItems has everybody try everything about items of one kind.
func (s *rightsStory) tryItems(t *testing.T, is kind) {
	t.Helper()
	k := newCanaries(t, s.cluster.Nodes[0])
	there := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return p.cache == noCache })
	before := make(map[place]string)
	for _, at := range there {
		k.put(t, is, at)
		before[at] = k.look(t, is, at)
	}
	refused, allowed := split(s.on(is, places))
	if len(allowed) == 0 {
		t.Fatalf("nobody may do anything with %s", is)
	}
	s.judge(t, refused)
	for _, at := range there {
		if now := k.look(t, is, at); now != before[at] {
			t.Errorf("%s at %v is %s after everybody was refused, before it was %s", is, at, now, before[at])
		}
	}
	s.judge(t, allowed)
	s.forget(t)
}

// forget empties the caches.
func (s *rightsStory) forget(t *testing.T) {
	t.Helper()
	n := s.cluster.Nodes[0]
	for _, cache := range []string{ownCache, "other"} {
		if _, err := controlpb.NewScsControlClient(s.conns[n]).FlushCache(n.Context(t), &controlpb.FlushCacheRequest{CacheName: cache}); err != nil {
			t.Fatal(err)
		}
	}
}

// tryTopics has everybody try everything about topics.
func (s *rightsStory) tryTopics(t *testing.T) {
	t.Helper()
	e := listenEverywhere(t, s.cluster.Nodes[1])
	e.heard(t, "marker 1") // there is something to poll for
	refused, allowed := split(append(s.on(aTopic, places), s.onSockets()...))
	s.judge(t, refused)
	if others := e.heard(t, "marker 2"); len(others) > 0 {
		t.Errorf("heard of those who were refused: %v", others)
	}
	s.judge(t, allowed)
	if others := e.heard(t, "marker 3"); len(others) == 0 {
		t.Error("nobody was heard of those who were allowed")
	}
}
