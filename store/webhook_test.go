package store

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// webhook puts a webhook whose secret is "first".
func webhook(cache, name string) *storev1.PutWebhook {
	return &storev1.PutWebhook{Webhook: &Webhook{Cache: cache, Name: name, Topic: "t", Url: "https://example.com/", Secret: "first"}}
}

// with changes one thing about a put.
func with(put *storev1.PutWebhook, change func(w *Webhook)) *storev1.PutWebhook {
	change(put.Webhook)
	return put
}

func TestWebhooksOfTheCatalog(t *testing.T) {
	c := NewCatalog()
	long := strings.Repeat("ä", MaxWebhookName)
	runCatalog(t, c, []step{
		{1, webhook("a", "w"), notFound, 0},
		{1, create("a"), catalogOK, 1},
		{1, create("a b"), catalogOK, 2},
		{1, webhook("a", "w"), catalogOK, 0},
		{1, webhook("a", long), catalogOK, 0},
		{1, webhook("a b", "w"), catalogOK, 0},
		{1, webhook("a", long+"x"), invalidArg, 0},
		{1, webhook("a", ""), invalidArg, 0},
		{1, webhook("a", "\xff"), invalidArg, 0},
		{1, webhook("a", "w\x00"), invalidArg, 0},
		{1, webhook("", "w"), invalidArg, 0},
		{1, with(webhook("a", "w"), func(w *Webhook) { w.Topic = "" }), invalidArg, 0},
		{1, with(webhook("a", "w"), func(w *Webhook) { w.Url = "" }), invalidArg, 0},
		{1, with(webhook("a", "w"), func(w *Webhook) { w.Url = strings.Repeat("u", MaxWebhookURL+1) }), invalidArg, 0},
		{1, with(webhook("a", "w"), func(w *Webhook) { w.Secret = "" }), invalidArg, 0},
		{1, with(webhook("a", "w"), func(w *Webhook) { w.Holder = strings.Repeat("h", MaxWebhookHolder+1) }), invalidArg, 0},
		{1, with(webhook("a", "w"), func(w *Webhook) { w.Holder = "key:\n" }), invalidArg, 0},
		{1, &storev1.PutWebhook{}, invalidArg, 0},
		{1, &storev1.RotateWebhook{Cache: "a", Name: "w", Secret: "second"}, catalogOK, 0},
		{1, &storev1.RotateWebhook{Cache: "a", Name: "none", Secret: "s"}, notFound, 0},
		{1, &storev1.RotateWebhook{Cache: "none", Name: "w", Secret: "s"}, notFound, 0},
		{1, &storev1.RotateWebhook{Cache: "a", Name: "w"}, invalidArg, 0},
		{1, &storev1.RotateWebhook{Cache: "a", Secret: "s"}, invalidArg, 0},
		{1, &storev1.DeleteWebhook{Cache: "a", Name: "none"}, catalogOK, 0},
		{1, &storev1.DeleteWebhook{Cache: "none", Name: "w"}, catalogOK, 0},
		{1, &storev1.DeleteWebhook{Cache: "a"}, invalidArg, 0},
	})
	// Replacing keeps the secret, whichever comes with it, and says so.
	put := with(webhook("a", "w"), func(w *Webhook) { w.Url, w.Topic, w.Secret = "https://example.org/", "u", "third" })
	if got := c.Apply(catalogCommand(2, put)); got.GetStatus() != catalogOK || got.GetSecret() != "second" {
		t.Errorf("replaced: %v", got)
	}
	// Whom its posts are put down to is whoever put it last, whoever has rotated it.
	put = with(put, func(w *Webhook) { w.Holder = "key:k" })
	runCatalog(t, c, []step{{2, put, catalogOK, 0}, {2, &storev1.RotateWebhook{Cache: "a", Name: "w", Secret: "fourth"}, catalogOK, 0}})
	want := &Webhook{Cache: "a", Name: "w", Topic: "u", Url: "https://example.org/", Secret: "fourth", Holder: "key:k"}
	if got, ok := c.Webhook("a", "w"); !ok || !proto.Equal(got, want) {
		t.Errorf("a/w is %v", got)
	}
	if got := c.WebhooksOf("a"); len(got) != 2 || !proto.Equal(got[0], want) || got[1].GetName() != long {
		t.Errorf("a has %v", got)
	}
	// Flushing keeps them, deleting does not, and the cache's neighbour keeps its own.
	runCatalog(t, c, []step{{3, &storev1.FlushCache{Name: "a"}, catalogOK, 3}})
	if got := c.WebhooksOf("a"); len(got) != 2 {
		t.Errorf("flushed, a has %v", got)
	}
	runCatalog(t, c, []step{{3, &storev1.DeleteCache{Name: "a"}, catalogOK, 4}, {3, create("a"), catalogOK, 5}})
	if got := c.Webhooks(); len(got) != 1 || got[0].GetCache() != "a b" {
		t.Errorf("a was deleted, and there are %v", got)
	}
}

func TestWebhooksAreBounded(t *testing.T) {
	c := NewCatalog()
	for i := range MaxWebhooks/MaxWebhooksPerCache + 1 {
		c.Apply(catalogCommand(1, create(fmt.Sprint(i))))
	}
	for i := range MaxWebhooks {
		if got := c.Apply(catalogCommand(1, webhook(fmt.Sprint(i/MaxWebhooksPerCache), fmt.Sprint(i)))); got.GetStatus() != catalogOK {
			t.Fatalf("webhook %d: %v", i, got)
		}
	}
	for _, cache := range []string{"0", fmt.Sprint(MaxWebhooks / MaxWebhooksPerCache)} {
		if got := c.Apply(catalogCommand(1, webhook(cache, "more"))); got.GetStatus() != overLimit {
			t.Errorf("one more in cache %s: %v", cache, got)
		}
	}
	if got := c.Apply(catalogCommand(1, webhook("0", "0"))); got.GetStatus() != catalogOK {
		t.Errorf("replacing one of a full catalog: %v", got)
	}
	if err := NewCatalog().Restore(bytes.NewReader(catalogBytes(t, c))); err != nil {
		t.Errorf("a full catalog does not restore: %v", err)
	}
}

// Nodes of the release before can read a catalog and its log until somebody uses
// webhooks.
func TestWebhooksAloneNeedTheNewVersion(t *testing.T) {
	for _, op := range []any{create("a"), webhook("a", "w"), &storev1.DeleteWebhook{}, &storev1.RotateWebhook{}, &storev1.SweepCredentials{}} {
		encoded, err := EncodeCatalogCommand(nil, catalogCommand(1, op))
		want := byte(2)
		switch op.(type) {
		case *storev1.CreateCache, *storev1.SweepCredentials:
			want = 1
		}
		if err != nil || encoded[0] != want {
			t.Errorf("%T: version %d, %v", op, encoded[0], err)
		}
	}
	c := NewCatalog()
	c.Apply(catalogCommand(1, create("a")))
	version := func() uint32 { return c.Snapshot().message().GetVersion() }
	if got := version(); got != 1 {
		t.Errorf("without webhooks: version %d", got)
	}
	held := with(webhook("a", "w"), func(w *Webhook) { w.Holder = "admin" })
	if encoded, err := EncodeCatalogCommand(nil, catalogCommand(1, held)); err != nil || encoded[0] != 3 {
		t.Errorf("a webhook whose posts are put down to somebody: version %d, %v", encoded[0], err)
	}
	c.Apply(catalogCommand(1, held))
	if got := version(); got != 3 {
		t.Errorf("with such a webhook: version %d", got)
	}
	put := catalogCommand(1, webhook("a", "w"))
	put.Request = requestOf('g', 1, 1)
	c.Apply(put)
	if got := version(); got != 2 {
		t.Errorf("with a webhook: version %d", got)
	}
	c.Apply(catalogCommand(2, &storev1.DeleteWebhook{Cache: "a", Name: "w"}))
	if got := version(); got != 2 {
		t.Errorf("with an answer that tells a secret: version %d", got)
	}
	c.Apply(catalogCommand(2+RequestMemoryMs, &storev1.SweepCredentials{}))
	if got := version(); got != 1 {
		t.Errorf("with nothing left of webhooks: version %d", got)
	}
}

// The catalog agrees with a map of maps.
func TestWebhooksModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, model := NewCatalog(), map[string]map[string]string{}
		for i := range rapid.IntRange(1, 80).Draw(t, "commands") {
			cache := rapid.SampledFrom([]string{"a", "b", "a\u00a0b"}).Draw(t, "cache")
			name := fmt.Sprint(rapid.IntRange(0, MaxWebhooksPerCache+1).Draw(t, "name"))
			secret := fmt.Sprint("s", i)
			hooks, there := model[cache]
			_, known := hooks[name]
			want := catalogOK
			var op any
			switch rapid.IntRange(0, 6).Draw(t, "op") {
			case 0:
				if op = create(cache); there {
					want = exists409
				} else {
					model[cache] = map[string]string{}
				}
			case 1:
				if op = (&storev1.DeleteCache{Name: cache}); !there {
					want = notFound
				}
				delete(model, cache)
			case 2:
				op = &storev1.DeleteWebhook{Cache: cache, Name: name}
				delete(hooks, name)
			case 3:
				if op = (&storev1.RotateWebhook{Cache: cache, Name: name, Secret: secret}); !known {
					want = notFound
				} else {
					hooks[name] = secret
				}
			default:
				op = with(webhook(cache, name), func(w *Webhook) { w.Secret = secret })
				switch {
				case !there:
					want = notFound
				case !known && len(hooks) == MaxWebhooksPerCache:
					want = overLimit
				case !known:
					hooks[name] = secret
				}
			}
			if got := c.Apply(catalogCommand(1, op)); got.GetStatus() != want {
				t.Fatalf("%T of %s/%s: %v, want %v", op, cache, name, got, want)
			}
		}
		total := 0
		for _, cache := range slices.Sorted(maps.Keys(model)) {
			total += len(model[cache])
			got := map[string]string{}
			for _, w := range c.WebhooksOf(cache) {
				got[w.GetName()] = w.GetSecret()
			}
			if !maps.Equal(got, model[cache]) {
				t.Fatalf("%s: %v, want %v", cache, got, model[cache])
			}
		}
		if got := len(c.Webhooks()); got != total {
			t.Fatalf("%d webhooks, want %d", got, total)
		}
	})
}
