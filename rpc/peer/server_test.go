package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/rpc/route/nodetest"
	"github.com/mayfly-broker/mayfly/store"
)

// origin is what a good request of node "a" says.
func origin() *peerv1.Origin {
	return &peerv1.Origin{Node: "a", BootId: "boot of a", BudgetMs: 5000, SentAtMs: ticks()}
}

// A request says who sends it, and over whose connection it came.
func TestOriginIsChecked(t *testing.T) {
	var w town
	var asked atomic.Int64
	w.served(t, &double{view: func(context.Context, cluster.GroupID, *storev1.Query, bool) (*storev1.Result, error) {
		asked.Add(1)
		return new(storev1.Result), nil
	}})
	raw := peerv1.NewPeerClient(w.caller(t).conn)
	for name, test := range map[string]struct {
		change func(*peerv1.Origin)
		want   peerv1.Refusal_Reason
	}{
		"another node":    {func(o *peerv1.Origin) { o.Node = "c" }, peerv1.Refusal_REASON_INVALID},
		"another process": {func(o *peerv1.Origin) { o.BootId = "boot of yesterday" }, peerv1.Refusal_REASON_INVALID},
		"nothing":         {func(o *peerv1.Origin) { *o = peerv1.Origin{} }, peerv1.Refusal_REASON_INVALID}, //nolint:govet // a test's own message
		"no time":         {func(o *peerv1.Origin) { o.BudgetMs = 0 }, peerv1.Refusal_REASON_EXPIRED},
	} {
		o := origin()
		test.change(o)
		got, err := raw.View(t.Context(), &peerv1.ViewRequest{Origin: o, Group: 1, Query: nodetest.Get("k")})
		if err != nil || got.GetRefusal().GetReason() != test.want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, test.want)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("%d bad requests were carried out", asked.Load())
	}
	if got, err := raw.View(t.Context(), &peerv1.ViewRequest{Origin: origin(), Group: 1, Query: nodetest.Get("k")}); err != nil || got.GetResult() == nil {
		t.Errorf("a good one: %v, %v", got, err)
	}
}

// A connection that came past the Mux is not served.
func TestConnectionsWithoutHello(t *testing.T) {
	s, err := NewServer(ServerConfig{Node: &double{}, Catalog: &double{}, Terms: &double{}, Witness: &double{}, Topics: &double{}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) })
	defer serving.Wait()
	defer s.Stop(t.Context())
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := peerv1.NewPeerClient(conn).Terms(t.Context(), &peerv1.TermsRequest{Origin: origin()}); err == nil {
		t.Errorf("served: %v", got)
	}
}

// Requests that lay in a paused process are refused, as long as the pause can be
// told from clocks that have parted; those are compared anew.
func TestRequestsThatLay(t *testing.T) {
	var w town
	w.served(t, &double{view: okView})
	c := w.caller(t)
	var behind atomic.Uint64 // how far the caller's clock is behind, as after a pause that it did not notice
	c.ticks = func() uint64 { return ticks() - behind.Load() }
	ask := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := c.View(ctx, 1, nodetest.Get("k"), false)
		return err
	}
	stale := origin() // the first on its connection: the hello was in time
	stale.SentAtMs -= 6000
	raw := peerv1.NewPeerClient(c.conn)
	got, err := raw.View(t.Context(), &peerv1.ViewRequest{Origin: stale, Group: 1, Query: nodetest.Get("k")})
	if err != nil || got.GetRefusal().GetReason() != peerv1.Refusal_REASON_EXPIRED {
		t.Errorf("a request that lay for six of its five seconds: %v, %v", got, err)
	}
	if err := ask(); err != nil {
		t.Fatalf("a fresh one after it: %v", err)
	}
	behind.Store(60_000)
	if err := ask(); !errors.Is(err, route.ErrNotExecuted) || !strings.Contains(err.Error(), "parted") {
		t.Errorf("clocks that have parted: %v", err)
	}
	for range 3 {
		if err := ask(); err != nil {
			t.Errorf("after they were compared anew: %v", err)
		}
	}
	// What was sent by the old comparison is older than all of that.
	got, err = raw.View(t.Context(), &peerv1.ViewRequest{Origin: origin(), Group: 1, Query: nodetest.Get("k")})
	if err != nil || got.GetRefusal().GetReason() != peerv1.Refusal_REASON_EXPIRED {
		t.Errorf("a request of the old comparison: %v, %v", got, err)
	}
}

func TestLateness(t *testing.T) {
	const hour, day = 3_600_000, 24 * 3_600_000
	type step struct {
		clock          uint32
		sent, received uint64
		want           int64 // -1: given up
	}
	for name, steps := range map[string][]step{
		"a steady line":           {{0, 1000, 500, 0}, {0, 2000, 1500, 0}, {0, 9000, 8500, 0}},
		"time on the way":         {{0, 1000, 5000, 0}, {0, 2000, 6300, 300}, {0, 3000, 7000, 0}},
		"the first was the slow":  {{0, 1000, 9000, 0}, {0, 2000, 6000, 0}, {0, 3000, 7100, 100}},
		"slow quartz is forgiven": {{0, 0, 0, 0}, {0, day - 8640, day, 0}, {0, 2*day - 2*8640, 2 * day, 0}},
		"a pause is not":          {{0, 0, 0, 0}, {0, hour - 5000, hour, 5000 - hour/driftShare}},
		"compared anew":           {{0, 0, 0, 0}, {0, 0, 9000, 8999}, {1, 0, 9000, 0}, {1, 100, 9100, 0}, {0, 9000, 9000, -1}},
		"beyond the clocks' ends": {{0, 1<<64 - 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 1<<64 - 1, 0}},
	} {
		var l lateness
		for i, s := range steps {
			got, ok := l.waited(s.clock, s.sent, s.received)
			if !ok {
				got = -1
			}
			if got != s.want {
				t.Errorf("%s, step %d: waited %d, want %d", name, i, got, s.want)
			}
		}
	}
}

// A panic ends one request: the node goes on, and its log tells no secret.
func TestPanicEndsOneRequest(t *testing.T) {
	var w town
	var out lines
	w.served(t, &double{
		apply: func(context.Context, cluster.GroupID, *storev1.Command) (*storev1.Result, error) { panic("secret") },
		view:  okView,
	}, func(c *ServerConfig) { c.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	c := w.caller(t)
	if _, err := c.Apply(t.Context(), 1, nodetest.Add("k", nil)); !errors.Is(err, route.ErrUnknownOutcome) {
		t.Error(err)
	}
	if _, err := c.View(t.Context(), 1, nodetest.Get("k"), false); err != nil {
		t.Error(err)
	}
	if text := out.String(); !strings.Contains(text, "ApplyRequest") || strings.Contains(text, "secret") {
		t.Errorf("the log says %s", text)
	}
}

// lines is a log in memory.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// What is too much at one moment is refused before it is carried out.
func TestBytesInFlight(t *testing.T) {
	var w town
	reached, release := make(chan struct{}), make(chan struct{})
	w.served(t, &double{apply: func(ctx context.Context, _ cluster.GroupID, _ *storev1.Command) (*storev1.Result, error) {
		for _, step := range []chan struct{}{reached, release} {
			select {
			case step <- struct{}{}:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return new(storev1.Result), nil
	}, view: okView}, func(c *ServerConfig) { c.InFlightBytes = 10_000 })
	c := w.caller(t)
	first := make(chan error, 1)
	go func() {
		_, err := c.Apply(t.Context(), 1, nodetest.Set("k", make([]byte, 6000), time.Hour))
		first <- err
	}()
	<-reached
	if _, err := c.Apply(t.Context(), 1, nodetest.Set("k", make([]byte, 6000), time.Hour)); !errors.Is(err, route.ErrOverloaded) {
		t.Errorf("more than may be in flight: %v", err)
	}
	if _, err := c.View(t.Context(), 1, nodetest.Get("k"), false); err != nil {
		t.Errorf("little enough: %v", err)
	}
	<-release
	if err := <-first; err != nil {
		t.Error(err)
	}
	go func() {
		<-reached
		<-release
	}()
	if _, err := c.Apply(t.Context(), 1, nodetest.Set("k", make([]byte, 6000), time.Hour)); err != nil {
		t.Errorf("after the first was done: %v", err)
	}
}

// A command of which this node does not know all must not enter the log: no
// replica of its version could read it.
func TestCommandsOfNewerNodes(t *testing.T) {
	var w town
	w.served(t, &double{}) // would panic
	raw := peerv1.NewPeerClient(w.caller(t).conn)
	good, err := store.EncodeCommand(nil, nodetest.Add("k", nil))
	if err != nil {
		t.Fatal(err)
	}
	added := protowire.AppendVarint(protowire.AppendTag(slices.Clone(good), 1000, protowire.VarintType), 1)
	newer := slices.Clone(good)
	newer[0] = store.CommandVersion + 1
	for name, test := range map[string]struct {
		command []byte
		want    peerv1.Refusal_Reason
	}{
		"an unknown field": {added, peerv1.Refusal_REASON_NOT_EXECUTED},
		"a newer version":  {newer, peerv1.Refusal_REASON_NOT_EXECUTED},
		"no command":       {nil, peerv1.Refusal_REASON_INVALID},
		"half a command":   {good[:len(good)-1], peerv1.Refusal_REASON_INVALID},
	} {
		data, err := raw.Apply(t.Context(), &peerv1.ApplyRequest{Origin: origin(), Group: 1, Command: test.command})
		if err != nil || data.GetRefusal().GetReason() != test.want {
			t.Errorf("%s: %v, %v", name, data, err)
		}
		catalog, err := raw.ApplyCatalog(t.Context(), &peerv1.ApplyCatalogRequest{Origin: origin(), Command: test.command})
		if err != nil || catalog.GetRefusal() == nil {
			t.Errorf("%s in the catalog: %v, %v", name, catalog, err)
		}
	}
}

// A survey brings everything, whatever its size, and says when it did not.
func TestSurvey(t *testing.T) {
	var want []fanout.Seen
	for i := range 300 {
		seen := fanout.Seen{Key: fanout.Key{Cache: "chat", Topic: fmt.Sprint("room", i)}, Last: fanout.Position{Page: 7, Sequence: uint64(i)}}
		for n := range i {
			size := 100
			if i == 299 && n%50 == 0 {
				size = 1 << 20
			}
			seen.Items = append(seen.Items, fanout.Item{Position: fanout.Position{Page: 7, Sequence: uint64(n + 1)}, Encoded: bytes.Repeat([]byte{byte(n)}, size)})
		}
		want = append(want, seen)
	}
	page, err := fanout.Page{Epoch: 2, Term: 9}.Number()
	if err != nil {
		t.Fatal(err)
	}
	var w town
	w.served(t, &double{survey: func(_ context.Context, g cluster.GroupID, term, at uint64) (iter.Seq[fanout.Seen], error) {
		if g != 3 || term != 9 || at != page {
			return nil, fmt.Errorf("%w: group %d has moved on", route.ErrNotExecuted, g)
		}
		return slices.Values(want), nil
	}})
	c := w.caller(t)
	var got []fanout.Seen
	err = c.Survey(t.Context(), 3, page, func(s fanout.Seen) error {
		if n := len(got); n > 0 && got[n-1].Key == s.Key {
			got[n-1].Items = append(got[n-1].Items, s.Items...)
			return nil
		}
		got = append(got, s)
		return nil
	})
	if err != nil || !slices.EqualFunc(got, want, sameSeen) {
		t.Errorf("%d topics came of %d: %v", len(got), len(want), err)
	}
	enough := errors.New("enough")
	if err := c.Survey(t.Context(), 3, page, func(fanout.Seen) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("ended by its reader: %v", err)
	}
	if err := c.Survey(t.Context(), 3, page-1, nil); !errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("refused: %v", err)
	}
}

func sameSeen(a, b fanout.Seen) bool {
	return a.Key == b.Key && a.Last == b.Last && slices.EqualFunc(a.Items, b.Items, func(a, b fanout.Item) bool {
		return a.Position == b.Position && bytes.Equal(a.Encoded, b.Encoded)
	})
}

// A survey that is cut short is not taken for a whole one.
func TestSurveyCutShort(t *testing.T) {
	var w town
	var stop func()
	began := make(chan struct{})
	stop = w.served(t, &double{survey: func(ctx context.Context, _ cluster.GroupID, _, _ uint64) (iter.Seq[fanout.Seen], error) {
		return func(yield func(fanout.Seen) bool) {
			item := fanout.Item{Position: fanout.Position{Page: 1, Sequence: 1}, Encoded: make([]byte, pieceBytes)}
			yield(fanout.Seen{Key: fanout.Key{Cache: "chat", Topic: "room"}, Last: item.Position, Items: []fanout.Item{item}})
			close(began)
			<-ctx.Done()
		}, nil
	}})
	go func() {
		<-began
		stop()
	}()
	pieces := 0
	err := w.caller(t).Survey(t.Context(), 1, 1, func(fanout.Seen) error { pieces++; return nil })
	if !errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("after %d pieces: %v", pieces, err)
	}
}

func TestServerNeedsAllItsParts(t *testing.T) {
	for i := range 5 {
		config := ServerConfig{Node: &double{}, Catalog: &double{}, Terms: &double{}, Witness: &double{}, Topics: &double{}}
		switch i {
		case 0:
			config.Node = nil
		case 1:
			config.Catalog = nil
		case 2:
			config.Terms = nil
		case 3:
			config.Witness = nil
		case 4:
			config.Topics = nil
		}
		if _, err := NewServer(config); err == nil {
			t.Errorf("made without part %d", i)
		}
	}
	if _, err := NewServer(ServerConfig{Node: &double{}, Catalog: &double{}, Terms: &double{}, Witness: &double{}, Topics: &double{}, InFlightBytes: -1}); err == nil {
		t.Error("made with less than nothing in flight")
	}
}

// Whatever an authenticated node sends, in whatever message, is answered, and
// neither the server nor the node behind it falls over.
func FuzzServer(f *testing.F) {
	node := nodetest.Start(f, nodetest.Config{Topics: fanout.Config{MaxTopics: 1000}})
	real := standing(node.Local)
	real.terms = node.Host.Terms
	real.survey = func(context.Context, cluster.GroupID, uint64, uint64) (iter.Seq[fanout.Seen], error) {
		return slices.Values([]fanout.Seen{}), nil
	}
	var panics lines
	var w town
	k := new(keeper)
	w.served(f, real, func(c *ServerConfig) { c.Steward, c.Office, c.Fence = k, k, k }, func(c *ServerConfig) { c.Logger = slog.New(slog.NewTextHandler(&panics, nil)) })
	conn := w.caller(f).conn
	methods := []string{
		peerv1.Peer_Apply_FullMethodName, peerv1.Peer_View_FullMethodName, peerv1.Peer_ApplyCatalog_FullMethodName,
		peerv1.Peer_Publish_FullMethodName, peerv1.Peer_Terms_FullMethodName, peerv1.Peer_Survey_FullMethodName, peerv1.Peer_Mirror_FullMethodName,
		peerv1.Peer_Observe_FullMethodName, peerv1.Peer_Step_FullMethodName, peerv1.Peer_Start_FullMethodName, peerv1.Peer_Release_FullMethodName,
		peerv1.Peer_Change_FullMethodName, peerv1.Peer_Confirm_FullMethodName, peerv1.Peer_Operate_FullMethodName, peerv1.Peer_Status_FullMethodName,
	}
	seeds(f)
	f.Fuzz(func(t *testing.T, method uint8, body []byte, signed bool) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if signed { // a good origin in front, so that the rest is looked at
			good := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), mustMarshal(origin()))
			body = append(good, body...)
		}
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, methods[int(method)%len(methods)], grpc.ForceCodec(rawCodec{}))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SendMsg(body); err != nil {
			t.Fatal(err)
		}
		_ = stream.CloseSend()
		for err == nil {
			var answer []byte
			err = stream.RecvMsg(&answer)
		}
		if ctx.Err() != nil {
			t.Errorf("no answer: %v", err)
		}
		if text := panics.String(); strings.Contains(text, "panic") {
			t.Fatal(text)
		}
	})
}

var _ Terms = (*replica.Host)(nil)
