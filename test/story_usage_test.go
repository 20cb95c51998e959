package test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// writtenOften is the flag of a broker that writes its usage every second.
func writtenOften(t *testing.T) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mayfly.yaml")
	if err := os.WriteFile(file, []byte("usage:\n  every: 1s\n  prices: {currency: EUR, per-million-units: 1000000}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--config", file}
}

// usageReport is `mayfly usage report -o json`.
type usageReport struct {
	Rows []struct {
		Cache  string `json:"cache"`
		Prefix string `json:"topic_prefix"`
		Token  string `json:"token"`
		measured
	} `json:"rows"`
	Total   measured  `json:"total"`
	Counted time.Time `json:"counted_until"`
	Cost    struct {
		Total float64 `json:"total"`
	} `json:"cost"`
}

func reportOf(t *testing.T, s *harness.Server, by string) (r usageReport) {
	t.Helper()
	s.CLI(t, "", "usage", "report", "--since", "3h", "--cache", "story", "--by", by, "-o", "json").JSON(t, &r)
	return r
}

// agrees waits until the broker has counted what the clients have measured, and
// nothing else, however it is looked at.
func agrees(t *testing.T, s *harness.Server, want func() measured) {
	t.Helper()
	harness.Eventually(t, harness.Patience, "the report to agree with the clients", func() (bool, string) {
		got, measured := reportOf(t, s, "cache").Total, want()
		return got == measured, fmt.Sprintf("counted %+v, measured %+v", got, measured)
	})
	for _, by := range []string{"topic-prefix", "token", "hour"} {
		harness.Eventually(t, harness.Patience, "the report by "+by+" to agree", func() (bool, string) {
			got, measured := reportOf(t, s, by).Total, want()
			return got == measured, fmt.Sprintf("counted %+v, measured %+v", got, measured)
		})
	}
}

// guest is a client of generated code behind a gauge.
type guest struct {
	*gauge
	scs    cachepb.ScsClient
	topics pubsubpb.PubsubClient
}

func newGuest(t *testing.T, addr string) *guest {
	t.Helper()
	g := startGauge(t, addr)
	conn, err := grpc.NewClient(g.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &guest{g, cachepb.NewScsClient(conn), pubsubpb.NewPubsubClient(conn)}
}

// work does a little of everything that HTTP can do, too.
func (c *guest) work(t *testing.T, value string) {
	t.Helper()
	ctx := harness.WithCache(harness.Bounded(t), "story")
	_, set := c.scs.Set(ctx, &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: []byte(value), TtlMilliseconds: 60_000})
	_, get := c.scs.Get(ctx, &cachepb.GetRequest{CacheKey: []byte("k")})
	_, publish := c.topics.Publish(ctx, &pubsubpb.PublishRequest{
		CacheName: "story", Topic: "room-1", Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: value}},
	})
	for _, err := range []error{set, get, publish} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// workOverHTTP does the same without gRPC.
func workOverHTTP(t *testing.T, s *harness.Server, value string) {
	t.Helper()
	for _, one := range []struct {
		verb, path, body string
		status           int
	}{
		{"PUT", "/cache/story?key=k&ttl_seconds=60", value, 204},
		{"GET", "/cache/story?key=k", "", 200},
		{"POST", "/topics/story/room-1", value, 204},
	} {
		if page := s.Request(t, one.verb, one.path, one.body); page.Status != one.status {
			t.Fatalf("%s %s: %d %s", one.verb, one.path, page.Status, page.Body)
		}
	}
}

// What official SDKs, generated clients and HTTP clients send and receive is what the
// broker reports, to the byte; a restart loses nothing, and a node that is killed what
// it had not written yet.
func TestUsageIsWhatClientsMeasure(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: writtenOften(t)})
	server.CreateCache(t, "story")
	sdks := startGauge(t, server.Addr)
	agents := map[string]*harness.Agent{}
	for name, language := range map[string]harness.Language{"node": harness.NodeJS, "go": harness.Go} {
		agent := harness.StartAgent(t, language, "agent", harness.Client{Addr: sdks.Addr, Cache: "story"})
		agent.Tell(t, harness.Order{Do: "subscribe", ID: name, Name: "room-1"})
		agent.Await(t, name+" to subscribe", func(e []harness.Event) bool { return len(harness.Of(e, "subscribed", name)) > 0 })
		agents[name] = agent
	}
	values := []string{"hello", strings.Repeat("ü", 1500), "x"}
	for name, agent := range agents {
		agent.Tell(t, harness.Order{Do: "publish", ID: name + "-said", Name: "room-1", Values: values})
		agent.Tell(t, harness.Order{Do: "push", ID: name + "-pushed", Name: "list-" + name, Values: values})
		agent.Await(t, name+" to be answered", func(e []harness.Event) bool {
			return len(harness.Of(e, "acked", name+"-said")) == len(values) && len(harness.Of(e, "acked", name+"-pushed")) == len(values)
		})
		agent.Tell(t, harness.Order{Do: "fetch", ID: name, Name: "list-" + name})
		agent.Await(t, name+" to fetch", func(e []harness.Event) bool { return len(harness.Of(e, "fetched", name)) == 1 })
	}
	// Whatever goes over HTTP counts like the same calls of gRPC.
	twin := newGuest(t, server.Addr)
	twin.work(t, values[1])
	overHTTP := twin.total()
	workOverHTTP(t, server, values[1])
	for name, agent := range agents {
		agent.Await(t, name+" to hear all", func(e []harness.Event) bool { return len(harness.Of(e, "item", name)) == 2*len(values)+2 })
	}
	want := func() measured { return sdks.total().plus(twin.total()).plus(overHTTP) }
	agrees(t, server, want)
	if got := want(); got.Deliveries != 2*(2*uint64(len(values))+2) || got.Requests < 22 {
		t.Errorf("the gauges have measured %+v", got)
	}
	sees(t, server, want())

	for _, agent := range agents { // whose subscriptions would come back while it restarts
		agent.Tell(t, harness.Order{Do: "quit"})
	}
	twin.work(t, values[1])
	server.Stop(t)
	server.Start(t)
	agrees(t, server, want)

	before := want()
	for range 20 {
		twin.work(t, values[0])
	}
	server.Kill(t)
	server.Start(t)
	kept := reportOf(t, server, "cache").Total
	if !kept.covers(before) || !want().covers(kept) {
		t.Errorf("after a kill %+v is left: at least %+v was written, and %+v used", kept, before, want())
	}
	lost := want()
	again := newGuest(t, server.Addr)
	again.work(t, values[0])
	agrees(t, server, func() measured { return kept.plus(again.total()) })
	server.CLI(t, "", "cache", "flush", "story", "--yes").OK(t)
	server.CLI(t, "", "cache", "delete", "story", "--yes").OK(t)
	agrees(t, server, func() measured { return kept.plus(again.total()) })
	t.Logf("the kill lost %d of %d requests", lost.Requests-kept.Requests, lost.Requests-before.Requests)
}

// sees looks at a report in every other way.
func sees(t *testing.T, s *harness.Server, want measured) {
	t.Helper()
	var rooms measured
	for _, row := range reportOf(t, s, "topic-prefix").Rows {
		if row.Prefix == "room-" {
			rooms = row.measured
		}
	}
	if rooms.Deliveries != want.Deliveries {
		t.Errorf("rooms delivered %d, want %d", rooms.Deliveries, want.Deliveries)
	}
	if report := reportOf(t, s, "token"); len(report.Rows) != 1 || report.Rows[0].Token != "anonymous" || report.Cost.Total != float64(want.Units) {
		t.Errorf("by token: %+v, want %d EUR", report, want.Units)
	}
	var page usageReport
	body := s.Get(t, "/usage?"+url.Values{"cache": {"story"}, "by": {"hour"}}.Encode()).Body
	if err := json.Unmarshal([]byte(body), &page); err != nil || page.Total != want {
		t.Errorf("over HTTP: %s, %v", body, err)
	}
	rows, err := csv.NewReader(strings.NewReader(s.CLI(t, "", "usage", "export", "--since", "3h", "--cache", "story", "--by", "topic-prefix").OK(t))).ReadAll()
	if err != nil || len(rows) < 3 || rows[0][0] != "hour" {
		t.Fatalf("exported %q, %v", rows, err)
	}
	var in uint64
	for _, row := range rows[1:] {
		n, err := strconv.ParseUint(row[len(row)-2], 10, 64)
		if err != nil {
			t.Error(err)
		}
		in += n
	}
	if in != want.BytesIn {
		t.Errorf("exported %d bytes in, want %d", in, want.BytesIn)
	}
	for line := range strings.Lines(s.CLI(t, "", "usage", "export", "--since", "3h", "--format", "json").OK(t)) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

// What clients of three nodes use is one report, on each of them. A node that is
// killed loses what it had not written, the others nothing; nor does one that stops.
func TestUsageOfACluster(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{Args: writtenOften(t)})
	c.Nodes[0].CreateCache(t, "story")
	var guests []*guest
	for _, n := range c.Nodes {
		guests = append(guests, newGuest(t, n.Addr))
	}
	ctx := harness.Bounded(t)
	subscribe(t, ctx, guests[0])
	total := func(of ...*guest) (sum measured) {
		for _, one := range of {
			sum = sum.plus(one.total())
		}
		return sum
	}
	all := func() measured { return total(guests...) }
	for _, one := range guests {
		one.work(t, strings.Repeat("x", 2000))
	}
	for _, n := range c.Nodes {
		agrees(t, n.Server, all)
	}
	began := time.Now()
	harness.Eventually(t, harness.Patience, "all nodes to have counted up to now", func() (bool, string) {
		got := reportOf(t, c.Nodes[0].Server, "cache").Counted
		return got.After(began) && !got.After(time.Now()), fmt.Sprintf("%v, now is %v", got, time.Now())
	})
	if text := c.Nodes[1].CLI(t, "", "usage", "report").OK(t); !strings.Contains(text, "\nCounted up to 20") {
		t.Errorf("printed\n%s", text)
	}

	before, doomed := all(), guests[2].total()
	for range 10 {
		for _, one := range guests {
			one.work(t, "y")
		}
	}
	c.Nodes[2].Kill(t)
	// Whatever the dead one had counted and not written is missing, and no more.
	least := func() measured {
		now := total(guests[:2]...).plus(doomed)
		return now
	}
	harness.Eventually(t, 2*harness.Patience, "the others' usage to be written", func() (bool, string) {
		got := reportOf(t, c.Nodes[0].Server, "cache").Total
		return got.covers(least()), fmt.Sprintf("counted %+v, at least %+v was used, %+v before", got, least(), before)
	})
	if got := reportOf(t, c.Nodes[1].Server, "cache").Total; !all().covers(got) {
		t.Errorf("counted %+v, and %+v was used", got, all())
	}

	c.Nodes[2].Start(t)
	kept := reportOf(t, c.Nodes[2].Server, "cache").Total
	late := newGuest(t, c.Nodes[1].Addr)
	for range 5 {
		late.work(t, "z")
	}
	heard := guests[0].total().Deliveries
	c.Nodes[1].Stop(t)
	harness.Eventually(t, harness.Patience, "a stopped node's usage to be there", func() (bool, string) {
		got, want := reportOf(t, c.Nodes[0].Server, "cache").Total, kept.plus(late.total())
		return got.Requests == want.Requests && got.BytesIn == want.BytesIn, fmt.Sprintf("counted %+v, want %+v, and some of %d deliveries", got, want, heard)
	})
}

// Posts of webhooks are deliveries: whatever their receiver was sent is reported, what it
// did not take and what a node sends while it stops included, under the cache, the
// prefix of the topic and whoever put the webhook.
func TestUsageOfWebhooks(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: append(writtenOften(t), toThisMachine...)})
	server.CreateCache(t, "story")
	r := newReceiver(t)
	r.tell(t, server, "put", "story", "w", "room-1", r.URL)
	publisher := newGuest(t, server.Addr)
	want := func() measured { return publisher.total().plus(r.total()) }
	posts := func(n uint64) {
		t.Helper()
		harness.Eventually(t, harness.Patience, "posts", func() (bool, string) {
			got := r.total()
			return got.Deliveries >= n, fmt.Sprintf("%+v, want %d", got, n)
		})
	}
	publisher.work(t, strings.Repeat("ü", 1500))
	publisher.work(t, "x")
	posts(2)
	r.turn(true)
	publisher.work(t, "y")
	posts(4) // which is tried again
	r.turn(false)
	r.hears(t, "y")
	agrees(t, server, want)
	for _, by := range []string{"token", "topic-prefix"} {
		for _, row := range reportOf(t, server, by).Rows {
			if ours := row.Token == "admin" || row.Prefix == "room-"; ours && row.Deliveries != r.total().Deliveries || !ours && row.Deliveries > 0 {
				t.Errorf("by %s: %+v, of %+v", by, row, r.total())
			}
		}
	}

	r.turn(true)
	publisher.work(t, "z")
	posts(r.total().Deliveries + 1)
	before := r.total()
	server.Stop(t)
	if got := r.total(); got == before {
		t.Error("a node that stops has not tried to deliver what was left")
	}
	server.Start(t)
	agrees(t, server, want)
}

// Each leader counts the posts that it sends.
func TestUsageOfWebhooksOverLeaders(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{Args: append(writtenOften(t), toThisMachine...)})
	c.Nodes[0].CreateCache(t, "story")
	topic := c.NameIn(1, "story", "room")
	c.Balanced(t)
	first := c.Leader(t, 1)
	through, heir := c.Except(first)[0], c.Except(first)[1]
	r := newReceiver(t)
	r.tell(t, through.Server, "put", "story", "w", topic, r.URL)
	settled(t, r, through.Server, topic)

	publish(t, through.Server, topic, []string{"to the first"})
	r.hears(t, "to the first")
	through.CLI(t, "", "node", "transfer-leader", "1", heir.Name).OK(t)
	publish(t, through.Server, topic, []string{"to the heir"})
	r.hears(t, "to the heir")
	if leader := c.Leader(t, 1); leader == first {
		t.Fatal("the first still leads")
	}
	heir.Stop(t)
	publish(t, through.Server, topic, []string{"to another"})
	r.hears(t, "to another")
	harness.Eventually(t, harness.Patience, "the report to agree with the receiver", func() (bool, string) {
		got, sent := reportOf(t, through.Server, "cache").Total, r.total()
		return got.Deliveries == sent.Deliveries && got.Deliveries >= 4, fmt.Sprintf("counted %+v, sent %+v", got, sent)
	})
}

// subscribe has a guest listen until ctx ends.
func subscribe(t *testing.T, ctx context.Context, c *guest) {
	t.Helper()
	stream, err := c.topics.Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "story", Topic: "room-1"})
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for err == nil {
			_, err = stream.Recv()
		}
	}()
}
