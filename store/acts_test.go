package store

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

const (
	actBegun   = storev1.ActOutcome_ACT_OUTCOME_BEGUN
	actDone    = storev1.ActOutcome_ACT_OUTCOME_DONE
	actFailed  = storev1.ActOutcome_ACT_OUTCOME_FAILED
	actRefused = storev1.ActOutcome_ACT_OUTCOME_REFUSED
)

func act(method string) *Act { return &Act{Method: method, Caller: "admin", Node: "n1"} }

// acting is a command that carries an act of that outcome.
func acting(at uint64, op any, outcome storev1.ActOutcome) *CatalogCommand {
	cmd := catalogCommand(at, op)
	cmd.Act = act("/a/B")
	cmd.Act.Outcome = outcome
	return cmd
}

func TestActsAreRecordedWithWhatTheyDo(t *testing.T) {
	c := NewCatalog()
	once := acting(5, create("a"), 0)
	once.Request = requestOf('g', 1, 1)
	for range 2 { // the second one is a repetition, of which nothing comes
		if got := c.Apply(proto.CloneOf(once)); got.GetAct() != 1 || got.GetStatus() != catalogOK {
			t.Fatalf("the result is %v", got)
		}
	}
	c.Apply(acting(6, create("a"), 0))
	begun := c.Apply(acting(7, &storev1.RecordAct{}, actBegun))
	c.Apply(acting(8, &storev1.RecordAct{}, actRefused))
	runCatalog(t, c, []step{
		{9, &storev1.SettleAct{Sequence: begun.GetAct(), Outcome: actRefused}, invalidArg, 0},
		{9, &storev1.SettleAct{Sequence: begun.GetAct(), Outcome: actFailed, Why: "no leader"}, catalogOK, 0},
		{9, &storev1.SettleAct{Sequence: begun.GetAct(), Outcome: actDone}, invalidArg, 0},
		{9, &storev1.SettleAct{Sequence: 99, Outcome: actDone}, notFound, 0},
	})
	want := []*Act{
		{Sequence: 1, AtMs: 5, Outcome: actDone},
		{Sequence: 2, AtMs: 6, Outcome: actFailed, Why: "there is a cache of that name already"},
		{Sequence: 3, AtMs: 7, Outcome: actFailed, Why: "no leader"},
		{Sequence: 4, AtMs: 8, Outcome: actRefused},
	}
	for _, w := range want {
		w.Method, w.Caller, w.Node = "/a/B", "admin", "n1"
	}
	check := func(c *Catalog) {
		t.Helper()
		for after := range uint64(6) {
			got, want := c.Acts(after), want[min(int(after), len(want)):]
			if len(got) != len(want) {
				t.Fatalf("after %d: %v", after, got)
			}
			for i := range want {
				if !proto.Equal(got[i], want[i]) {
					t.Errorf("after %d: %v, want %v", after, got[i], want[i])
				}
			}
		}
	}
	check(c)
	if c.Acts(^uint64(0)) != nil || c.LastAct() != 4 {
		t.Errorf("the last act is %d", c.LastAct())
	}
	restored := NewCatalog()
	if err := restored.Restore(bytes.NewReader(catalogBytes(t, c))); err != nil {
		t.Fatal(err)
	}
	check(restored)
}

// Whoever is refused pushes nothing out of the record but other refusals.
func TestActsAreBounded(t *testing.T) {
	c := NewCatalog()
	for range MaxActs + 5 {
		c.Apply(acting(1, &storev1.RecordAct{}, actDone))
	}
	for range MaxRefusedActs + 5 {
		c.Apply(acting(1, &storev1.RecordAct{}, actRefused))
	}
	all := c.Acts(0)
	if len(all) != MaxActs+MaxRefusedActs || all[0].GetSequence() != 6 || all[MaxActs].GetSequence() != MaxActs+11 {
		t.Errorf("%d acts, the first is %v", len(all), all[0])
	}
	if err := NewCatalog().Restore(bytes.NewReader(catalogBytes(t, c))); err != nil {
		t.Errorf("a full record does not restore: %v", err)
	}
	c.Apply(acting(1+MaxActAgeMs, &storev1.RecordAct{}, actDone))
	if kept := len(c.Acts(0)); kept != MaxRefusedActs+1 {
		t.Errorf("%d acts are kept when all but one are too old", kept)
	}
}

// Who has a key and no right at all can ask again and again to have it refreshed. That
// must not push out what operators did.
func TestHumbleActsPushNobodyOut(t *testing.T) {
	c := NewCatalog()
	c.Apply(acting(1, create("a"), 0))
	humbly := func(at uint64, op any) {
		cmd := acting(at, op, 0)
		cmd.Act.Humble = true
		c.Apply(cmd)
	}
	runCatalog(t, c, []step{{1, apiKey("k", 0), catalogOK, 0}})
	humbly(2, refreshment("k", "k2"))
	for range 10 {
		humbly(3, refreshment("k", "k2")) // there is one already
	}
	if all := c.Acts(0); len(all) != 2 || !all[1].GetHumble() || all[1].GetOutcome() != actDone {
		t.Errorf("one change and one refreshed key are on record as %v", all)
	}
	for range MaxActs {
		humbly(4, &storev1.RecordAct{})
	}
	all := c.Acts(0)
	if len(all) != 1+MaxRefusedActs || all[0].GetSequence() != 1 {
		t.Errorf("%d acts, the first is %v", len(all), all[0])
	}
	restored := NewCatalog()
	if err := restored.Restore(bytes.NewReader(catalogBytes(t, c))); err != nil || len(restored.Acts(0)) != len(all) {
		t.Errorf("%d of %d acts after restoring: %v", len(restored.Acts(0)), len(all), err)
	}
}

func TestActsThatAreRefused(t *testing.T) {
	long := strings.Repeat("x", MaxActText+1)
	for name, change := range map[string]func(a *Act){
		"no method":    func(a *Act) { a.Method = "" },
		"a long text":  func(a *Act) { a.From = long },
		"a long value": func(a *Act) { a.Details = []*storev1.ActDetail{{Name: "n", Value: long}} },
		"many details": func(a *Act) { a.Details = make([]*storev1.ActDetail, MaxActDetails+1) },
	} {
		c := NewCatalog()
		cmd := acting(1, create("a"), 0)
		change(cmd.Act)
		if got := c.Apply(cmd); got.GetStatus() != invalidArg || len(c.Caches()) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, m := range map[string]*storev1.CatalogSnapshot{
		"acts of no version": {Version: 2, LastAct: 1},
		"out of order":       {Version: 3, LastAct: 2, Acts: []*Act{{Sequence: 2, Method: "m"}, {Sequence: 1, Method: "m"}}},
		"of the future":      {Version: 3, LastAct: 1, Acts: []*Act{{Sequence: 2, Method: "m"}}},
		"of nothing":         {Version: 3, LastAct: 1, Acts: []*Act{{Sequence: 1}}},
		"denials too early":  {Version: 2, Denials: []*TokenDenial{{TokenId: "a", NotBeforeMs: 1, UntilMs: 2}}},
		"a denial twice":     {Version: 3, Denials: []*TokenDenial{{TokenId: "a", DeniedAtMs: 1, NotBeforeMs: 1, UntilMs: 2}, {TokenId: "a", DeniedAtMs: 1, NotBeforeMs: 1, UntilMs: 2}}},
		"a timeless denial":  {Version: 3, Denials: []*TokenDenial{{TokenId: "a", NotBeforeMs: 1, UntilMs: 2}}},
		"two keys at once": {Version: 3, SigningKeys: []*SigningKey{
			{Id: "a", Algorithm: "HS256", Secret: []byte("s"), UsedFromMs: 1}, {Id: "b", Algorithm: "HS256", Secret: []byte("s"), UsedFromMs: 1},
		}},
	} {
		var buf bytes.Buffer
		f, err := newFrameWriter(&buf, catalogMagic)
		if err == nil {
			err = f.record(m)
		}
		if err == nil {
			err = f.w.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := NewCatalog().Restore(&buf); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestActText(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("ä", MaxActText), strings.Repeat("x", MaxActText), "bad \xff byte"} {
		got := ActText(text)
		if len(got) > MaxActText || !utf8.ValidString(got) {
			t.Errorf("%d bytes, %q", len(got), got)
		}
		if utf8.ValidString(text) && len(text) <= MaxActText && got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}
