package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/metering"
	"github.com/mayfly-broker/mayfly/store"
)

// gauge is what a client measures of its own messages: their sizes as gRPC tells them,
// without heartbeats and discontinuities.
type gauge struct {
	mu sync.Mutex
	measures
}

type measures struct {
	items, sent, received uint64
	units                 uint64         // of items
	calls                 map[any]uint64 // bytes of each
}

// take returns what was measured since the last time.
func (g *gauge) take() measures {
	g.mu.Lock()
	defer g.mu.Unlock()
	taken := g.measures
	g.measures = measures{calls: map[any]uint64{}}
	for _, size := range taken.calls {
		taken.units += metering.UnitsOf(size)
	}
	return taken
}

func (g *gauge) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, (*gauge)(nil), new(int))
}
func (g *gauge) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (g *gauge) HandleConn(context.Context, stats.ConnStats)                       {}

func (g *gauge) HandleRPC(ctx context.Context, s stats.RPCStats) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := ctx.Value((*gauge)(nil))
	switch s := s.(type) {
	case *stats.OutPayload:
		g.sent += uint64(s.Length)
		g.calls[id] += uint64(s.Length)
	case *stats.InPayload:
		news, stream := s.Payload.(*pubsubpb.SubscribeResponse)
		if stream && news.GetItem() == nil {
			return
		}
		g.received += uint64(s.Length)
		if stream {
			g.items++
			g.units += metering.UnitsOf(uint64(s.Length))
		} else {
			g.calls[id] += uint64(s.Length)
		}
	}
}

// kept is a store of one machine.
type kept struct {
	mu      sync.Mutex
	machine *store.Machine
}

func (k *kept) ApplySystem(_ context.Context, command *storev1.Command) (*storev1.Result, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	command.Generation, command.AtMs = store.SystemGeneration, 1
	return k.machine.Apply(command), nil
}

func (k *kept) ViewSystem(_ context.Context, query *storev1.Query) (*storev1.Result, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	query.Generation = store.SystemGeneration
	return k.machine.View(query, 1), nil
}

// countedLedger is what is kept, and up to when.
type countedLedger struct {
	*metering.Reader
	counted func() time.Time
}

func (l countedLedger) Counted(context.Context) time.Time { return l.counted() }

// metered is a world whose usage is kept.
type metered struct {
	*world
	gauge  *gauge
	writer *metering.Writer
}

func newMetered(t *testing.T) *metered {
	g := new(gauge)
	g.take()
	meter := metering.NewMeter(metering.Rules{Separators: metering.DefaultSeparators}, metering.DefaultBounds())
	k := &kept{machine: store.NewMachine()}
	m := &metered{gauge: g}
	w := newWorld(t, settings{
		config: Config{Usage: meter, Prices: metering.Prices{Currency: "EUR", PerMillionUnits: 1_000_000}}, secured: true,
		usage: countedLedger{metering.NewReader(k), func() time.Time { return m.writer.Counted() }}, dial: []grpc.DialOption{grpc.WithStatsHandler(g)},
	})
	m.world = w
	m.writer = metering.NewWriter(metering.WriterConfig{Meter: meter, Store: k, Gather: w.server.Settle}, time.Now())
	return m
}

// report asks for what was used, as an operator.
func (m *metered) report(t *testing.T, by adminv1.UsageBy) *adminv1.ReportUsageResponse {
	t.Helper()
	if left := m.writer.Flush(t.Context()); left > 0 {
		t.Fatalf("%d rows are not written", left)
	}
	client := adminv1.NewUsageClient(m.conn)
	report := ok[*adminv1.ReportUsageResponse](t)(client.ReportUsage(with(t.Context(), m.rootText(t)), &adminv1.ReportUsageRequest{Range: lately(), By: by}))
	if got, want := report.GetCountedUntil(), uint64(m.writer.Counted().Unix()); got != want {
		t.Errorf("counted until %d, want %d", got, want)
	}
	return report
}

func lately() *adminv1.UsageRange {
	return &adminv1.UsageRange{Since: uint64(time.Now().Add(-2 * time.Hour).Unix()), Until: uint64(time.Now().Add(2 * time.Hour).Unix())}
}

func with(ctx context.Context, credential string) context.Context {
	return in(ctx, "authorization", credential)
}

// showUsage writes rows as short text.
func showUsage(rows []*adminv1.UsageRow) (lines []string) {
	for _, r := range rows {
		c := r.GetCounts()
		name := strings.TrimSpace(r.GetCache() + " " + r.GetTopicPrefix() + r.GetToken())
		lines = append(lines, fmt.Sprintf("%s: %d read %d written %d published %d subscribed %d failed %d delivered",
			name, c.GetReads(), c.GetWrites(), c.GetPublishes(), c.GetSubscriptions(), c.GetFailed(), c.GetDeliveries()))
	}
	return lines
}

func wantUsage(t *testing.T, rows []*adminv1.UsageRow, want ...string) {
	t.Helper()
	if got := showUsage(rows); !slices.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

// Every call about what caches hold is counted by what it asked for, under its cache,
// topic prefix and credential; the sizes are those that the client measured. What
// shows no good credential, and what operators do, is not counted.
func TestUsageIsWhatClientsMeasure(t *testing.T) {
	m := newMetered(t)
	key, id := m.superKey(t)
	alice := m.disposable(t, time.Hour, "alice", topicStatement(permissionpb.TopicRole_TopicReadWrite, "room-1"))
	ctx := with(t.Context(), key)
	large := bytes.Repeat([]byte("x"), 5000)

	// Measured by nobody: operators' own, and strangers.
	ok[*controlpb.ListCachesResponse](t)(m.control.ListCaches(ctx, &controlpb.ListCachesRequest{}))
	ok[*cachepb.PingResponse](t)(cachepb.NewPingClient(m.conn).Ping(ctx, &cachepb.PingRequest{}))
	_, err := m.scs.Get(with(t.Context(), "nonsense"), &cachepb.GetRequest{CacheKey: []byte("k")})
	wants(t, err, codes.Unauthenticated)
	m.gauge.take()

	ok[*cachepb.SetResponse](t)(m.scs.Set(ctx, &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: large, TtlMilliseconds: 60_000}))
	ok[*cachepb.GetResponse](t)(m.scs.Get(ctx, &cachepb.GetRequest{CacheKey: []byte("k")}))
	ok[*cachepb.GetResponse](t)(m.scs.Get(ctx, &cachepb.GetRequest{CacheKey: []byte("missing")}))
	batch := ok[cachepb.Scs_GetBatchClient](t)(m.scs.GetBatch(ctx, &cachepb.GetBatchRequest{Items: []*cachepb.GetRequest{{CacheKey: []byte("k")}, {CacheKey: []byte("k")}}}))
	for range 2 {
		ok[*cachepb.GetBatchResponse](t)(batch.Recv())
	}
	if _, err := batch.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	_, err = m.scs.ListFetch(ctx, &cachepb.ListFetchRequest{ListName: []byte("k")}) // it is no list
	wants(t, err, codes.FailedPrecondition)
	_, err = m.scs.Get(with(t.Context(), alice), &cachepb.GetRequest{CacheKey: []byte("k")})
	wants(t, err, codes.PermissionDenied)

	sub := ok[pubsubpb.Pubsub_SubscribeClient](t)(m.topic.Subscribe(with(t.Context(), alice), &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "room-1"}))
	ok[*pubsubpb.SubscribeResponse](t)(sub.Recv()) // a heartbeat
	for _, value := range []string{"hello", strings.Repeat("y", 3000), ""} {
		ok[*pubsubpb.PublishResponse](t)(m.topic.Publish(with(t.Context(), alice), &pubsubpb.PublishRequest{CacheName: "c", Topic: "room-1", Value: textOf(value)}))
		ok[*pubsubpb.SubscribeResponse](t)(sub.Recv())
	}
	ok[*pubsubpb.PublishResponse](t)(m.topic.Publish(ctx, &pubsubpb.PublishRequest{CacheName: "c", Topic: "lobby", Value: textOf("x")}))
	_, err = m.topic.Publish(ctx, &pubsubpb.PublishRequest{CacheName: "none", Topic: "room-1", Value: textOf("x")})
	wants(t, err, codes.NotFound)

	measured := m.gauge.take()
	report := m.report(t, adminv1.UsageBy_USAGE_BY_CACHE)
	wantUsage(t, report.GetRows(),
		": 1 read 0 written 1 published 0 subscribed 2 failed 0 delivered",
		"c: 4 read 1 written 4 published 1 subscribed 1 failed 3 delivered")
	wantUsage(t, m.report(t, adminv1.UsageBy_USAGE_BY_TOPIC_PREFIX).GetRows(),
		": 1 read 0 written 1 published 0 subscribed 2 failed 0 delivered",
		"c: 4 read 1 written 0 published 0 subscribed 1 failed 0 delivered",
		"c lobby: 0 read 0 written 1 published 0 subscribed 0 failed 0 delivered",
		"c room-: 0 read 0 written 3 published 1 subscribed 0 failed 3 delivered")
	wantUsage(t, m.report(t, adminv1.UsageBy_USAGE_BY_TOKEN).GetRows(),
		"key:"+id+": 4 read 1 written 2 published 0 subscribed 2 failed 0 delivered",
		"token:alice: 1 read 0 written 3 published 1 subscribed 1 failed 3 delivered")
	total := report.GetTotal()
	if total.GetBytesIn() != measured.sent || total.GetBytesOut() != measured.received || total.GetUnits() != measured.units || total.GetDeliveries() != measured.items {
		t.Errorf("counted %v; the client sent %d bytes, received %d, %d items, %d units", total, measured.sent, measured.received, measured.items, measured.units)
	}
	if cost := report.GetCost(); cost.GetTotal() != float64(total.GetUnits()) || cost.GetPrices().GetCurrency() != "EUR" || len(cost.GetMonths()) < 1 {
		t.Errorf("cost is %v", cost)
	}
}

func textOf(text string) *pubsubpb.TopicValue {
	return &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: text}}
}

// publish publishes to the topic t.
func (m *metered) publish(t *testing.T, key string, values ...string) {
	t.Helper()
	for _, v := range values {
		ok[*pubsubpb.PublishResponse](t)(m.topic.Publish(with(t.Context(), key), text("c", "t", v)))
	}
}

// A live subscription is counted as it goes, and what is left when it ends.
func TestUsageOfLiveSubscriptions(t *testing.T) {
	m := newMetered(t)
	key, _ := m.superKey(t)
	sub := ok[pubsubpb.Pubsub_SubscribeClient](t)(m.topic.Subscribe(with(t.Context(), key), &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"}))
	ok[*pubsubpb.SubscribeResponse](t)(sub.Recv())
	for i := range 100 {
		m.publish(t, key, fmt.Sprint(i))
		ok[*pubsubpb.SubscribeResponse](t)(sub.Recv())
		if i%30 == 0 {
			if got := m.report(t, adminv1.UsageBy_USAGE_BY_CACHE).GetTotal().GetDeliveries(); got != uint64(i+1) {
				t.Errorf("%d are counted after %d", got, i+1)
			}
		}
	}
	if err := m.Delete(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Recv(); err == nil {
		t.Fatal("it goes on")
	}
	if got := m.report(t, adminv1.UsageBy_USAGE_BY_CACHE).GetTotal(); got.GetDeliveries() != 100 {
		t.Errorf("counted %v of 100 deliveries", got)
	}
}

// enough is an exchange whose client has enough after some items of a batch.
type enough struct {
	*letter
	left int
}

func (e *enough) Send(message []byte) error {
	m := new(pubsubpb.SubscribeResponse)
	if err := proto.Unmarshal(message, m); err != nil || m.GetItem() == nil {
		return err
	}
	if e.left--; e.left == 0 {
		return ErrEnough
	}
	return nil
}

// What a poll does not take is not delivered, though it was at hand.
func TestUsageOfPolls(t *testing.T) {
	m := newMetered(t)
	key, _ := m.superKey(t)
	m.publish(t, key, "0", "1", "2", "3", "4", "5", "6", "7")
	raw, err := proto.Marshal(&pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t", ResumeAtTopicSequenceNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	x := &enough{letter: &letter{message: raw, flushed: make(chan []byte, 1000), cut: make(chan struct{})}, left: 3}
	if end, _ := m.server.Call(t.Context(), Call{Method: pubsubpb.Pubsub_Subscribe_FullMethodName, Header: map[string][]string{"authorization": {key}}}, x); end.Code() != codes.OK {
		t.Fatal(end)
	}
	got := m.report(t, adminv1.UsageBy_USAGE_BY_CACHE).GetTotal()
	if got.GetDeliveries() != 3 || got.GetSubscriptions() != 1 || got.GetUnits() != 8+4 || got.GetFailed() != 0 {
		t.Errorf("counted %v", got)
	}
}

// The sums of deliveries never overflow into each other.
func TestDeliveriesSettleInTime(t *testing.T) {
	meter := metering.NewMeter(metering.Rules{}, metering.DefaultBounds())
	k := &kept{machine: store.NewMachine()}
	w := metering.NewWriter(metering.WriterConfig{Meter: meter, Store: k}, time.Now())
	d := &deliveries{meter: meter, subject: metering.Subject{Cache: "c"}}
	var items, size, units uint64
	for i := range 3 << itemBits / fanoutBatch {
		d.begin()
		d.items, d.bytes, d.extra = fanoutBatch, 16<<20, uint64(i%2)
		d.count()
		items, size, units = items+d.items, size+d.bytes, units+d.items+d.extra
	}
	d.settle()
	_ = w.Flush(t.Context())
	range_, err := metering.RangeOf(time.Now().Add(-2*time.Hour), time.Now().Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	report, err := metering.NewReader(k).Report(t.Context(), range_, metering.ByCache)
	if err != nil {
		t.Fatal(err)
	}
	if got := report.Total; got.Deliveries != items || got.BytesOut != size || got.Units != units {
		t.Errorf("counted %+v, want %d items, %d bytes, %d units", got, items, size, units)
	}
}

const fanoutBatch = 16

// A thousand subscribers cost neither a lock nor a look-up for each item.
func TestDeliveriesAllocateNothing(t *testing.T) {
	d := &deliveries{meter: metering.NewMeter(metering.Rules{}, metering.DefaultBounds())}
	message := make([]byte, 100)
	if n := testing.AllocsPerRun(1000, func() { d.begin(); d.item(0, message); d.count() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDeliveries(b *testing.B) {
	d := &deliveries{meter: metering.NewMeter(metering.Rules{}, metering.DefaultBounds())}
	message := make([]byte, 100)
	for b.Loop() {
		d.begin()
		d.item(0, message)
		d.count()
	}
}

// Pages of a report go on where the one before ended, and an export has every row with
// its hour.
func TestUsagePages(t *testing.T) {
	m := newMetered(t)
	key, _ := m.superKey(t)
	for i := range 25 {
		ok[*pubsubpb.PublishResponse](t)(m.topic.Publish(with(t.Context(), key), &pubsubpb.PublishRequest{CacheName: "c", Topic: fmt.Sprintf("p%02d-x", i), Value: textOf("x")}))
	}
	whole := showUsage(m.report(t, adminv1.UsageBy_USAGE_BY_TOPIC_PREFIX).GetRows())
	client, ctx := adminv1.NewUsageClient(m.conn), with(t.Context(), m.rootText(t))
	var paged []string
	pages := 0
	for ask := (&adminv1.ReportUsageRequest{Range: lately(), By: adminv1.UsageBy_USAGE_BY_TOPIC_PREFIX, Limit: 10}); pages == 0 || ask.GetAfter() != ""; pages++ {
		page := ok[*adminv1.ReportUsageResponse](t)(client.ReportUsage(ctx, ask))
		paged = append(paged, showUsage(page.GetRows())...)
		ask.After = page.GetNext()
		if page.GetTotal().GetPublishes() != 25 {
			t.Errorf("page %d: total %v", pages, page.GetTotal())
		}
	}
	if len(whole) != 25 || pages != 3 || !slices.Equal(paged, whole) {
		t.Errorf("%d pages: %s", pages, cmp.Diff(whole, paged))
	}
	export := ok[adminv1.Usage_ExportUsageClient](t)(client.ExportUsage(ctx, &adminv1.ExportUsageRequest{Range: lately(), By: adminv1.UsageBy_USAGE_BY_TOPIC_PREFIX}))
	var exported []string
	for {
		message, err := export.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range message.GetRows() {
			if row.GetHour()%3600 != 0 || row.GetHour() == 0 {
				t.Errorf("no hour: %v", row)
			}
		}
		exported = append(exported, showUsage(message.GetRows())...)
	}
	if !slices.Equal(exported, whole) {
		t.Errorf("exported: %s", cmp.Diff(whole, exported))
	}
}

func TestUsageRefuses(t *testing.T) {
	m := newMetered(t)
	client, ctx := adminv1.NewUsageClient(m.conn), with(t.Context(), m.rootText(t))
	ask := func(change func(*adminv1.ReportUsageRequest)) error {
		r := &adminv1.ReportUsageRequest{Range: lately()}
		change(r)
		_, err := client.ReportUsage(ctx, r)
		return err
	}
	for name, err := range map[string]error{
		"no time":       ask(func(r *adminv1.ReportUsageRequest) { r.Range = nil }),
		"no end":        ask(func(r *adminv1.ReportUsageRequest) { r.Range.Until = 0 }),
		"far":           ask(func(r *adminv1.ReportUsageRequest) { r.Range.Until = 1 << 63 }),
		"very far":      ask(func(r *adminv1.ReportUsageRequest) { r.Range.Until = 1<<63 - 1 }),
		"long":          ask(func(r *adminv1.ReportUsageRequest) { r.Range.Since = 0 }),
		"by nothing":    ask(func(r *adminv1.ReportUsageRequest) { r.By = 9 }),
		"limit":         ask(func(r *adminv1.ReportUsageRequest) { r.Limit = maxUsagePage + 1 }),
		"no cursor":     ask(func(r *adminv1.ReportUsageRequest) { r.After = "?" }),
		"another thing": ask(func(r *adminv1.ReportUsageRequest) { r.After = "_w" }),
	} {
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
		wants(t, err, codes.InvalidArgument)
	}
	token := m.disposable(t, time.Hour, "alice", topicStatement(permissionpb.TopicRole_TopicReadWrite, "room-1"))
	_, err := client.ReportUsage(with(t.Context(), token), &adminv1.ReportUsageRequest{Range: lately()})
	wants(t, err, codes.PermissionDenied)
	_, err = adminv1.NewUsageClient(newWorld(t, settings{}).conn).ReportUsage(t.Context(), &adminv1.ReportUsageRequest{Range: lately()})
	wants(t, err, codes.Unimplemented)
}

func TestHolderOf(t *testing.T) {
	for want, who := range map[string]auth.Principal{
		"anonymous":   {Kind: auth.KindAnonymous},
		"admin":       {Kind: auth.KindAdmin, ID: "x"},
		"key:k":       {Kind: auth.KindAPIKey, ID: "k", KeyID: "k", TokenID: "keyholder"},
		"token:alice": {Kind: auth.KindToken, ID: "x", KeyID: "k", TokenID: "alice"},
		"key:m":       {Kind: auth.KindToken, ID: "x", KeyID: "m"},
		"token:":      {Kind: auth.KindToken, ID: "x"},
	} {
		if got := holderOf(&who).String(); got != want {
			t.Errorf("%+v is %q, want %q", who, got, want)
		}
	}
}

// A call counts the same through every door: what carries it is not looked at.
func TestUsageOfForeignCalls(t *testing.T) {
	m := newMetered(t)
	key, _ := m.superKey(t)
	ok[*cachepb.SetResponse](t)(m.scs.Set(with(t.Context(), key), &cachepb.SetRequest{
		CacheKey: []byte("k"), CacheBody: bytes.Repeat([]byte("v"), 2000), TtlMilliseconds: 60_000,
	}))
	get := &cachepb.GetRequest{CacheKey: []byte("k")}
	batch := &cachepb.GetBatchRequest{Items: []*cachepb.GetRequest{get, get, get}}
	total := func() *adminv1.UsageCounts { return m.report(t, adminv1.UsageBy_USAGE_BY_CACHE).GetTotal() }
	started := total()

	ok[*cachepb.GetResponse](t)(m.scs.Get(with(t.Context(), key), get))
	stream := ok[cachepb.Scs_GetBatchClient](t)(m.scs.GetBatch(with(t.Context(), key), batch))
	for {
		if _, err := stream.Recv(); err != nil {
			break
		}
	}
	native := total()
	for method, message := range map[string]proto.Message{cachepb.Scs_Get_FullMethodName: get, cachepb.Scs_GetBatch_FullMethodName: batch} {
		if end, _ := m.post(t.Context(), method, newLetter(t, message), "cache", "c", "authorization", key); end.Code() != codes.OK {
			t.Fatal(end)
		}
	}
	foreign := total()
	if native.GetReads() != started.GetReads()+2 || native.GetUnits() != started.GetUnits()+2+6 { // 2,000 bytes once, and three times
		t.Errorf("natively %v after %v", native, started)
	}
	for name, count := range map[string]func(*adminv1.UsageCounts) uint64{
		"reads": (*adminv1.UsageCounts).GetReads, "units": (*adminv1.UsageCounts).GetUnits,
		"bytes in": (*adminv1.UsageCounts).GetBytesIn, "bytes out": (*adminv1.UsageCounts).GetBytesOut,
	} {
		if one, other := count(native)-count(started), count(foreign)-count(native); one != other || one == 0 {
			t.Errorf("%s: %d natively, %d elsewhere", name, one, other)
		}
	}
}
