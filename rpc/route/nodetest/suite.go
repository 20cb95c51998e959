package nodetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Face makes the face of a node that is to be tested. It lives until the test
// ends.
type Face func(t *testing.T, local *route.Local) route.Node

// Run tests a face. It takes some seconds.
func Run(t *testing.T, face Face) {
	t.Run("one node", func(t *testing.T) {
		node := Start(t, Config{})
		one := &subject{node, face(t, node.Local)}
		create(t, one)
		for name, test := range map[string]func(*subject, *testing.T){
			"values":               (*subject).values,
			"lists":                (*subject).lists,
			"statuses":             (*subject).statuses,
			"expiry":               (*subject).expiry,
			"positions":            (*subject).positions,
			"messages":             (*subject).messages,
			"many at once":         (*subject).manyAtOnce,
			"repeated":             (*subject).repeated,
			"no such group":        (*subject).noSuchGroup,
			"malformed":            (*subject).malformed,
			"too large":            (*subject).tooLarge,
			"too late from start":  (*subject).tooLateFromStart,
			"given up":             (*subject).givenUp,
			"deadline passes":      (*subject).deadlinePasses,
			"answers while others": (*subject).othersGoOn,
		} {
			t.Run(name, func(t *testing.T) { test(one, t) })
		}
	})
	t.Run("overload", func(t *testing.T) { overload(t, face) })
	t.Run("three nodes", func(t *testing.T) { threeNodes(t, face) })
}

// subject is a face with the node behind it.
type subject struct {
	node *Node
	face route.Node
}

// create enters the cache of the commands below into the catalog, in its first
// generation: what the catalog does not know is freed every ten seconds.
func create(t *testing.T, subjects ...*subject) {
	t.Helper()
	command := &storev1.CatalogCommand{
		Request: &storev1.RequestId{Gateway: Gateway(), Sequence: 1, DoneBelow: 1},
		Op:      &storev1.CatalogCommand_CreateCache{CreateCache: &storev1.CreateCache{Name: "chat"}},
	}
	until(t, "who leads has made the cache", func() bool {
		for _, s := range subjects {
			result, _, err := s.node.Local.ApplyCatalog(t.Context(), command)
			if err == nil && result.GetGeneration() == 1 {
				return true
			}
		}
		return false
	})
}

// Set makes a command that stores a value.
func Set(key string, value []byte, ttl time.Duration) *storev1.Command {
	return &storev1.Command{Cache: "chat", Generation: 1, Key: []byte(key), Op: &storev1.Command_Set{
		Set: &storev1.Set{Value: value, TtlMs: uint64(ttl.Milliseconds())},
	}}
}

// Add makes a command that counts one up; with a request it may be repeated.
func Add(key string, request *storev1.RequestId) *storev1.Command {
	return &storev1.Command{Cache: "chat", Generation: 1, Key: []byte(key), Request: request, Op: &storev1.Command_Increment{
		Increment: &storev1.Increment{Amount: 1, TtlMs: 60_000},
	}}
}

// Get makes a query for a value.
func Get(key string) *storev1.Query {
	return &storev1.Query{Cache: "chat", Generation: 1, Key: []byte(key), Op: &storev1.Query_Get_{Get: &storev1.Query_Get{}}}
}

// must runs a command that is to succeed.
func (s *subject) must(t *testing.T, command *storev1.Command) *storev1.Result {
	t.Helper()
	result, err := s.face.Apply(t.Context(), 1, command)
	if err != nil || result.GetStatus() != storev1.Status_STATUS_OK {
		t.Fatalf("apply: %v, %v", result, err)
	}
	return result
}

func (s *subject) get(t *testing.T, key string) ([]byte, bool) {
	t.Helper()
	result, err := s.face.View(t.Context(), 1, Get(key), false)
	if err != nil || result.GetStatus() != storev1.Status_STATUS_OK {
		t.Fatalf("view: %v, %v", result, err)
	}
	return result.GetValue().GetValue(), result.GetValue().GetFound()
}

func (s *subject) values(t *testing.T) {
	for _, size := range []int{0, 1, 100, 1 << 20, 5 << 20} {
		value := bytes.Repeat([]byte{byte(size), 0xff}, (size+1)/2)[:size]
		s.must(t, Set("value", value, time.Hour))
		if got, found := s.get(t, "value"); !found || !bytes.Equal(got, value) {
			t.Errorf("%d bytes came back as %d, found %v", size, len(got), found)
		}
	}
	if _, found := s.get(t, "nothing"); found {
		t.Error("a value that was never set")
	}
}

func (s *subject) lists(t *testing.T) {
	var want [][]byte
	for i := range 3 {
		values := slices.Repeat([][]byte{{byte(i)}}, 1000)
		want = append(want, values...)
		s.must(t, &storev1.Command{Cache: "chat", Generation: 1, Key: []byte("list"), Op: &storev1.Command_ListPush{
			ListPush: &storev1.ListPush{End: storev1.End_END_BACK, Values: values, Ttl: &storev1.CollectionTtl{TtlMs: 60_000}},
		}})
	}
	result, err := s.face.View(t.Context(), 1, &storev1.Query{
		Cache: "chat", Generation: 1, Key: []byte("list"), Op: &storev1.Query_ListFetch_{ListFetch: &storev1.Query_ListFetch{}},
	}, true)
	if err != nil || !slices.EqualFunc(result.GetValues().GetValues(), want, bytes.Equal) {
		t.Errorf("%d values came back of %d: %v", len(result.GetValues().GetValues()), len(want), err)
	}
}

// What an operation refuses is a result, not an error.
func (s *subject) statuses(t *testing.T) {
	s.must(t, Set("word", []byte("word"), time.Hour))
	old := Set("word", []byte("late"), time.Hour)
	newer := Set("flushed", nil, time.Hour)
	newer.Cache, newer.Generation = "flushed", 7
	s.must(t, newer)
	old.Cache, old.Generation = "flushed", 6
	for want, command := range map[storev1.Status]*storev1.Command{
		storev1.Status_STATUS_NOT_A_NUMBER:     Add("word", nil),
		storev1.Status_STATUS_STALE_GENERATION: old,
		storev1.Status_STATUS_INVALID:          Set("word", nil, 0),
		storev1.Status_STATUS_WRONG_TYPE: {Cache: "chat", Generation: 1, Key: []byte("word"), Op: &storev1.Command_ListPop{
			ListPop: &storev1.ListPop{End: storev1.End_END_BACK},
		}},
	} {
		if result, err := s.face.Apply(t.Context(), 1, command); err != nil || result.GetStatus() != want {
			t.Errorf("got %v, %v, want status %v", result, err, want)
		}
	}
}

func (s *subject) expiry(t *testing.T) {
	s.must(t, Set("mayfly", []byte("alive"), 50*time.Millisecond))
	until(t, "an item expires", func() bool {
		_, found := s.get(t, "mayfly")
		return !found
	})
}

// Every message gets a position of its own, without holes, in one page.
func (s *subject) positions(t *testing.T) {
	const publishers, each = 8, 25
	positions := make([][]fanout.Position, publishers)
	var all sync.WaitGroup
	for i := range publishers {
		all.Go(func() {
			for range each {
				at, err := s.face.Publish(t.Context(), 1, fanout.Key{Cache: "chat", Topic: "positions"}, route.Message{Value: []byte("hello")})
				if err != nil {
					t.Error(err)
					return
				}
				positions[i] = append(positions[i], at)
			}
		})
	}
	all.Wait()
	for i, list := range positions {
		if !slices.IsSortedFunc(list, fanout.Position.Compare) {
			t.Errorf("publisher %d was not answered in order: %v", i, list)
		}
	}
	together := slices.Concat(positions...)
	slices.SortFunc(together, fanout.Position.Compare)
	for i, at := range together {
		if at.Page == 0 || at.Page != together[0].Page || at.Sequence != uint64(i+1) {
			t.Fatalf("position %d is %v", i+1, at)
		}
	}
}

// A message arrives with everything that belongs to it.
func (s *subject) messages(t *testing.T) {
	key := fanout.Key{Cache: "chat", Topic: "messages"}
	reader, err := s.node.Local.Subscribe(1, key, fanout.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for _, m := range []route.Message{{}, {Text: true, Value: []byte("hé"), PublisherID: "ann"}, {Value: []byte{0, 0xff}}, {Value: make([]byte, 1<<20)}} {
		at, err := s.face.Publish(t.Context(), 1, key, m)
		if err != nil {
			t.Fatal(err)
		}
		event, err := reader.Next(t.Context())
		item, _ := event.Item()
		if err != nil || item.Position != at || !bytes.Equal(item.Encoded, encode(at, m)) {
			t.Errorf("%d bytes published at %v came as %d bytes at %v: %v", len(m.Value), at, len(item.Encoded), item.Position, err)
		}
	}
}

// Answers find those who asked.
func (s *subject) manyAtOnce(t *testing.T) {
	const callers, each = 16, 20
	numbers := make([]bool, callers*each+1)
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			own := string(rune('a' + i))
			for range each {
				result, err := s.face.Apply(t.Context(), 1, Add("many", nil))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				n := result.GetNumber()
				if n < 1 || int(n) >= len(numbers) || numbers[n] {
					t.Errorf("number %d out of turn", n)
				} else {
					numbers[n] = true
				}
				mu.Unlock()
				s.must(t, Set(own, []byte(own), time.Hour))
				if got, _ := s.get(t, own); string(got) != own {
					t.Errorf("asked for %q, got %q", own, got)
				}
			}
		})
	}
	all.Wait()
}

// A repeated command returns what it did first.
func (s *subject) repeated(t *testing.T) {
	id := &storev1.RequestId{Gateway: Gateway(), Sequence: 1, DoneBelow: 1}
	for range 3 {
		if n := s.must(t, Add("repeated", id)).GetNumber(); n != 1 {
			t.Fatalf("number %d after a repetition", n)
		}
	}
}

func (s *subject) noSuchGroup(t *testing.T) {
	for _, g := range []cluster.GroupID{cluster.MetaGroup, groups + 1, cluster.MaxGroups + 1, 1 << 31} {
		_, first := s.face.Apply(t.Context(), g, Add("k", nil))
		_, second := s.face.View(t.Context(), g, Get("k"), false)
		_, third := s.face.Publish(t.Context(), g, fanout.Key{Cache: "chat", Topic: "t"}, route.Message{})
		for _, err := range []error{first, second, third} {
			if !errors.Is(err, route.ErrNotExecuted) {
				t.Errorf("group %d: %v", g, err)
			}
		}
	}
}

func (s *subject) malformed(t *testing.T) {
	command := Add("k", nil)
	command.Cache = "\xff"
	if _, err := s.face.Apply(t.Context(), 1, command); !errors.Is(err, route.ErrInvalid) {
		t.Errorf("a name that is not UTF-8: %v", err)
	}
}

func (s *subject) tooLarge(t *testing.T) {
	for _, size := range []int{replica.MaxCommandBytes, replica.MaxCommandBytes + 1<<20} {
		if _, err := s.face.Apply(t.Context(), 1, Set("large", make([]byte, size), time.Hour)); !errors.Is(err, route.ErrInvalid) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// A call that nobody waits for any more is not begun, and that is certain.
func (s *subject) tooLateFromStart(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{canceled, late} {
		if _, err := s.face.Apply(ctx, 1, Add("never", nil)); !errors.Is(err, ctx.Err()) || errors.Is(err, route.ErrUnknownOutcome) {
			t.Errorf("apply: %v", err)
		}
	}
	if _, found := s.get(t, "never"); found {
		t.Error("it was carried out")
	}
}

// Who gives up on a command that is in the log learns that it may be carried
// out, and by its id what came of it.
func (s *subject) givenUp(t *testing.T) {
	release := s.node.Hold(1)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	id := &storev1.RequestId{Gateway: Gateway(), Sequence: 1, DoneBelow: 1}
	done := make(chan error, 1)
	go func() {
		_, err := s.face.Apply(ctx, 1, Add("given up", id))
		done <- err
	}()
	<-s.node.Reached(1)
	cancel()
	if err := <-done; !errors.Is(err, route.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	release()
	for _, want := range []int64{1, 1} {
		if n := s.must(t, Add("given up", id)).GetNumber(); n != want {
			t.Errorf("number %d, want %d", n, want)
		}
	}
}

func (s *subject) deadlinePasses(t *testing.T) {
	release := s.node.Hold(1)
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	id := &storev1.RequestId{Gateway: Gateway(), Sequence: 1, DoneBelow: 1}
	_, err := s.face.Apply(ctx, 1, Add("late", id))
	if !errors.Is(err, route.ErrUnknownOutcome) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command in the log: %v", err)
	}
	release()
	if n := s.must(t, Add("late", id)).GetNumber(); n != 1 {
		t.Errorf("number %d after a repetition", n)
	}
}

// One group that is stuck holds up no other.
func (s *subject) othersGoOn(t *testing.T) {
	release := s.node.Hold(2)
	defer release()
	stuck := make(chan error, 1)
	go func() {
		_, err := s.face.Apply(t.Context(), 2, Add("stuck", nil))
		stuck <- err
	}()
	<-s.node.Reached(2)
	s.must(t, Add("not stuck", nil))
	release()
	if err := <-stuck; err != nil {
		t.Errorf("after its release: %v", err)
	}
}

// Too much is refused before any work.
func overload(t *testing.T, face Face) {
	const commands, topics = 8, 4
	node := Start(t, Config{Limits: replica.Limits{QueuedCommands: commands}, Topics: fanout.Config{MaxTopics: topics}})
	s := &subject{node, face(t, node.Local)}
	release := node.Hold(1)
	defer release()
	var under sync.WaitGroup
	for range commands {
		under.Go(func() {
			if _, err := s.face.Apply(t.Context(), 1, Add("k", nil)); err != nil {
				t.Errorf("within the limit: %v", err)
			}
		})
	}
	until(t, "the queue is full", func() bool { return node.Host.Group(1).Stats().Queued == commands })
	if _, err := s.face.Apply(t.Context(), 1, Add("k", nil)); !errors.Is(err, route.ErrOverloaded) {
		t.Errorf("one command too many: %v", err)
	}
	release()
	under.Wait()
	if got, _ := s.get(t, "k"); string(got) != "8" {
		t.Errorf("%s commands were carried out of %d", got, commands)
	}
	var err error
	for i := 0; i <= topics && err == nil; i++ {
		topic := fanout.Key{Cache: "chat", Topic: string(rune('a' + i))}
		if _, err = s.face.Publish(t.Context(), 1, topic, route.Message{}); err != nil {
			break
		}
		reader, err := s.node.Local.Subscribe(1, topic, fanout.Position{}) // so that it is not forgotten
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
	}
	if !errors.Is(err, route.ErrOverloaded) {
		t.Errorf("one topic too many: %v", err)
	}
}

// A node that does not lead says who does, and serves what may be a little old.
func threeNodes(t *testing.T, face Face) {
	subjects := map[cluster.NodeID]*subject{}
	for name, node := range StartThree(t) {
		subjects[name] = &subject{node, face(t, node.Local)}
	}
	create(t, slices.Collect(maps.Values(subjects))...)
	for tries := 1; ; tries++ {
		leader, stayed := askFollowers(t, subjects)
		if stayed {
			break
		}
		if tries == 10 {
			t.Fatalf("node %s and others take turns leading", leader)
		}
	}
}

// askFollowers asks those that do not lead group 1. What they say counts only if
// the leader stayed the same meanwhile.
func askFollowers(t *testing.T, subjects map[cluster.NodeID]*subject) (leader cluster.NodeID, stayed bool) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var before replica.Leadership
	for _, s := range subjects {
		now, err := s.node.Host.Group(1).WaitLeader(ctx)
		if err != nil {
			t.Fatal(err)
		}
		before = now
	}
	leader = before.Leader
	if _, err := subjects[leader].face.Apply(ctx, 1, Set("k", []byte("v"), time.Hour)); err != nil {
		return leader, false
	}
	var wrong []error
	for name, s := range subjects {
		if name == leader {
			continue
		}
		_, first := s.face.Apply(ctx, 1, Add("n", nil))
		_, second := s.face.View(ctx, 1, Get("k"), false)
		_, third := s.face.Publish(ctx, 1, fanout.Key{Cache: "chat", Topic: "t"}, route.Message{})
		for _, err := range []error{first, second, third} {
			hint, ok := errors.AsType[*route.NotLeaderError](err)
			if !ok || !errors.Is(err, route.ErrNotExecuted) || *hint != (route.NotLeaderError{Group: 1, Leader: leader, Term: before.Term}) {
				wrong = append(wrong, fmt.Errorf("node %s does not say that %s leads: %w", name, leader, err))
			}
		}
		until(t, "a follower has the value", func() bool {
			result, err := s.face.View(ctx, 1, Get("k"), true)
			if err != nil {
				t.Fatal(err)
			}
			return string(result.GetValue().GetValue()) == "v"
		})
	}
	for _, s := range subjects {
		if now, _ := s.node.Host.Group(1).Leadership(); now.Leader != leader || now.Term != before.Term {
			return leader, false
		}
	}
	if err := errors.Join(wrong...); err != nil {
		t.Error(err)
	}
	return leader, true
}
