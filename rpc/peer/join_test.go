package peer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

func TestTokens(t *testing.T) {
	pin := strings.Repeat("PIN", 9)[:26]
	for _, id := range []string{"c", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "a.b.c"} {
		text, want := NewToken(id, pin)
		got, err := ParseToken(text)
		if err != nil || got != (Token{id, pin, want}) || want != sha256.Sum256([]byte(text)) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	one, _ := NewToken("c", pin)
	if two, _ := NewToken("c", pin); one == two {
		t.Error("two tokens are the same")
	}
	secret := one[2:]
	for _, bad := range []string{"", ".", "c", secret, "." + secret, "c." + secret[1:], one + "A", "c." + strings.ToLower(secret), "c/d." + secret, "c." + secret[26:], "c." + secret[:51] + "1", strings.Repeat("c", 99) + "." + secret} {
		if _, err := ParseToken(bad); err == nil || bad != "" && len(bad) > 20 && strings.Contains(err.Error(), bad[len(bad)-20:]) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// goodCharter is one that any node may be given.
func goodCharter() Charter {
	c := Charter{ClusterID: "c", Groups: 4, Founders: []cluster.NodeID{"a"}, Level: 1, Trust: someTrust(), Members: []cluster.Member{someMember("a"), someMember("b")}}
	for i := range c.Members {
		c.Members[i].State = cluster.Active
	}
	return c
}

func TestCharters(t *testing.T) {
	want := goodCharter()
	if got, err := charterOf(wireCharter(want)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v came as %+v, %v", want, got, err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", want, want, want, want); len(text) > 300 {
		t.Errorf("the key is printed: %s", text)
	}
	for name, spoil := range map[string]func(*Charter){
		"no cluster":         func(c *Charter) { c.ClusterID = "" },
		"no groups":          func(c *Charter) { c.Groups = 0 },
		"too many groups":    func(c *Charter) { c.Groups = cluster.MaxGroups + 1 },
		"no trust":           func(c *Charter) { c.Trust = cluster.Trust{} },
		"no gossip key":      func(c *Charter) { c.Trust.GossipKeys = nil },
		"no authority":       func(c *Charter) { c.Trust.Authorities = nil },
		"nobody":             func(c *Charter) { c.Members, c.Founders = nil, nil },
		"out of order":       func(c *Charter) { slices.Reverse(c.Members) },
		"one name twice":     func(c *Charter) { c.Members[1].Node = "a" },
		"one store twice":    func(c *Charter) { c.Members[1].Store = c.Members[0].Store },
		"a strange member":   func(c *Charter) { c.Members[1].PeerAddr = "nowhere" },
		"two founders":       func(c *Charter) { c.Founders = []cluster.NodeID{"a", "b"} },
		"a strange founder":  func(c *Charter) { c.Founders = []cluster.NodeID{"z"} },
		"founders unordered": func(c *Charter) { c.Founders = []cluster.NodeID{"b", "a", "a"} },
	} {
		c := goodCharter()
		spoil(&c)
		if got, err := charterOf(wireCharter(c)); err == nil {
			t.Errorf("%s: taken as %v", name, got)
		}
	}
}

// keepers is a doorkeeper made of a function.
type keepers func(context.Context, cluster.Digest, cluster.Member) (Charter, error)

func (k keepers) Admit(ctx context.Context, d cluster.Digest, m cluster.Member, _ bool) (Charter, error) {
	return k(ctx, d, m)
}

// joining is what newborn node "d" asks with.
func joining(t *testing.T, w *town, token string, seeds ...string) JoinConfig {
	t.Helper()
	c := JoinConfig{Token: token, Self: someMember("d")}
	for _, s := range seeds {
		addr, ok := w.resolve(cluster.NodeID(s))
		if !ok {
			addr = s
		}
		c.Seeds = append(c.Seeds, addr)
	}
	return c
}

func TestJoin(t *testing.T) {
	token, want := tokenOf(t, "c")
	charter := goodCharter()
	charter.Founders, charter.Members = nil, append(charter.Members, someMember("d"))
	var asked []cluster.Member
	var w town
	w.mux(t, "b", func(c *MuxConfig) {
		c.Guard = func(Identity) error { return errors.New("it is not a member") }
		c.Doorkeeper = keepers(func(_ context.Context, d cluster.Digest, m cluster.Member) (Charter, error) {
			asked = append(asked, m)
			if d != want {
				return Charter{}, fmt.Errorf("%w: the join token is unknown, used or expired", cluster.ErrRefused)
			}
			return charter, nil
		})
	})
	config := joining(t, &w, token, "b")
	config.Self.State, config.Self.Leaving = cluster.Draining, true // what it says of that counts for nothing
	for range 2 {
		got, err := Join(t.Context(), config)
		if err != nil || !reflect.DeepEqual(got, charter) {
			t.Errorf("joined as %v, %v", got, err)
		}
	}
	if len(asked) != 2 || asked[0] != someMember("d") {
		t.Errorf("asked for %+v", asked)
	}
	guess, _ := tokenOf(t, "c")
	if _, err := Join(t.Context(), joining(t, &w, guess, "b")); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "unknown, used or expired") || strings.Contains(err.Error(), guess) {
		t.Errorf("with a guess: %v", err)
	}
	// A token names its cluster twice: by the id, and by the pin of the authority.
	foreign, _ := tokenOf(t, "other")
	strange, _ := NewToken("c", strings.Repeat("A", trust.PinLen))
	for _, token := range []string{foreign, strange} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := Join(ctx, joining(t, &w, token, "b")); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "cluster") || strings.Contains(err.Error(), token[len(token)-20:]) {
			t.Errorf("with the token of another cluster: %v", err)
		}
		cancel()
	}
	if len(asked) != 3 {
		t.Errorf("asked %d times", len(asked))
	}
}

// What is only a trouble of the moment is waited out, at whichever seed it ends.
func TestJoinWaitsForBetterTimes(t *testing.T) {
	t.Parallel()
	token, _ := tokenOf(t, "c")
	charter := goodCharter()
	charter.Members = append(charter.Members, someMember("d"))
	other := goodCharter()
	troubles := []error{
		&route.NotLeaderError{}, route.ErrUnknownOutcome, route.ErrOverloaded, context.DeadlineExceeded, cluster.ErrConflict, errors.New("something secret"), nil,
	}
	var w town
	var once sync.Once
	answers := func(c *MuxConfig) {
		c.Doorkeeper = keepers(func(context.Context, cluster.Digest, cluster.Member) (Charter, error) {
			err := troubles[0]
			troubles = troubles[1:]
			wrong := false
			once.Do(func() { wrong = true })
			if wrong {
				return other, nil // without the newborn
			}
			return charter, err
		})
	}
	w.mux(t, "a")
	w.mux(t, "b", answers)
	nobody := "127.0.0.1:1"
	var out lines
	config := joining(t, &w, token, nobody, "a", "b")
	config.Logger = slog.New(slog.NewTextHandler(&out, nil))
	if got, err := Join(t.Context(), config); err != nil || got.ClusterID != "c" || len(troubles) != 0 {
		t.Errorf("joined as %v, %v, with %d troubles left", got, err, len(troubles))
	}
	if text := out.String(); strings.Contains(text, token) || strings.Contains(text, token[2:]) || strings.Contains(text, "secret") {
		t.Errorf("the log says %s", text)
	}
}

func TestJoinEnds(t *testing.T) {
	t.Parallel()
	token, _ := tokenOf(t, "c")
	var w town
	w.mux(t, "a") // lets nobody in
	if err := joinUntil(t, joining(t, &w, token, "a"), "cannot let others in yet"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrRefused) {
		t.Errorf("time ran out: %v", err)
	}
	// A node that is not born yet has nothing to let in to.
	c := candidates(t, "b", 3)
	var out lines
	convened, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = Convene(convened, c.config(t, &out))
	}()
	if err := joinUntil(t, joining(t, &w, token, c.addr), "no cluster yet"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrRefused) {
		t.Errorf("at a newborn: %v", err)
	}
	stop()
	<-done
	for name, spoil := range map[string]func(*JoinConfig){
		"no token":    func(c *JoinConfig) { c.Token = "" },
		"no seeds":    func(c *JoinConfig) { c.Seeds = nil },
		"no address":  func(c *JoinConfig) { c.Seeds = []string{"b"} },
		"many seeds":  func(c *JoinConfig) { c.Seeds = make([]string, 1000) },
		"not oneself": func(c *JoinConfig) { c.Self.PeerAddr = "" },
	} {
		config := joining(t, &w, token, "a")
		spoil(&config)
		if _, err := Join(t.Context(), config); err == nil || errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// joinUntil joins until the error is that time ran out after those words were heard.
func joinUntil(t *testing.T, config JoinConfig, words string) (err error) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err = Join(ctx, config)
		cancel()
		if err == nil || strings.Contains(err.Error(), words) {
			return err
		}
	}
	t.Errorf("%q was not heard: %v", words, err)
	return err
}

// Guesses are slowed down, and so are crowds, without keeping the members out.
func TestDoorIsNarrow(t *testing.T) {
	var asked int
	var w town
	hold := make(chan struct{})
	m := w.mux(t, "b", func(c *MuxConfig) {
		c.Doorkeeper = keepers(func(context.Context, cluster.Digest, cluster.Member) (Charter, error) {
			asked++
			return Charter{}, cluster.ErrRefused
		})
	})
	token, _ := tokenOf(t, "c")
	config := joining(t, &w, token, "b")
	slowed := 0
	parsed, err := ParseToken(token)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * joinBurst {
		_, final, err := joinAt(t.Context(), config, parsed, config.Seeds[0])
		if errors.Is(err, route.ErrOverloaded) && !final {
			slowed++
		}
	}
	if asked > 2*joinBurst || slowed == 0 {
		t.Errorf("%d of %d guesses were looked at, %d slowed down", asked, 3*joinBurst, slowed)
	}
	// Those that come in and say nothing are few, and end.
	var inside []net.Conn
	hello := &peerv1.Hello{ClusterId: "c", Node: "d", StoreId: "s", BootId: "t", Class: peerv1.Hello_CLASS_JOIN}
	until(t, "the door is full", func() bool { // those before may be on their way out
		raw, err := net.Dial("tcp", config.Seeds[0])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { raw.Close() })
		conn, err := trust.Knock(t.Context(), raw, trust.Name{Cluster: "c", Node: "d"}, parsed.Pin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sayHello(conn, hello, ourVersions); err == nil {
			inside = append(inside, conn)
		}
		return len(inside) == maxAtDoor
	})
	if _, _, err := joinAt(t.Context(), config, parsed, config.Seeds[0]); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "at the door") {
		t.Errorf("one more than fit: %v", err)
	}
	go func() {
		if conn, err := m.Calls().Accept(); err == nil {
			conn.Close()
		}
		close(hold)
	}()
	if conn, err := w.mux(t, "a").DialCalls(t.Context(), "b"); err != nil {
		t.Errorf("a member, meanwhile: %v", err)
	} else {
		conn.Close()
	}
	<-hold
	inside[0].Close()
	until(t, "there is room again", func() bool {
		_, _, err := joinAt(t.Context(), config, parsed, config.Seeds[0])
		return !errors.Is(err, ErrRefused) || errors.Is(err, cluster.ErrRefused)
	})
}
