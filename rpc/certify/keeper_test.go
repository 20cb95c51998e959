package certify

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is what some nodes share. Each node may know of it late.
type shelf struct {
	mu      sync.Mutex
	kept    map[string][]byte
	changed chan struct{}
	leader  *node
	moved   chan struct{}
}

// node is a shelf as one node sees it.
type node struct {
	*shelf
	known map[string][]byte // nil for all
	fails error
}

func newShelf() *shelf {
	return &shelf{kept: map[string][]byte{}, changed: make(chan struct{}), moved: make(chan struct{})}
}

func (n *node) Deposit(name string) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known != nil {
		return n.known[name]
	}
	return n.kept[name]
}

func (n *node) PutDeposit(_ context.Context, name string, content []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails != nil {
		return n.fails
	}
	n.kept[name] = content
	close(n.changed)
	n.changed = make(chan struct{})
	return nil
}

func (n *node) CatchUp(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known != nil {
		n.known = maps.Clone(n.kept)
	}
	return n.fails
}

func (n *node) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

func (n *node) Leading() (bool, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.leader == n, n.moved
}

func (s *shelf) lead(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leader = n
	close(s.moved)
	s.moved = make(chan struct{})
}

// pair is a certificate for names, as it is kept.
func pair(t *testing.T, names []string, begins, ends time.Time) []byte {
	t.Helper()
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(begins.UnixNano()), DNSNames: names, NotBefore: begins, NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := encodePair([][]byte{der}, key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ledger notes when orders were made, and what becomes of them.
type ledger struct {
	mu    sync.Mutex
	times []time.Time
	fails error
}

func (l *ledger) note(at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times = append(l.times, at)
	return l.fails
}

func (l *ledger) all() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.times)
}

func (l *ledger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails = err
}

// keeper is one whose orders succeed at once unless the ledger says otherwise.
func keeper(t *testing.T, n *node, orders *ledger, names ...string) *Keeper {
	t.Helper()
	k, err := New(Config{Names: names, Shelf: n})
	if err != nil {
		t.Fatal(err)
	}
	k.order = func(ctx context.Context) error {
		if err := orders.note(time.Now()); err != nil {
			return err
		}
		return n.PutDeposit(ctx, certificateName, pair(t, k.config.Names, time.Now(), time.Now().Add(90*24*time.Hour)))
	}
	return k
}

func run(t *testing.T, keepers ...*Keeper) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, k := range keepers {
		running.Go(func() { k.Run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

const day = 24 * time.Hour

// A certificate is ordered once, by the node that leads, renewed after two thirds
// of its life, and shown by all.
func TestLeaderOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		a, b := &node{shelf: s}, &node{shelf: s}
		var ofA, ofB ledger
		first, second := keeper(t, a, &ofA, "a.test", "b.test"), keeper(t, b, &ofB, "a.test", "b.test")
		begin := time.Now()
		run(t, first, second)
		synctest.Wait()
		if first.Certificate() != nil || len(ofA.all())+len(ofB.all()) > 0 {
			t.Fatal("somebody ordered who does not lead")
		}
		s.lead(a)
		synctest.Wait()
		shown := first.Certificate()
		if shown == nil || second.Certificate() == nil || !shown.Leaf.Equal(second.Certificate().Leaf) {
			t.Fatal("the nodes do not show the same certificate")
		}
		time.Sleep(59 * day)
		s.lead(b) // which finds a good one
		synctest.Wait()
		if len(ofA.all()) != 1 || len(ofB.all()) != 0 {
			t.Fatalf("ordered at %v and %v", ofA.all(), ofB.all())
		}
		time.Sleep(2 * day)
		if len(ofA.all()) != 1 || len(ofB.all()) != 1 {
			t.Fatalf("ordered at %v and %v", ofA.all(), ofB.all())
		}
		if after := ofB.all()[0].Sub(begin); after < 60*day || after > 60*day+2*lookAgain {
			t.Errorf("renewed after %v", after)
		}
		if first.Certificate().Leaf.Equal(shown.Leaf) {
			t.Error("the old certificate is shown")
		}
	})
}

// What is there is shown whatever becomes of orders, which are tried again more
// and more seldom.
func TestOrdersThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		a := &node{shelf: s}
		old := pair(t, []string{"a.test"}, time.Now().Add(-80*day), time.Now().Add(10*day))
		s.kept[certificateName] = old
		s.leader = a
		orders := ledger{fails: errors.New("the server is down")}
		k := keeper(t, a, &orders, "a.test")
		begin := time.Now()
		run(t, k)
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		if k.Certificate() == nil {
			t.Fatal("what is there is not shown")
		}
		var after []time.Duration
		for _, at := range orders.all() {
			after = append(after, at.Sub(begin))
		}
		want := []time.Duration{0, time.Minute, 4 * time.Minute, 13 * time.Minute, 40 * time.Minute, 100 * time.Minute, 160 * time.Minute, 220 * time.Minute}
		if !slices.Equal(after, want) {
			t.Errorf("tried after %v, want %v", after, want)
		}
		// News of other things is no reason to try at once.
		tried := len(orders.all())
		if err := a.PutDeposit(t.Context(), "other", []byte("x")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(orders.all()) != tried {
			t.Error("it did not wait")
		}
		orders.fail(nil)
		time.Sleep(lastRetry)
		synctest.Wait()
		if len(orders.all()) != tried+1 || time.Until(k.Certificate().Leaf.NotAfter) < 80*day {
			t.Errorf("%d tries; the certificate ends at %v", len(orders.all()), k.Certificate().Leaf.NotAfter)
		}
		time.Sleep(2 * day)
		if len(orders.all()) != tried+1 {
			t.Error("it went on ordering")
		}
	})
}

func TestDue(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		names        []string
		begins, ends time.Duration
		due          bool
	}{
		"fresh":            {[]string{"a.test", "b.test"}, 0, 90 * day, false},
		"two thirds over":  {[]string{"a.test", "b.test"}, -61 * day, 29 * day, true},
		"it has ended":     {[]string{"a.test", "b.test"}, -91 * day, -day, true},
		"a name is new":    {[]string{"a.test"}, 0, 90 * day, true},
		"a short life":     {[]string{"a.test", "b.test"}, 0, 6 * day, false},
		"one that is over": {[]string{"a.test", "b.test"}, -5 * day, day, true},
	} {
		s := newShelf()
		s.kept[certificateName] = pair(t, tt.names, now.Add(tt.begins), now.Add(tt.ends))
		var orders ledger
		k := keeper(t, &node{shelf: s}, &orders, "B.test", "a.test")
		k.take()
		if due := k.due(now) <= 0; due != tt.due {
			t.Errorf("%s: due is %v", name, due)
		}
	}
}

// Proof is shown by every node, also by one that has not heard of it yet, and for
// the names that are wanted alone.
func TestChallenges(t *testing.T) {
	s := newShelf()
	late := &node{shelf: s, known: map[string][]byte{}}
	var orders ledger
	k := keeper(t, late, &orders, "a.test", "b.test")
	text, err := encodeChallenges(map[string][]byte{"a.test": pair(t, []string{"a.test"}, time.Now(), time.Now().Add(time.Hour))})
	if err != nil {
		t.Fatal(err)
	}
	s.kept[challengesName] = text
	if got, err := k.Challenge(t.Context(), "A.test"); err != nil || got.Leaf.DNSNames[0] != "a.test" {
		t.Errorf("%v, %v", got, err)
	}
	for _, name := range []string{"b.test", "c.test", ""} {
		if got, err := k.Challenge(t.Context(), name); err == nil {
			t.Errorf("%q: %v", name, got)
		}
	}
	late.known, late.fails = map[string][]byte{}, errors.New("nobody leads")
	if _, err := k.Challenge(t.Context(), "b.test"); !errors.Is(err, late.fails) {
		t.Error(err)
	}
	// What cannot be read is nothing.
	late.known, late.fails, s.kept[challengesName] = nil, nil, []byte("nonsense")
	if _, err := k.Challenge(t.Context(), "a.test"); err == nil {
		t.Error("nonsense proves something")
	}
}

// A record that is damaged leaves what is in use in place.
func TestDamagedRecord(t *testing.T) {
	s := newShelf()
	var orders ledger
	k := keeper(t, &node{shelf: s}, &orders, "a.test")
	s.kept[certificateName] = pair(t, []string{"a.test"}, time.Now(), time.Now().Add(time.Hour))
	k.take()
	good := k.Certificate()
	for _, damaged := range []string{"nonsense", string(s.kept[certificateName][:200]), strings.Replace(string(s.kept[certificateName]), "CERTIFICATE", "SOMETHING", 2)} {
		s.kept[certificateName] = []byte(damaged)
		if k.take(); k.Certificate() != good {
			t.Errorf("in use: %v", k.Certificate())
		}
	}
}

func TestNew(t *testing.T) {
	for _, c := range []Config{{}, {Names: []string{"a"}}, {Shelf: &node{}}, {Shelf: &node{}, Names: make([]string, MaxNames+1)}} {
		if _, err := New(c); err == nil {
			t.Errorf("%d names are fine", len(c.Names))
		}
	}
}

// What was written is read again, and nothing that was not is a reason to fall over.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"a":"AAAA"}`))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if made, err := decodePair(text); err == nil {
			again, err := encodePair(made.Certificate, made.PrivateKey)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := decodePair(again); err != nil {
				t.Error(err)
			}
		}
		_, _ = decodeKey(text)
		_, _ = decodeChallenges(text)
	})
}
