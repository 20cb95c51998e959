package route

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func hookOf(topic, secret string) *storev1.Webhook {
	return &storev1.Webhook{Cache: "chat", Name: "w", Topic: topic, Url: "https://example.com/", Secret: secret}
}

func TestWebhooksOverTheRouter(t *testing.T) {
	r, _ := start(t, "")
	ctx := t.Context()
	if _, err := r.PutWebhook(ctx, hookOf("room", "s1")); !errors.Is(err, ErrCacheNotFound) {
		t.Errorf("without the cache: %v", err)
	}
	if _, err := r.Webhooks(ctx, "chat"); !errors.Is(err, ErrCacheNotFound) {
		t.Errorf("webhooks of no cache: %v", err)
	}
	if err := r.Create(ctx, "chat", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Webhook(ctx, "chat", "w"); !errors.Is(err, ErrWebhookNotFound) {
		t.Errorf("not put yet: %v", err)
	}
	if err := r.RotateWebhook(ctx, "chat", "w", "s"); !errors.Is(err, ErrWebhookNotFound) {
		t.Errorf("rotated before it was put: %v", err)
	}
	desk := r.Desk()
	news := desk.Changed()
	if secret, err := r.PutWebhook(ctx, hookOf("room", "s1")); err != nil || secret != "s1" {
		t.Fatalf("put: %q, %v", secret, err)
	}
	select {
	case <-news:
	case <-time.After(time.Second):
		t.Error("nobody was told of a webhook")
	}
	if secret, err := r.PutWebhook(ctx, hookOf("hall", "s2")); err != nil || secret != "s1" {
		t.Errorf("replaced: %q, %v", secret, err)
	}
	if _, err := r.PutWebhook(ctx, hookOf("", "s")); !errors.Is(err, ErrInvalid) {
		t.Errorf("without a topic: %v", err)
	}
	before := desk.Webhooks()
	if err := r.RotateWebhook(ctx, "chat", "w", "s3"); err != nil {
		t.Error(err)
	}
	w, err := r.Webhook(ctx, "chat", "w")
	if err != nil || w.GetSecret() != "s3" || w.GetTopic() != "hall" {
		t.Errorf("rotated: %v, %v", w, err)
	}
	if now := desk.Webhooks(); len(before) != 1 || len(now) != 1 || now[0] == before[0] {
		t.Errorf("the desk has %v, and had %v", now, before)
	}
	for range 2 {
		if err := r.DeleteWebhook(ctx, "chat", "w"); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if all, err := r.Webhooks(ctx, "chat"); err != nil || len(all) != 0 {
		t.Errorf("at the end: %v, %v", all, err)
	}
	if err := r.DeleteWebhook(ctx, "chat", strings.Repeat("x", 200)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a name too long: %v", err)
	}
}

// Whoever delivers webhooks reads what this leader numbers, from its first item on.
func TestDeskReadsWhatIsNumberedHere(t *testing.T) {
	r, _ := start(t, "")
	ctx := t.Context()
	if err := r.Create(ctx, "chat", nil); err != nil {
		t.Fatal(err)
	}
	desk := r.Desk()
	page := desk.Numbers("chat", "room")
	if page == 0 || page != fanout.BaseOf(page) {
		t.Fatalf("page %d", page)
	}
	if err := r.Publish(ctx, "chat", "room", Message{Value: []byte("first")}); err != nil {
		t.Fatal(err)
	}
	s, err := desk.Read(fanout.Key{Cache: "chat", Topic: "room"}, fanout.Position{Page: page, Sequence: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	event, err := s.Next(ctx)
	if item, ok := event.Item(); err != nil || !ok || string(item.Encoded) != "1 first " || fanout.BaseOf(item.Page) != page {
		t.Errorf("%+v, %v", event, err)
	}
	moved := desk.Moved()
	r.local.yield(r.group("chat", []byte("room")))
	select {
	case <-moved:
	default:
		t.Error("nobody was told of the end of the numbering")
	}
	if page := desk.Numbers("chat", "room"); page != 0 {
		t.Errorf("after the end of the numbering: page %d", page)
	}
}

// What a leader notes beside a topic, whoever leads the topic next reads; and it
// knows who lived then.
func TestNotesBesideATopic(t *testing.T) {
	topics, err := fanout.New(fanout.Config{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(topics.Close)
	l := NewLocal(LocalConfig{
		Topics: topics,
		Survey: func(context.Context, cluster.GroupID, uint64, func(fanout.Seen) error) []cluster.NodeID {
			return []cluster.NodeID{"alive"}
		},
	})
	topology, err := cluster.NewTopology(1)
	if err != nil {
		t.Fatal(err)
	}
	desk := NewRouter(RouterConfig{Topology: topology, Local: l, Self: "self"}).Desk()
	room := fanout.Key{Cache: "chat", Topic: "room"}
	if desk.Heard("chat", "room", "alive") {
		t.Error("somebody was heard before anybody was asked")
	}
	if err := desk.Note(room, "w", []byte("too early")); !errors.Is(err, ErrNotExecuted) {
		t.Errorf("a note by who does not lead: %v", err)
	}
	l.own(1, 0, 5)
	for node, want := range map[cluster.NodeID]bool{"alive": true, "self": true, "dead": false} {
		if got := desk.Heard("chat", "room", node); got != want {
			t.Errorf("%s was heard: %v", node, got)
		}
	}
	if err := desk.Note(room, "w", []byte("noted")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"w": 1, "other": 0} {
		s, err := desk.ReadNotes(room, name, fanout.Position{Page: 1, Sequence: 1})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		var buf [4]fanout.Event
		for k, _ := s.Take(buf[:]); k > 0; k, _ = s.Take(buf[:]) {
			for i := range buf[:k] {
				if item, ok := buf[i].Item(); ok && string(item.Encoded) == "noted" {
					n++
				}
			}
		}
		s.Close()
		if n != want {
			t.Errorf("%d notes for %s", n, name)
		}
	}
	if desk.Follows("chat", "room") {
		t.Error("a node follows a group without a replica of it")
	}
}
