package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

const (
	catalogOK  = storev1.CatalogStatus_CATALOG_STATUS_OK
	exists409  = storev1.CatalogStatus_CATALOG_STATUS_ALREADY_EXISTS
	notFound   = storev1.CatalogStatus_CATALOG_STATUS_NOT_FOUND
	invalidArg = storev1.CatalogStatus_CATALOG_STATUS_INVALID
	overLimit  = storev1.CatalogStatus_CATALOG_STATUS_LIMIT
)

func catalogCommand(at uint64, op any) *CatalogCommand {
	cmd := &CatalogCommand{AtMs: at}
	switch op := op.(type) {
	case *storev1.CreateCache:
		cmd.Op = &storev1.CatalogCommand_CreateCache{CreateCache: op}
	case *storev1.DeleteCache:
		cmd.Op = &storev1.CatalogCommand_DeleteCache{DeleteCache: op}
	case *storev1.FlushCache:
		cmd.Op = &storev1.CatalogCommand_FlushCache{FlushCache: op}
	case *storev1.AddSigningKey:
		cmd.Op = &storev1.CatalogCommand_AddSigningKey{AddSigningKey: op}
	case *storev1.RemoveSigningKey:
		cmd.Op = &storev1.CatalogCommand_RemoveSigningKey{RemoveSigningKey: op}
	case *storev1.PutApiKey:
		cmd.Op = &storev1.CatalogCommand_PutApiKey{PutApiKey: op}
	case *storev1.RevokeApiKey:
		cmd.Op = &storev1.CatalogCommand_RevokeApiKey{RevokeApiKey: op}
	case *storev1.SweepCredentials:
		cmd.Op = &storev1.CatalogCommand_SweepCredentials{SweepCredentials: op}
	case *storev1.PutWebhook:
		cmd.Op = &storev1.CatalogCommand_PutWebhook{PutWebhook: op}
	case *storev1.DeleteWebhook:
		cmd.Op = &storev1.CatalogCommand_DeleteWebhook{DeleteWebhook: op}
	case *storev1.PutDeposit:
		cmd.Op = &storev1.CatalogCommand_PutDeposit{PutDeposit: op}
	case *storev1.UpdateCache:
		cmd.Op = &storev1.CatalogCommand_UpdateCache{UpdateCache: op}
	case *storev1.RotateWebhook:
		cmd.Op = &storev1.CatalogCommand_RotateWebhook{RotateWebhook: op}
	case *storev1.UseSigningKey:
		cmd.Op = &storev1.CatalogCommand_UseSigningKey{UseSigningKey: op}
	case *storev1.RotateApiKey:
		cmd.Op = &storev1.CatalogCommand_RotateApiKey{RotateApiKey: op}
	case *storev1.UpdateApiKey:
		cmd.Op = &storev1.CatalogCommand_UpdateApiKey{UpdateApiKey: op}
	case *storev1.RefreshApiKey:
		cmd.Op = &storev1.CatalogCommand_RefreshApiKey{RefreshApiKey: op}
	case *storev1.DenyTokens:
		cmd.Op = &storev1.CatalogCommand_DenyTokens{DenyTokens: op}
	case *storev1.RecordAct:
		cmd.Op = &storev1.CatalogCommand_RecordAct{RecordAct: op}
	case *storev1.SettleAct:
		cmd.Op = &storev1.CatalogCommand_SettleAct{SettleAct: op}
	}
	return cmd
}

func create(name string) *storev1.CreateCache { return &storev1.CreateCache{Name: name} }

func signing(id string) *storev1.AddSigningKey {
	return &storev1.AddSigningKey{Key: &SigningKey{Id: id, Algorithm: "HS256", Secret: []byte("s")}}
}

func apiKey(id string, expires uint64) *storev1.PutApiKey {
	return &storev1.PutApiKey{Key: &APIKey{Id: id, ExpiresAtMs: expires, Permissions: []byte("p")}}
}

func catalogBytes(t tester, c *Catalog) []byte {
	t.Helper()
	var buf bytes.Buffer
	if n, err := c.Snapshot().WriteTo(&buf); err != nil || n != int64(buf.Len()) {
		t.Fatalf("WriteTo: %d, %v; wrote %d", n, err, buf.Len())
	}
	return buf.Bytes()
}

// step is one command and what must come of it.
type step struct {
	at     uint64
	op     any
	status CatalogStatus
	// generation is the one answered.
	generation uint64
}

func runCatalog(t *testing.T, c *Catalog, steps []step) {
	t.Helper()
	for i, s := range steps {
		before, clock, revision := catalogBytes(t, c), c.Clock(), c.Revision()
		got := c.Apply(catalogCommand(s.at, s.op))
		if got.GetStatus() != s.status || got.GetGeneration() != s.generation {
			t.Errorf("step %d, %T: %v, want %v and generation %d", i, s.op, got, s.status, s.generation)
		}
		if (got.GetDetail() != "") != (s.status != catalogOK) {
			t.Errorf("step %d: detail %q of %v", i, got.GetDetail(), s.status)
		}
		changed := c.Revision() != revision || s.at <= clock && !bytes.Equal(before, catalogBytes(t, c))
		if s.status != catalogOK && changed {
			t.Errorf("step %d: refused, and something changed", i)
		}
	}
}

func TestCachesOfTheCatalog(t *testing.T) {
	c := NewCatalog()
	runCatalog(t, c, []step{
		{5, create("a"), catalogOK, 1},
		{6, create("b"), catalogOK, 2},
		{6, create("a"), exists409, 0},
		{6, create(""), invalidArg, 0},
		{6, create("a\x00"), invalidArg, 0},
		{6, create(strings.Repeat("ä", 128)), invalidArg, 0},
		{7, &storev1.FlushCache{Name: "a"}, catalogOK, 3},
		{7, &storev1.FlushCache{Name: "none"}, notFound, 0},
		{8, &storev1.DeleteCache{Name: "b"}, catalogOK, 4},
		{8, &storev1.DeleteCache{Name: "b"}, notFound, 0},
		{8, &storev1.DeleteCache{}, invalidArg, 0},
		{8, &storev1.FlushCache{}, invalidArg, 0},
		{9, create("b"), catalogOK, 5},
		{9, nil, invalidArg, 0},
	})
	want := []*CacheRecord{
		{Name: "a", Generation: 3, CreatedAtMs: 5, Limits: &storev1.CacheLimits{}},
		{Name: "b", Generation: 5, CreatedAtMs: 9, Limits: &storev1.CacheLimits{}},
	}
	if got := c.Caches(); !slices.EqualFunc(got, want, func(a, b *CacheRecord) bool { return proto.Equal(a, b) }) {
		t.Errorf("holds %v", got)
	}
	if got, ok := c.Cache("a"); !ok || !proto.Equal(got, want[0]) {
		t.Errorf("a is %v", got)
	}
	if _, ok := c.Cache("none"); ok {
		t.Errorf("a cache that never was")
	}
	if c.Clock() != 9 || c.Revision() != 5 || c.Secured() {
		t.Errorf("clock %d, revision %d, secured %v", c.Clock(), c.Revision(), c.Secured())
	}
}

func TestCredentialsOfTheCatalog(t *testing.T) {
	c := NewCatalog()
	put := func(change func(k *APIKey)) *storev1.PutApiKey {
		op := apiKey("k", 0)
		change(op.Key)
		return op
	}
	runCatalog(t, c, []step{
		{1, signing("s"), catalogOK, 0},
		{1, signing("s"), exists409, 0},
		{1, signing(""), invalidArg, 0},
		{1, &storev1.AddSigningKey{Key: &SigningKey{Id: "x", Algorithm: "HS256"}}, invalidArg, 0},
		{1, &storev1.AddSigningKey{Key: &SigningKey{Id: "x", Secret: []byte("s")}}, invalidArg, 0},
		{1, &storev1.AddSigningKey{Key: &SigningKey{Id: "x", Algorithm: "HS256", Secret: make([]byte, MaxSecretBytes+1)}}, invalidArg, 0},
		{1, &storev1.AddSigningKey{}, invalidArg, 0},
		{1, signing("t"), catalogOK, 0},
		{1, &storev1.RemoveSigningKey{Id: "s"}, invalidArg, 0}, // in use
		{1, &storev1.UseSigningKey{Id: "t", OthersEndMs: 9}, catalogOK, 0},
		{1, &storev1.RemoveSigningKey{Id: "s"}, catalogOK, 0},
		{1, &storev1.RemoveSigningKey{Id: "s"}, notFound, 0},

		{1, &storev1.RevokeApiKey{Id: "k"}, notFound, 0},
		{1, &storev1.PutApiKey{}, invalidArg, 0},
		{1, put(func(k *APIKey) { k.RevokedAtMs = 1 }), invalidArg, 0},
		{1, put(func(k *APIKey) { k.Description = strings.Repeat("x", MaxDescriptionBytes+1) }), invalidArg, 0},
		{1, put(func(k *APIKey) { k.TokenId = "a\nb" }), invalidArg, 0},
		{1, put(func(k *APIKey) { k.Permissions = make([]byte, MaxPermissionsBytes+1) }), invalidArg, 0},
		{1, put(func(k *APIKey) { k.RefreshDigest = []byte("short") }), invalidArg, 0},
		{1, apiKey("k", 100), catalogOK, 0},
		{1, put(func(k *APIKey) { k.ExpiresAtMs, k.RefreshDigest = 200, make([]byte, 32) }), catalogOK, 0},
		{2, apiKey("eternal", 0), catalogOK, 0},
		{2, apiKey("short", 50), catalogOK, 0},
		{3, &storev1.RevokeApiKey{Id: "k"}, catalogOK, 0},
		{4, &storev1.RevokeApiKey{Id: "k"}, catalogOK, 0},
		{4, apiKey("k", 999), invalidArg, 0},
		{49, &storev1.SweepCredentials{}, catalogOK, 0},
	})
	if got, ok := c.APIKey("k"); !ok || got.GetRevokedAtMs() != 3 || got.GetExpiresAtMs() != 200 || len(got.GetRefreshDigest()) != 32 {
		t.Errorf("k is %v", got)
	}
	ids := func() (ids []string) {
		for _, key := range c.APIKeys() {
			ids = append(ids, key.GetId())
		}
		return ids
	}
	if got := ids(); !slices.Equal(got, []string{"eternal", "k", "short"}) || !c.Secured() {
		t.Errorf("holds %v, secured %v", got, c.Secured())
	}
	if keys := c.SigningKeys(); len(keys) != 1 || keys[0].GetId() != "t" {
		t.Errorf("signing keys %v", keys)
	}
	revision := c.Revision()
	runCatalog(t, c, []step{{50, &storev1.SweepCredentials{}, catalogOK, 0}})
	if got := ids(); !slices.Equal(got, []string{"eternal", "k"}) || c.Revision() != revision+1 {
		t.Errorf("after the sweep: %v, revision %d", got, c.Revision())
	}
	runCatalog(t, c, []step{{200, &storev1.SweepCredentials{}, catalogOK, 0}, {200, &storev1.SweepCredentials{}, catalogOK, 0}})
	if got := ids(); !slices.Equal(got, []string{"eternal"}) || c.Revision() != revision+2 || !c.Secured() {
		t.Errorf("at the end: %v, revision %d, secured %v", got, c.Revision(), c.Secured())
	}
}

func TestRevokedAtTimeZeroIsRevoked(t *testing.T) {
	c := NewCatalog()
	runCatalog(t, c, []step{{0, apiKey("k", 0), catalogOK, 0}, {0, &storev1.RevokeApiKey{Id: "k"}, catalogOK, 0}})
	if got, _ := c.APIKey("k"); got.GetRevokedAtMs() == 0 {
		t.Errorf("k is %v", got)
	}
}

func TestCatalogIsBounded(t *testing.T) {
	c := NewCatalog()
	for kind, limit := range map[string]int{"cache": MaxCaches, "signing": MaxSigningKeys - MaxApplicationKeys, "application": MaxApplicationKeys, "api": MaxAPIKeys} {
		op := func(i int) any {
			id := fmt.Sprint(kind, i)
			return map[string]any{"cache": create(id), "signing": signing(id), "application": application(id, 99), "api": apiKey(id, 0)}[kind]
		}
		for i := range limit {
			if got := c.Apply(catalogCommand(1, op(i))); got.GetStatus() != catalogOK {
				t.Fatalf("%s %d: %v", kind, i, got)
			}
		}
		if got := c.Apply(catalogCommand(1, op(limit))); got.GetStatus() != overLimit {
			t.Errorf("one %s too many: %v", kind, got)
		}
	}
	if got := c.Apply(catalogCommand(1, apiKey("api0", 9))); got.GetStatus() != catalogOK {
		t.Errorf("replacing a key of a full catalog: %v", got)
	}
	if err := NewCatalog().Restore(bytes.NewReader(catalogBytes(t, c))); err != nil {
		t.Errorf("a full catalog does not restore: %v", err)
	}
}

func TestCatalogRequests(t *testing.T) {
	c := NewCatalog()
	send := func(at uint64, name string, id *storev1.RequestId) *CatalogResult {
		cmd := catalogCommand(at, create(name))
		cmd.Request = id
		return c.Apply(cmd)
	}
	if got := send(1, "a", requestOf('g', 1, 1)); got.GetGeneration() != 1 {
		t.Fatalf("%v", got)
	}
	again := NewCatalog()
	if err := again.Restore(bytes.NewReader(catalogBytes(t, c))); err != nil {
		t.Fatal(err)
	}
	c = again
	if got := send(2, "a", requestOf('g', 1, 1)); got.GetStatus() != catalogOK || got.GetGeneration() != 1 {
		t.Errorf("repeated: %v", got)
	}
	send(2, "b", requestOf('g', 5, 5))
	if got := send(2, "a", requestOf('g', 1, 1)); got.GetStatus() != storev1.CatalogStatus_CATALOG_STATUS_REQUEST_FORGOTTEN {
		t.Errorf("below the mark: %v", got)
	}
	if got := send(2, "c", requestOf('g', 0, 0)); got.GetStatus() != invalidArg {
		t.Errorf("sequence 0: %v", got)
	}
	if got := c.Apply(&CatalogCommand{AtMs: MaxClockMs + 1}); got.GetStatus() != invalidArg || c.Clock() != 2 {
		t.Errorf("a clock past its end: %v, %d", got, c.Clock())
	}
	if got := send(2+RequestMemoryMs, "b", requestOf('g', 5, 5)); got.GetStatus() != exists409 {
		t.Errorf("after two silent minutes: %v", got)
	}
}

func TestCatalogSnapshots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := NewCatalog(), NewCatalog()
		var frozen *CatalogSnapshot
		var want []byte
		for i := range rapid.IntRange(0, 60).Draw(t, "commands") {
			cmd := drawCatalogCommand(t, uint64(i))
			if i%7 == 3 {
				frozen, want = a.Snapshot(), catalogBytes(t, a)
			}
			if i%11 == 5 {
				revision := a.Revision()
				if err := a.Restore(bytes.NewReader(catalogBytes(t, a))); err != nil || a.Revision() <= revision {
					t.Fatalf("restore: %v, revision %d after %d", err, a.Revision(), revision)
				}
			}
			if x, y := a.Apply(cmd), b.Apply(proto.CloneOf(cmd)); !proto.Equal(x, y) {
				t.Fatalf("%v: %v, twin %v", cmd, x, y)
			}
		}
		if !bytes.Equal(catalogBytes(t, a), catalogBytes(t, b)) {
			t.Fatalf("the twin's snapshot differs")
		}
		if frozen != nil {
			var buf bytes.Buffer
			if _, err := frozen.WriteTo(&buf); err != nil || !bytes.Equal(buf.Bytes(), want) {
				t.Fatalf("a snapshot changed after it was taken (%v)", err)
			}
		}
	})
}

func drawCatalogCommand(t *rapid.T, at uint64) *CatalogCommand {
	name := drawName.Draw(t, "name")
	other := drawName.Draw(t, "other")
	ops := []any{
		&storev1.UseSigningKey{Id: name, OthersEndMs: at + 5}, application(name, at+9), &storev1.DenyTokens{TokenId: name, LifeMs: 5},
		rotation(name, other, at+3), refreshment(name, other), &storev1.SettleAct{Sequence: at / 2, Outcome: actDone},
		create(name), &storev1.DeleteCache{Name: name}, &storev1.FlushCache{Name: name},
		signing(name), &storev1.RemoveSigningKey{Id: name},
		apiKey(name, at+rapid.Uint64Range(0, 20).Draw(t, "life")), &storev1.RevokeApiKey{Id: name}, &storev1.SweepCredentials{},
		webhook(name, "w"), &storev1.DeleteWebhook{Cache: name, Name: "w"}, &storev1.RotateWebhook{Cache: name, Name: "w", Secret: fmt.Sprint(at)},
		&storev1.UpdateCache{Name: name, Limits: &storev1.CacheLimits{MaxMemory: new(at % 3), MaxPublishRate: new(uint32(at))}},
		deposit(name, fmt.Sprint(at)),
	}
	cmd := catalogCommand(at, rapid.SampledFrom(ops).Draw(t, "op"))
	if rapid.Bool().Draw(t, "act") {
		cmd.Act = act("/a/B")
		cmd.Act.Outcome = rapid.SampledFrom([]storev1.ActOutcome{0, actBegun, actRefused}).Draw(t, "outcome")
	}
	if rapid.Bool().Draw(t, "request") {
		sequence := rapid.Uint64Range(1, 20).Draw(t, "sequence")
		cmd.Request = requestOf(byte('a'+at%2), sequence, sequence-min(sequence, 6))
	}
	return cmd
}

func TestCatalogRestoreRefuses(t *testing.T) {
	c := NewCatalog()
	setUp := &storev1.CreateCache{Name: "a", Limits: &storev1.CacheLimits{MaxMemory: new(uint64(1))}}
	for i, op := range []any{setUp, signing("s"), apiKey("k", 0), webhook("a", "w"), deposit("d", "x")} {
		cmd := catalogCommand(1, op)
		cmd.Request = requestOf('g', uint64(i+1), 1)
		c.Apply(cmd)
	}
	data := catalogBytes(t, c)
	victim := NewCatalog()
	victim.Apply(catalogCommand(1, create("kept")))
	before := catalogBytes(t, victim)
	refuse := func(what string, damaged []byte) {
		t.Helper()
		if err := victim.Restore(bytes.NewReader(damaged)); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for n := range data {
		refuse(fmt.Sprint("cut at ", n), data[:n])
		flipped := bytes.Clone(data)
		flipped[n] ^= 1 << (n % 8)
		refuse(fmt.Sprint("flipped at ", n), flipped)
	}
	for what, change := range map[string]func(m *storev1.CatalogSnapshot){
		"no version":          func(m *storev1.CatalogSnapshot) { m.Version = 0 },
		"newer version":       func(m *storev1.CatalogSnapshot) { m.Version = catalogVersion + 1 },
		"deposit twice":       func(m *storev1.CatalogSnapshot) { m.Deposits = append(m.Deposits, m.Deposits[0]) },
		"deposit, empty":      func(m *storev1.CatalogSnapshot) { m.Deposits[0].Content = nil },
		"deposit too early":   func(m *storev1.CatalogSnapshot) { m.Version, m.Caches[0].Limits = 2, &storev1.CacheLimits{} },
		"settings too early":  func(m *storev1.CatalogSnapshot) { m.Version = 2 },
		"settings, bad":       func(m *storev1.CatalogSnapshot) { m.Caches[0].Limits.Eviction = storev1.Eviction(9).Enum() },
		"clock past its end":  func(m *storev1.CatalogSnapshot) { m.ClockMs = MaxClockMs + 1 },
		"endless generation":  func(m *storev1.CatalogSnapshot) { m.LastGeneration = 1 << 63 },
		"cache twice":         func(m *storev1.CatalogSnapshot) { m.Caches = append(m.Caches, m.Caches[0]) },
		"cache ahead":         func(m *storev1.CatalogSnapshot) { m.Caches[0].Generation = 9 },
		"cache without name":  func(m *storev1.CatalogSnapshot) { m.Caches[0].Name = "" },
		"signing key twice":   func(m *storev1.CatalogSnapshot) { m.SigningKeys = append(m.SigningKeys, m.SigningKeys[0]) },
		"signing key, bad":    func(m *storev1.CatalogSnapshot) { m.SigningKeys[0].Secret = nil },
		"API key twice":       func(m *storev1.CatalogSnapshot) { m.ApiKeys = append(m.ApiKeys, m.ApiKeys[0]) },
		"API key, bad":        func(m *storev1.CatalogSnapshot) { m.ApiKeys[0].Id = "" },
		"not secured":         func(m *storev1.CatalogSnapshot) { m.Secured = false },
		"webhook twice":       func(m *storev1.CatalogSnapshot) { m.Webhooks = append(m.Webhooks, m.Webhooks[0]) },
		"webhook, bad":        func(m *storev1.CatalogSnapshot) { m.Webhooks[0].Secret = "" },
		"webhook of no cache": func(m *storev1.CatalogSnapshot) { m.Webhooks[0].Cache = "b" },
		"webhooks too early":  func(m *storev1.CatalogSnapshot) { m.Version = 1 },
		"holder too early":    func(m *storev1.CatalogSnapshot) { m.Version, m.Webhooks[0].Holder = 2, "admin" },
		"too many webhooks": func(m *storev1.CatalogSnapshot) {
			for i := range MaxWebhooksPerCache {
				w := proto.CloneOf(m.Webhooks[0])
				w.Name = fmt.Sprint("x", i)
				m.Webhooks = append(m.Webhooks, w)
			}
		},
		"answer of nobody":     func(m *storev1.CatalogSnapshot) { m.Answers[3].Gateway = []byte("x") },
		"answer of nothing":    func(m *storev1.CatalogSnapshot) { m.Answers[0].Result = nil },
		"answers out of order": func(m *storev1.CatalogSnapshot) { m.Answers[0].Sequence = 3 },
		"data answers": func(m *storev1.CatalogSnapshot) {
			m.Requests[0].Answers = []*storev1.SnapshotRecord_Requests_Answer{{Sequence: 1}}
		},
	} {
		m := proto.CloneOf(c.Snapshot().message())
		change(m)
		var buf bytes.Buffer
		f, _ := newFrameWriter(&buf, catalogMagic)
		if err := errors.Join(f.record(m), f.w.Flush()); err != nil {
			t.Fatal(err)
		}
		refuse(what, buf.Bytes())
	}
	refuse("a machine's snapshot", snapshotBytes(t, sample()))
	if !bytes.Equal(catalogBytes(t, victim), before) || victim.Revision() != 1 {
		t.Errorf("a refused restore changed the catalog")
	}
}
