package route

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start brings up a router over real groups. dir "" keeps them in memory.
func start(t testing.TB, dir string) (*Router, func()) {
	t.Helper()
	return startWith(t, dir, LocalConfig{})
}

// startWith is start with something else in the configuration.
func startWith(t testing.TB, dir string, config LocalConfig) (*Router, func()) {
	t.Helper()
	topics, err := fanout.New(fanout.Config{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	gateway := make([]byte, 16)
	rand.Read(gateway)
	config.Topics, config.Self = topics, "n"
	config.Encode = func(at fanout.Position, m Message) []byte {
		return fmt.Appendf(nil, "%d %s %s", at.Sequence, m.Value, m.PublisherID)
	}
	local := NewLocal(config)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	host, err := replica.Open(ctx, replica.Config{
		Dir: dir, Node: "n", DataGroups: 4, Founders: []cluster.NodeID{"n"}, StateMachine: local.StateMachine,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := host.WaitLeaders(ctx); err != nil {
		t.Fatal(err)
	}
	for _, g := range host.Groups() {
		local.Bind(g)
	}
	router := NewRouter(RouterConfig{Topology: host.Topology(), Local: local, Gateway: gateway, Self: host.Node()})
	running, stop := context.WithCancel(context.Background())
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		local.Run(running, router.CatchUp)
	}()
	stopped := false
	end := func() {
		if stopped {
			return
		}
		stopped = true
		stop()
		<-kept
		topics.Close()
		if err := host.Close(context.Background()); err != nil {
			t.Error(err)
		}
		local.Wait()
	}
	t.Cleanup(end)
	return router, end
}

func set(key, value string, ttl time.Duration) *storev1.Command {
	return &storev1.Command{Cache: "chat", Key: []byte(key), Op: &storev1.Command_Set{
		Set: &storev1.Set{Value: []byte(value), TtlMs: uint64(ttl.Milliseconds())},
	}}
}

func get(t *testing.T, r *Router, key string) (string, bool) {
	t.Helper()
	result, err := r.View(t.Context(), &storev1.Query{
		Cache: "chat", Key: []byte(key), Op: &storev1.Query_Get_{Get: &storev1.Query_Get{}},
	}, false)
	if err != nil || result.GetStatus() != storev1.Status_STATUS_OK {
		t.Fatalf("get %s: %v, %v", key, result, err)
	}
	return string(result.GetValue().GetValue()), result.GetValue().GetFound()
}

func must(t *testing.T, r *Router, command *storev1.Command) {
	t.Helper()
	if result, err := r.Apply(t.Context(), command); err != nil || result.GetStatus() != storev1.Status_STATUS_OK {
		t.Fatalf("apply: %v, %v", result, err)
	}
}

// What a node holds is told by nobody who may not know it all, and of caches that
// are gone nothing counts.
func TestHeld(t *testing.T) {
	r, _ := start(t, "")
	held := func(r *Router, want ...string) {
		t.Helper()
		if got, err := r.Held(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("held are %q, %v, want %q", got, err, want)
		}
	}
	for _, name := range []string{"chat", "gone"} {
		if err := r.Create(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	held(r)
	for i := range 8 { // of several groups
		must(t, r, set(fmt.Sprint(i), "v", time.Hour))
		command := set(fmt.Sprint(i), "v", time.Hour)
		command.Cache = "gone"
		must(t, r, command)
	}
	held(r, "chat", "gone")
	// The catalog has let go of a cache, and the groups have not heard of it yet.
	if _, _, err := r.local.ApplyCatalog(t.Context(), remove("gone")); err != nil {
		t.Fatal(err)
	}
	held(r, "chat")

	// A node without a replica of some group, as one that leads none of it.
	topology, err := cluster.NewTopology(6)
	if err != nil {
		t.Fatal(err)
	}
	wider := NewRouter(RouterConfig{Topology: topology, Local: r.local, Gateway: make([]byte, 16), Self: "n"})
	defer wider.Close()
	if got, err := wider.Held(t.Context()); !errors.Is(err, ErrNotExecuted) {
		t.Errorf("a node that leads some groups says that it holds %q, %v", got, err)
	}
}

func TestCacheLife(t *testing.T) {
	r, _ := start(t, "")
	ctx := t.Context()
	if _, err := r.Apply(ctx, set("k", "v", time.Hour)); !errors.Is(err, ErrCacheNotFound) {
		t.Fatalf("set in a missing cache: %v", err)
	}
	if err := r.Create(ctx, "chat", nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Create(ctx, "chat", nil); !errors.Is(err, ErrCacheExists) {
		t.Fatalf("create twice: %v", err)
	}
	for i := range 100 {
		must(t, r, set(fmt.Sprint("k", i), "v", time.Hour))
	}
	if err := r.Flush(ctx, "chat"); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, found := get(t, r, fmt.Sprint("k", i)); found {
			t.Fatalf("k%d outlived a flush", i)
		}
	}
	must(t, r, set("k", "after the flush", time.Hour))
	if v, _ := get(t, r, "k"); v != "after the flush" {
		t.Fatalf("got %q", v)
	}
	if err := r.Delete(ctx, "chat"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{r.Delete(ctx, "chat"), r.Flush(ctx, "chat")} {
		if !errors.Is(err, ErrCacheNotFound) {
			t.Fatalf("deleted, but: %v", err)
		}
	}
	if err := r.Create(ctx, "chat", nil); err != nil {
		t.Fatal(err)
	}
	if v, found := get(t, r, "k"); found {
		t.Fatalf("%q outlived the deletion of its cache", v)
	}
}

// A gateway whose copy of the catalog lags behind must neither write into a
// flushed generation nor fail.
func TestStaleGenerationIsRefused(t *testing.T) {
	r, _ := start(t, "")
	if err := r.Create(t.Context(), "chat", nil); err != nil {
		t.Fatal(err)
	}
	must(t, r, set("k", "old", time.Hour))
	old, _ := r.Lookup("chat")
	if err := r.Flush(t.Context(), "chat"); err != nil {
		t.Fatal(err)
	}
	late := set("k", "late", time.Hour)
	late.Generation = old.GetGeneration()
	result, err := r.local.Apply(t.Context(), r.group("chat", []byte("k")), late)
	if err != nil || result.GetStatus() != storev1.Status_STATUS_STALE_GENERATION {
		t.Fatalf("a late write: %v, %v", result, err)
	}
	if _, found := get(t, r, "k"); found {
		t.Fatal("the late write was carried out")
	}
}

// A flush overtakes writes that are under way; they are carried out all the
// same, before it or after it.
func TestWritesDuringFlushes(t *testing.T) {
	r, _ := start(t, "")
	ctx := t.Context()
	if err := r.Create(ctx, "chat", nil); err != nil {
		t.Fatal(err)
	}
	flushed := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < 50 && err == nil; i++ {
			err = r.Flush(ctx, "chat")
		}
		flushed <- err
	}()
	for i := 0; ; i++ {
		select {
		case err := <-flushed:
			if err != nil {
				t.Fatal(err)
			}
			must(t, r, set("last", "v", time.Hour))
			if _, found := get(t, r, "last"); !found {
				t.Error("a write after the last flush is gone")
			}
			return
		default:
			must(t, r, set(fmt.Sprint("k", i%100), "v", time.Hour))
		}
	}
}

// The command of a gateway that learns only from the refusal that the cache was
// flushed runs under its second id.
func TestStaleCommandRunsAgain(t *testing.T) {
	r, _ := start(t, "")
	if err := r.Create(t.Context(), "chat", nil); err != nil {
		t.Fatal(err)
	}
	record, _ := r.Lookup("chat")
	command := set("k", "v", time.Hour)
	known := record.GetGeneration()
	g := r.group("chat", []byte("k"))
	if _, err := r.local.partitions[g].Load().apply(t.Context(), retirement("chat", known+1, false)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []storev1.Status{storev1.Status_STATUS_STALE_GENERATION, storev1.Status_STATUS_OK} {
		command.Generation = known
		result, err := r.once(t.Context(), g, command)
		if err != nil || result.GetStatus() != want {
			t.Fatalf("generation %d: %v, %v, want %v", known, result, err, want)
		}
		known++
	}
}

// A node that restarts reads the logs of its groups side by side. A cache that its
// catalog has not come to yet is not a deleted one.
func TestReconcileWaitsForTheCatalog(t *testing.T) {
	r, _ := start(t, "")
	ctx := t.Context()
	if err := r.Create(ctx, "chat", nil); err != nil {
		t.Fatal(err)
	}
	must(t, r, set("k", "v", time.Hour))
	whole := r.local.meta.Load()
	r.local.meta.Store(newMeta(func(string) {})) // what a restart begins with
	behind := errors.New("not there yet")
	r.local.reconcile(ctx, func(context.Context) error { return behind })
	r.local.reconcile(ctx, func(context.Context) error {
		r.local.meta.Store(whole) // the log was read to its end
		return nil
	})
	if v, ok := get(t, r, "k"); !ok || v != "v" {
		t.Errorf("after a restart k is %q, %v", v, ok)
	}
}

// A deletion that was cut short after the catalog forgot the cache is finished
// later.
func TestReconcileFreesWhatTheCatalogForgot(t *testing.T) {
	r, _ := start(t, "")
	ctx := t.Context()
	for _, name := range []string{"chat", "kept"} {
		if err := r.Create(ctx, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	must(t, r, set("k", "v", time.Hour))
	kept := set("k", "v", time.Hour)
	kept.Cache = "kept"
	must(t, r, kept)
	if _, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_DeleteCache{DeleteCache: &storev1.DeleteCache{Name: "chat"}},
	}, ErrCacheNotFound); err != nil {
		t.Fatal(err)
	}
	r.local.reconcile(ctx, r.CatchUp)
	items := 0
	for _, p := range r.local.data {
		items += p.machine.Stats().Items
	}
	if items != 1 {
		t.Errorf("%d items are held after one of two caches was deleted, want 1", items)
	}
}

// Nothing expires twice, and nothing seen expired comes back: the read that
// finds an item expired tells the log first.
func TestExpiryIsToldToTheLog(t *testing.T) {
	r, _ := start(t, "")
	if err := r.Create(t.Context(), "chat", nil); err != nil {
		t.Fatal(err)
	}
	must(t, r, set("k", "v", 30*time.Millisecond))
	p := r.local.partitions[r.group("chat", []byte("k"))].Load()
	deadline := time.Now().Add(10 * time.Second)
	for found := true; found; _, found = get(t, r, "k") {
		if time.Now().After(deadline) {
			t.Fatal("the item does not expire")
		}
	}
	seen := p.clock.milliseconds()
	p.mu.RLock()
	defer p.mu.RUnlock()
	if clock := p.machine.Clock(); clock > seen || clock+10_000 < seen {
		t.Errorf("the partition's clock stands at %d, the leader's at %d", clock, seen)
	}
	result := p.machine.View(&storev1.Query{Cache: "chat", Generation: 1 << 60, Key: []byte("k"), Op: &storev1.Query_Get_{Get: &storev1.Query_Get{}}}, 0)
	if result.GetValue().GetFound() {
		t.Error("a reader with a slow clock sees the item again")
	}
}

func TestSweepFreesExpiredItems(t *testing.T) {
	r, _ := start(t, "")
	if err := r.Create(t.Context(), "chat", nil); err != nil {
		t.Fatal(err)
	}
	for i := range 3 * sweepLimit / 10 {
		must(t, r, set(fmt.Sprint("k", i), "v", time.Millisecond))
	}
	deadline := time.Now().Add(20 * time.Second)
	for _, p := range r.local.data {
		for p.overdue() {
			if time.Now().After(deadline) {
				t.Fatal("expired items are still held")
			}
			if err := p.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTopicOverTheRouter(t *testing.T) {
	r, _ := start(t, "")
	ctx := t.Context()
	if err := r.Publish(ctx, "chat", "room", Message{}); !errors.Is(err, ErrCacheNotFound) {
		t.Fatalf("publish to a missing cache: %v", err)
	}
	if _, err := r.Subscribe(ctx, "chat", "room", fanout.Position{}); !errors.Is(err, ErrCacheNotFound) {
		t.Fatalf("subscribe in a missing cache: %v", err)
	}
	if err := r.Create(ctx, "chat", nil); err != nil {
		t.Fatal(err)
	}
	s, err := r.Subscribe(ctx, "chat", "room", fanout.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := r.Publish(ctx, "chat", "room", Message{Value: []byte("hello"), PublisherID: "ann"}); err != nil {
		t.Fatal(err)
	}
	event, err := s.Next(ctx)
	item, ok := event.Item()
	if err != nil || !ok || string(item.Encoded) != "1 hello ann" {
		t.Fatalf("got %+v, %v", item, err)
	}
	if err := r.Delete(ctx, "chat"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(ctx); !errors.Is(err, fanout.ErrCacheDropped) {
		t.Fatalf("after the cache is gone: %v", err)
	}
}

func TestRestartKeepsEverythingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	r, stop := start(t, dir)
	ctx := t.Context()
	if err := r.Create(ctx, "chat", nil); err != nil {
		t.Fatal(err)
	}
	if err := r.PutAPIKey(ctx, &storev1.ApiKey{Id: "k_1", Permissions: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		must(t, r, set(fmt.Sprint("k", i), fmt.Sprint("v", i), time.Hour))
	}
	first, err := r.local.Publish(ctx, r.group("chat", []byte("room")), fanout.Key{Cache: "chat", Topic: "room"}, Message{})
	if err != nil {
		t.Fatal(err)
	}
	stop()

	r, _ = start(t, dir)
	for i := range 200 {
		if v, _ := get(t, r, fmt.Sprint("k", i)); v != fmt.Sprint("v", i) {
			t.Fatalf("k%d is %q after a restart", i, v)
		}
	}
	if key, ok := r.APIKey("k_1"); !ok || !r.Secured() {
		t.Errorf("the API key is %v after a restart, secured %v", key, r.Secured())
	}
	second, err := r.local.Publish(ctx, r.group("chat", []byte("room")), fanout.Key{Cache: "chat", Topic: "room"}, Message{})
	if err != nil || second.Page <= first.Page {
		t.Errorf("the topic is on page %d after a restart, it was on %d before: %v", second.Page, first.Page, err)
	}
}

func TestOutcomes(t *testing.T) {
	for name, test := range map[string]struct{ from, want error }{
		"nothing":        {nil, nil},
		"no leader":      {fmt.Errorf("group 3: %w", replica.ErrNotLeader), ErrNotExecuted},
		"closed":         {replica.ErrClosed, ErrNotExecuted},
		"perhaps":        {fmt.Errorf("%w: %w", replica.ErrUnknownOutcome, context.DeadlineExceeded), ErrUnknownOutcome},
		"too much":       {replica.ErrOverloaded, ErrOverloaded},
		"disk full":      {replica.ErrNoSpace, ErrOverloaded},
		"too large":      {replica.ErrTooLarge, ErrInvalid},
		"not the owner":  {fanout.ErrNotOwner, ErrNotExecuted},
		"many topics":    {fanout.ErrTooManyTopics, ErrOverloaded},
		"cache dropped":  {fanout.ErrCacheDropped, ErrCacheNotFound},
		"deadline":       {context.DeadlineExceeded, context.DeadlineExceeded},
		"caller is gone": {context.Canceled, context.Canceled},
	} {
		if got := outcome(test.from); !errors.Is(got, test.want) || errors.Is(got, ErrUnknownOutcome) != (test.want == ErrUnknownOutcome) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
