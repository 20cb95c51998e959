package test

import (
	"context"
	"crypto/hmac"
	"crypto/sha3"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// toThisMachine lets webhooks reach the receivers of the stories.
var toThisMachine = []string{"--webhook-allow", "127.0.0.1"}

// The webhooks of the official SDK, from the calls to the posts.
func TestWebhooksBySDK(t *testing.T) {
	t.Parallel()
	t.Run("one node", func(t *testing.T) {
		t.Parallel()
		server := harness.Start(t, harness.Options{Args: toThisMachine})
		server.Secure(t)
		server.CreateCache(t, "story")
		harness.RunChecks(t, harness.NodeJS, "webhooks", harness.Client{Addr: server.Addr, Key: server.AdminKey(t), Cache: "story"})
	})
	t.Run("three nodes", func(t *testing.T) {
		t.Parallel()
		c := harness.StartCluster(t, harness.ClusterOptions{Args: toThisMachine})
		c.Nodes[0].CreateCache(t, "story")
		harness.RunChecks(t, harness.NodeJS, "webhooks", harness.Client{Addr: c.Addr(), Cache: "story"})
	})
}

// receiver is a webhook's receiver: it checks the signature of what it is sent,
// and writes it down.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	secret string   // guarded by mu
	got    []string // guarded by mu
	forged int      // posts with another signature; guarded by mu
	busy   bool     // it takes nothing; guarded by mu
	tries  int      // while it is busy; guarded by mu
	sent   measured // by the broker, whatever was answered; guarded by mu
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	r.measure(uint64(len(body)))
	var event struct{ Cache, Topic, Text string }
	if err != nil || json.Unmarshal(body, &event) != nil || event.Cache != "story" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if request.Header.Get("momento-signature") != signature(r.secret, body) {
		r.forged++
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if r.busy {
		r.tries++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.got = append(r.got, event.Text)
}

// measure notes a post of so many bytes.
func (r *receiver) measure(bytes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = r.sent.plus(measured{Deliveries: 1, Units: unitsOf(bytes), BytesOut: bytes})
}

func (r *receiver) total() measured {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent
}

// signature is what a post with this body says to prove that its sender knows the secret.
func signature(secret string, body []byte) string {
	mac := hmac.New(func() hash.Hash { return sha3.New256() }, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func (r *receiver) all() (got []string, forged int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got), r.forged
}

// tell makes the receiver's webhook, or rotates its secret, by a command.
func (r *receiver) tell(t *testing.T, server *harness.Server, args ...string) {
	t.Helper()
	var answer struct{ Secret string }
	r.mu.Lock()
	defer r.mu.Unlock() // until it knows its secret
	server.CLI(t, "", append([]string{"webhook"}, append(args, "-o", "json")...)...).JSON(t, &answer)
	r.secret = answer.Secret
}

// hears waits until a text has come.
func (r *receiver) hears(t *testing.T, text string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, "a post of "+text, func() (bool, string) {
		got, forged := r.all()
		return slices.Contains(got, text), fmt.Sprintf("%d posts and %d forged ones, the last of %q", len(got), forged, got[max(0, len(got)-3):])
	})
}

// A topic is published to through every node but its leader; each event is posted
// once, in order, signed, and with another secret as soon as that is rotated.
func TestWebhookOverThreeNodes(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{Args: toThisMachine})
	c.Nodes[0].CreateCache(t, "story")
	topic := c.NameIn(1, "story", "room")
	others := c.Except(c.Leader(t, 1))
	r := newReceiver(t)
	r.tell(t, others[0].Server, "put", "story", "w", topic, r.URL)
	settled(t, r, others[1].Server, topic)

	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprint("message ", i))
		publish(t, others[i%2].Server, topic, want[i:])
		if i == 20 {
			r.hears(t, want[i]) // what was signed before is out of the way
			r.tell(t, others[1].Server, "rotate", "story", "w")
			settled(t, r, others[0].Server, topic)
		}
	}
	r.hears(t, want[39])
	got, _ := r.all()
	got = slices.DeleteFunc(got, func(text string) bool { return text == "prelude" })
	if !slices.Equal(got, want) {
		t.Errorf("posted %q", got)
	}
	others[0].CLI(t, "", "webhook", "delete", "story", "w").OK(t)
	harness.Eventually(t, harness.Patience, "no webhooks", func() (bool, string) {
		var served float64
		for _, n := range c.Nodes {
			served += n.Metrics(t)["mayfly_webhooks"]
		}
		return served == 0, fmt.Sprint(served, " are served")
	})
}

// settled publishes until the receiver hears it: the leader learns of a change of
// webhooks a moment after the change was acknowledged.
func settled(t *testing.T, r *receiver, through *harness.Server, topic string) {
	t.Helper()
	before, _ := r.all()
	harness.Eventually(t, harness.Patience, "the leader to know of the webhook", func() (bool, string) {
		publish(t, through, topic, []string{"prelude"})
		got, forged := r.all()
		return len(got) > len(before), fmt.Sprintf("%d posts, %d forged", len(got), forged)
	})
}

// The leader of a topic is killed while it is published to through another node.
// The next leader goes on where that one was: what nobody but the killed one had
// seen is all that may be missing, what it had just delivered all that may come
// twice. A leader that is stopped gives everything away: nothing is missing, and
// nothing comes twice.
func TestWebhookWhenLeadersGo(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{Args: toThisMachine})
	c.Nodes[0].CreateCache(t, "story")
	topic := c.NameIn(1, "story", "room")
	leader := c.Leader(t, 1)
	through := c.Except(leader)[0]
	r := newReceiver(t)
	r.tell(t, through.Server, "put", "story", "w", topic, r.URL)
	settled(t, r, through.Server, topic)

	s := announce(t, through.Server, topic)
	s.says(t, 50)
	leader.Kill(t)
	s.says(t, 50)
	leader.Start(t)
	s.says(t, 20)
	killed := len(s.acked())

	// The one that is asked stays; the one that leads now is stopped.
	if leader = c.Leader(t, 1); leader == through {
		s.finish()
		through = c.Except(leader)[0]
		s = s.through(t, through.Server)
	}
	s.says(t, 20)
	leader.Stop(t)
	s.says(t, 50)
	s.finish()
	acked := s.acked()
	r.hears(t, acked[len(acked)-1])

	got, forged := r.all()
	times := map[string]int{}
	for _, text := range got {
		times[text]++
	}
	missing, twice := 0, 0
	for i, text := range acked {
		switch n := times[text]; {
		case n > 1 && i >= killed:
			t.Errorf("%s was posted %d times when a leader was stopped", text, n)
		case n > 1:
			twice++
		case n == 0 && i >= killed:
			t.Errorf("%s was lost when a leader was stopped", text)
		case n == 0:
			missing++
		}
	}
	// One publisher waits for each answer, so that little is under way, and the next
	// leader is told some times a second how far the deliveries are.
	t.Logf("when the leader was killed, %d of %d events were lost and %d came twice", missing, len(acked), twice)
	if missing > 2 || twice > 100 || forged > 0 {
		t.Errorf("%d events were forged", forged)
	}
}

// A leader dies while events wait for a receiver that is busy: the next one has
// them, and delivers them when the receiver is well again.
func TestWebhookEventsSurviveTheirLeader(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{Args: toThisMachine})
	c.Nodes[0].CreateCache(t, "story")
	topic := c.NameIn(1, "story", "room")
	c.Balanced(t) // a leader that has handed over leaves nothing when it dies
	leader := c.Leader(t, 1)
	through := c.Except(leader)[0]
	r := newReceiver(t)
	r.tell(t, through.Server, "put", "story", "w", topic, r.URL)
	settled(t, r, through.Server, topic)

	r.turn(true)
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint("message ", i))
	}
	mirrored := func(n *harness.Node) float64 { return n.Metrics(t)["mayfly_topic_items_mirrored_total"] }
	before := map[*harness.Node]float64{}
	for _, n := range c.Except(leader) {
		before[n] = mirrored(n)
	}
	publish(t, through.Server, topic, want)
	for n, items := range before { // nobody subscribes there: they may have to take over
		harness.Eventually(t, harness.Patience, "the items on "+n.Name, func() (bool, string) {
			now := mirrored(n)
			return now >= items+20, fmt.Sprintf("%v items, %v before", now, items)
		})
	}
	harness.Eventually(t, harness.Patience, "tries", func() (bool, string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.tries > 2, fmt.Sprint(r.tries)
	})
	leader.Kill(t)
	c.Leader(t, 1)
	r.turn(false)
	for _, text := range want {
		r.hears(t, text)
	}
}

// turn makes the receiver busy, or well.
func (r *receiver) turn(busy bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy, r.tries = busy, 0
}

// announcer publishes one message after the other and knows which were acknowledged.
type announcer struct {
	topic string
	stop  context.CancelFunc
	over  chan struct{}

	mu   sync.Mutex
	said []string // guarded by mu
	next int      // guarded by mu
}

func announce(t *testing.T, through *harness.Server, topic string) *announcer {
	return (&announcer{topic: topic}).through(t, through)
}

// through goes on through another node.
func (s *announcer) through(t *testing.T, server *harness.Server) *announcer {
	ctx, cancel := context.WithCancel(server.Context(t))
	s.stop, s.over = cancel, make(chan struct{})
	client := pubsubpb.NewPubsubClient(server.Conn(t))
	go func() {
		defer close(s.over)
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		for ctx.Err() == nil {
			<-pace.C
			s.mu.Lock()
			value := fmt.Sprint("said ", s.next)
			s.next++
			s.mu.Unlock()
			if _, err := client.Publish(ctx, text("story", s.topic, value), grpc.WaitForReady(true)); err != nil {
				continue // whether it was published is unknown
			}
			s.mu.Lock()
			s.said = append(s.said, value)
			s.mu.Unlock()
		}
	}()
	t.Cleanup(s.finish)
	return s
}

func (s *announcer) finish() {
	s.stop()
	<-s.over
}

func (s *announcer) acked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.said)
}

// says waits until that many more were acknowledged.
func (s *announcer) says(t *testing.T, more int) {
	t.Helper()
	before := len(s.acked())
	harness.Eventually(t, harness.Patience, fmt.Sprint(more, " more messages"), func() (bool, string) {
		n := len(s.acked()) - before
		return n >= more, fmt.Sprint(n)
	})
}

// A broker without leave to do so posts to nobody on its own machine, whatever the
// name that stands for it.
func TestWebhooksStayOutside(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	r := newReceiver(t)
	port := r.URL[strings.LastIndexByte(r.URL, ':'):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "0", "127.1", "2130706433", "0x7f.0.0.1", "[::ffff:127.0.0.1]", "169.254.169.254"} {
		server.CLI(t, "", "webhook", "put", "story", "w", "room", "http://"+host+port).Fails(t, 1, "refused")
	}
	if got, forged := r.all(); len(got)+forged > 0 {
		t.Errorf("%d posts came", len(got)+forged)
	}
}
