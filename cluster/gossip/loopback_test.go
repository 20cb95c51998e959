package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mayfly-broker/mayfly/cluster"
)

// TestMain waits for the goroutines of the library that outlive Close, and
// fails if any stays.
func TestMain(m *testing.M) {
	code := m.Run()
	limit := time.Now().Add(afterlife)
	err := goleak.Find()
	for err != nil && time.Now().Before(limit) {
		err = goleak.Find() // pauses by itself
	}
	if err != nil && code == 0 {
		os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

// pages is a log that can be read while it is written.
type pages struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *pages) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

func (p *pages) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}

func (p *pages) logger() *slog.Logger { return slog.New(slog.NewTextHandler(p, nil)) }

// loopback is a node on real sockets.
func loopback(t *testing.T, node cluster.NodeID, change func(*Config)) *Mesh {
	t.Helper()
	cfg := Config{
		Node: node, Cluster: "town", Secrets: [][]byte{secretOf(1)}, Bind: "127.0.0.1:0",
		Claim: claimOf(node, 1),
	}
	if change != nil {
		change(&cfg)
	}
	m, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func eventually(t *testing.T, m *Mesh, want string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for view(m) != want {
		select {
		case <-m.Changes():
		case <-limit:
			t.Fatalf("hears %q, want %q", view(m), want)
		}
	}
}

func TestThreeNodesOnRealSockets(t *testing.T) {
	a := loopback(t, "a", nil)
	seeded := func(c *Config) { c.Seeds = []string{a.Addr().String()} }
	b, c := loopback(t, "b", seeded), loopback(t, "c", seeded)
	eventually(t, a, "b alive, c alive")
	eventually(t, b, "a alive, c alive")
	eventually(t, c, "a alive, b alive")
	if err := c.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, a, "b alive, c gone")
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if conn, err := net.Dial("tcp", c.Addr().String()); err == nil {
		conn.Close()
		t.Error("a closed node still listens")
	}
}

func TestStrangersAreRefusedWithAHint(t *testing.T) {
	for _, tc := range []struct {
		what, toThem, toUs string
		change             func(*Config)
	}{
		{"another cluster", "may belong to another cluster", "a node of another cluster",
			func(c *Config) { c.Cluster = "village" }},
		{"another secret", "holds another gossip secret", "holds another gossip secret",
			func(c *Config) { c.Secrets = [][]byte{secretOf(2)} }},
	} {
		t.Run(tc.what, func(t *testing.T) {
			ours, theirs := new(pages), new(pages)
			a := loopback(t, "a", func(c *Config) { c.Logger = ours.logger() })
			b := loopback(t, "b", func(c *Config) {
				tc.change(c)
				c.Logger = theirs.logger()
			})
			err := b.Join(t.Context(), []string{a.Addr().String()})
			if !errors.Is(err, ErrNotJoined) || !strings.Contains(err.Error(), tc.toThem) {
				t.Errorf("joining gave %v, want a hint that it %s", err, tc.toThem)
			}
			limit := time.Now().Add(10 * time.Second)
			for !strings.Contains(ours.String(), tc.toUs) {
				if time.Now().After(limit) {
					t.Fatalf("the log has no hint of %s:\n%s", tc.toUs, ours)
				}
				<-time.After(time.Millisecond)
			}
			if len(a.Peers())+len(b.Peers()) > 0 {
				t.Errorf("a hears %q, b hears %q", view(a), view(b))
			}
			for _, log := range []*pages{ours, theirs} {
				if strings.Contains(log.String(), string(secretOf(1))) || strings.Contains(log.String(), string(secretOf(2))) {
					t.Error("the log holds a secret")
				}
			}
		})
	}
}

// What has nothing to do with gossip is counted, packet by packet and stream by
// stream.
func TestJunkIsCounted(t *testing.T) {
	log := new(pages)
	a := loopback(t, "a", func(c *Config) { c.Logger = log.logger() })
	counted := func(what string, n uint64) {
		t.Helper()
		for limit := time.Now().Add(10 * time.Second); a.Strangers() != n; <-time.After(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%s: %d are counted, want %d: %s", what, a.Strangers(), n, log)
			}
		}
	}
	for i, words := range []string{"GET / HTTP/1.1\r\n\r\n", "\xf4", "\xf4\x00", "\xf4\x04townGET", "\xf4\x04townGET / HTTP/1.1\r\n", "\xf4\x07village\x01"} {
		conn, err := net.Dial("tcp", a.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, words)
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
		counted(fmt.Sprintf("a stream of %q", words), uint64(i)+1)
	}
	before := a.Strangers()
	conn, err := net.Dial("udp", a.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i, words := range []string{"junk", "\xf4", "\xf4\x00", "\xf4\x04townjunk", "\xf4\x04town\x01" + strings.Repeat("x", 100), "\xf4\x07village\x01"} {
		_, _ = io.WriteString(conn, words)
		counted(fmt.Sprintf("a packet of %q", words), before+uint64(i)+1)
	}
}

func TestSeedsThatDoNotAnswerAreLogged(t *testing.T) {
	log := new(pages)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // so that nobody listens there
	m := loopback(t, "a", func(c *Config) {
		c.Logger = log.logger()
		c.Seeds = []string{l.Addr().String()}
	})
	limit := time.Now().Add(10 * time.Second)
	for !strings.Contains(log.String(), "asked a seed in vain") {
		if time.Now().After(limit) {
			t.Fatalf("the log says\n%s", log)
		}
		<-time.After(time.Millisecond)
	}
	if err := m.Join(t.Context(), []string{"nonsense"}); !errors.Is(err, ErrNotJoined) || !strings.Contains(err.Error(), "host:port") {
		t.Errorf("joining nonsense gave %v", err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	taken := loopback(t, "a", nil)
	for want, change := range map[string]func(*Config){
		"node name":                func(c *Config) { c.Node = "../a" },
		"cluster id":               func(c *Config) { c.Cluster = "" },
		"one or two":               func(c *Config) { c.Secrets = nil },
		"must have 32":             func(c *Config) { c.Secrets = [][]byte{[]byte("short")} },
		"all zeros":                func(c *Config) { c.Secrets = [][]byte{make([]byte, 32)} },
		"address to listen on":     func(c *Config) { c.Bind = "7946" },
		"address to advertise":     func(c *Config) { c.Advertise = "here:port" },
		"an address to advertise":  func(c *Config) { c.Bind = ":0" },
		"boot id":                  func(c *Config) { c.Claim.Boot = "" },
		"version":                  func(c *Config) { c.Claim.Version = strings.Repeat("9", 33) },
		"at most 512":              func(c *Config) { c.Claim.PeerAddr = strings.Repeat("a", 500) + ":1" },
		"address already in use":   func(c *Config) { c.Bind = taken.Addr().String() },
		"nobody can be reached at": func(c *Config) { c.Advertise = "224.0.0.1:1" },
	} {
		cfg := Config{Node: "b", Cluster: "town", Secrets: [][]byte{secretOf(1)}, Bind: "127.0.0.1:0", Claim: claimOf("b", 1)}
		change(&cfg)
		m, err := Open(cfg)
		if err == nil {
			m.Close()
			t.Errorf("no error about %q", want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q says nothing of %q", err, want)
		}
	}
}

func TestAdvertisedAddress(t *testing.T) {
	m := loopback(t, "a", func(c *Config) { c.Bind, c.Advertise = ":0", "127.0.0.1:0" })
	if a := m.Addr(); a.Addr().String() != "127.0.0.1" || a.Port() == 0 {
		t.Errorf("advertises %s", a)
	}
	b := loopback(t, "b", nil)
	if err := b.Join(t.Context(), []string{m.Addr().String()}); err != nil {
		t.Error(err)
	}
}

func TestMethodsRaceWithClose(t *testing.T) {
	a := loopback(t, "a", nil)
	b := loopback(t, "b", func(c *Config) {
		c.Registered = func() []Address { return []Address{{"a", a.Addr().String()}} }
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			err := b.Join(t.Context(), []string{a.Addr().String()})
			if err != nil && !errors.Is(err, ErrNotJoined) {
				t.Error(err)
			}
			b.Peers()
			b.Conflicts()
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
