package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// machine is where a node lives, from one process to the next: an address, a
// data directory, and what operators told it.
type machine struct {
	t      testing.TB
	name   string
	store  string
	addr   string
	expect int
	groups int
	seeds  []string
	out    lines

	boots int
	disk  *Charter
}

// lastPort is the last one that was given to a machine. They are below those that
// systems give to connections, so that a machine finds its port free again.
var lastPort atomic.Int32

func init() { lastPort.Store(20_000 + rand.Int32N(8_000)) }

// candidates makes a machine with a free address.
func candidates(t testing.TB, name string, expect int) *machine {
	t.Helper()
	for {
		addr := fmt.Sprintf("127.0.0.1:%d", lastPort.Add(1))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return &machine{t: t, name: name, store: "store-of-" + name, addr: addr, expect: expect, groups: 4}
		}
	}
}

// crowd makes machines that know only the next one each; the last knows the
// first.
func crowd(t testing.TB, expect int, names ...string) []*machine {
	t.Helper()
	var all []*machine
	for _, n := range names {
		all = append(all, candidates(t, n, expect))
	}
	for i, m := range all {
		m.seeds = []string{all[(i+1)%len(all)].addr}
	}
	return all
}

// config is what its next process is started with.
func (m *machine) config(t testing.TB, out *lines) ConveneConfig {
	t.Helper()
	m.boots++
	l, err := net.Listen("tcp", m.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return ConveneConfig{
		Listener: l, Expect: m.expect, Seeds: m.seeds, Groups: m.groups, Logger: slog.New(slog.NewTextHandler(out, nil)),
		Wallet: founderOf(t, m.name, m.store),
		Self:   cluster.Member{Node: cluster.NodeID(m.name), Store: m.store, Boot: fmt.Sprint("boot-", m.boots), PeerAddr: m.addr, GossipAddr: m.addr, Level: uint32(m.boots)},
	}
}

// process is one life of a machine.
type process struct {
	machine *machine
	cancel  context.CancelFunc
	config  ConveneConfig
	done    chan struct{} // the convention is over, and if it went well the node is born
	charter Charter
	err     error
	mux     *Mux
}

// start runs a machine as cmd does: it convenes, writes the charter down, opens
// the port. forgetful processes end before they write.
func (m *machine) start(forgetful ...bool) *process {
	ctx, cancel := context.WithCancel(m.t.Context())
	p := &process{machine: m, cancel: cancel, config: m.config(m.t, &m.out), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		if m.disk == nil {
			p.charter, p.err = Convene(ctx, p.config)
			if p.err != nil || len(forgetful) > 0 {
				return
			}
			m.disk = &p.charter
		}
		p.charter = *m.disk
		self := Identity{ClusterID: m.disk.ClusterID, Node: m.name, StoreID: m.store, BootID: p.config.Self.Boot}
		p.mux = NewMux(MuxConfig{
			Listener: p.config.Listener, Guard: func(Identity) error { return nil }, Self: self,
			Wallet: walletOf(m.t, self, m.disk.Trust), Founders: p.config.Wallet,
			Resolve: func(cluster.NodeID) (string, bool) { return "", false },
			Charter: func() (Charter, bool) { return p.charter, true },
		})
	}()
	m.t.Cleanup(p.crash)
	return p
}

// crash ends a process, wherever it is.
func (p *process) crash() {
	p.cancel()
	<-p.done
	_ = p.config.Listener.Close()
	if p.mux != nil {
		_ = p.mux.Close()
	}
}

// over waits until the convention of a process is.
func (p *process) over() {
	p.machine.t.Helper()
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.machine.t.Fatalf("node %s still waits: %s", p.machine.name, p.machine.out.String())
	}
}

// born waits until a process has its charter.
func (p *process) born() Charter {
	p.machine.t.Helper()
	if p.over(); p.err != nil {
		p.machine.t.Fatalf("node %s: %v", p.machine.name, p.err)
	}
	return p.charter
}

// unborn reports whether a process still waits.
func (p *process) unborn() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// says waits for a word in the log of a machine.
func (m *machine) says(word string) {
	m.t.Helper()
	until(m.t, fmt.Sprintf("node %s says %q", m.name, word), func() bool { return strings.Contains(m.out.String(), word) })
}

// allBorn waits for all, checks that they were born into one cluster of those
// members and founders, and returns its charter.
func allBorn(t *testing.T, all []*process, founders ...cluster.NodeID) Charter {
	t.Helper()
	first := all[0].born()
	if err := first.Check(); err != nil {
		t.Errorf("the charter: %v", err)
	}
	var names []string
	for _, p := range all {
		if c := p.born(); !reflect.DeepEqual(c, first) {
			t.Errorf("node %s was born as %+v, node %s as %+v", p.machine.name, c, all[0].machine.name, first)
		}
		if m, _ := first.member(cluster.NodeID(p.machine.name)); m.Store != p.machine.store || m.State != cluster.Active || m.PeerAddr != p.machine.addr {
			t.Errorf("node %s is %+v in the charter", p.machine.name, m)
		}
		names = append(names, p.machine.name)
	}
	if len(first.Members) != len(all) || !slices.Equal(first.Founders, founders) || first.Groups != 4 || first.Trust.Check() != nil {
		t.Errorf("%s with founders %v, want members %v, founders %v", first, first.Founders, names, founders)
	}
	return first
}

func startAll(all []*machine) []*process {
	var running []*process
	for _, m := range all {
		running = append(running, m.start())
	}
	return running
}

func TestConvene(t *testing.T) {
	t.Parallel()
	for n, founders := range map[int][]cluster.NodeID{
		1: {"a"}, 2: {"a"}, 3: {"a", "b", "c"}, 4: {"a", "b", "c"}, 5: {"a", "b", "c"},
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			names := []string{"e", "c", "a", "d", "b"}
			slices.Sort(names[:])
			names = names[:n]
			slices.Reverse(names)
			first := allBorn(t, startAll(crowd(t, n, names...)), founders...)
			if first.Level != 1 {
				t.Errorf("level %d", first.Level)
			}
		})
	}
}

// Nobody founds before all are there, whoever comes last.
func TestLateComers(t *testing.T) {
	t.Parallel()
	for _, late := range []int{0, 1, 2} {
		t.Run(fmt.Sprint(late), func(t *testing.T) {
			t.Parallel()
			all := crowd(t, 3, "a", "b", "c")
			all[(late+1)%3].seeds = append(all[(late+1)%3].seeds, all[(late+2)%3].addr)
			running := []*process{all[(late+1)%3].start(), all[(late+2)%3].start()}
			for _, p := range running {
				p.machine.says(fmt.Sprintf(`present="%s, %s"`, min(running[0].machine.name, running[1].machine.name), max(running[0].machine.name, running[1].machine.name)))
			}
			if !running[0].unborn() || !running[1].unborn() {
				t.Error("two have founded a cluster of three")
			}
			allBorn(t, append(running, all[late].start()), "a", "b", "c")
		})
	}
}

// A founder that crashes before its charter is on its disk has founded nothing:
// nobody has heard of it, and all begin anew with its next process.
func TestFounderForgets(t *testing.T) {
	t.Parallel()
	all := crowd(t, 3, "a", "b", "c")
	founder := all[0].start(true)
	others := []*process{all[1].start(), all[2].start()}
	lost := founder.born()
	founder.crash()
	if !others[0].unborn() || !others[1].unborn() {
		t.Error("others have heard of a charter that was on no disk")
	}
	first := allBorn(t, []*process{all[0].start(), others[0], others[1]}, "a", "b", "c")
	if first.ClusterID == lost.ClusterID {
		t.Error("the same cluster was founded twice")
	}
}

// Who misses the decision hears of it later: from the founder's next process, or
// from anybody who heard of it.
func TestDecisionIsMissed(t *testing.T) {
	t.Parallel()
	all := crowd(t, 3, "a", "b", "c")
	all[2].seeds = append(all[2].seeds, all[1].addr)
	founder, b, c := all[0].start(true), all[1].start(), all[2].start()
	decided := founder.born()
	founder.crash()
	all[0].disk = &decided // it crashed right after it had written
	c.crash()              // its promise is forgotten, what it agreed to is not
	founder = all[0].start()
	if got := b.born(); got.ClusterID != decided.ClusterID {
		t.Errorf("node b was born as %v", got)
	}
	founder.crash() // for good, as far as c knows
	c = all[2].start()
	if got := c.born(); !reflect.DeepEqual(got, decided) {
		t.Errorf("node c was born as %+v, decided was %+v", got, decided)
	}
}

// A candidate that restarts has forgotten its promise; the founder begins anew.
func TestCandidatesRestart(t *testing.T) {
	t.Parallel()
	all := crowd(t, 3, "a", "b", "c")
	for _, m := range all {
		m.seeds = []string{all[0].addr, all[1].addr, all[2].addr} // its own among them
	}
	a, b := all[0].start(), all[1].start()
	all[0].says(`present="a, b"`)
	b.crash()
	a.crash()
	b, a = all[1].start(), all[0].start()
	c := all[2].start()
	charter := allBorn(t, []*process{a, b, c}, "a", "b", "c")
	if m, _ := charter.member("b"); m.Boot != "boot-2" {
		t.Errorf("node b is %+v", m)
	}
}

// Whoever crashes, whenever, some before they wrote down what was decided: in the
// end all are in one cluster.
func TestCrashesAtAnyMoment(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			chance := rand.New(rand.NewPCG(seed, 1))
			all := crowd(t, 3, "a", "b", "c")
			for _, m := range all {
				m.seeds = []string{all[0].addr, all[1].addr, all[2].addr}
			}
			running := startAll(all)
			for range 10 {
				<-time.After(time.Duration(chance.IntN(200)) * time.Millisecond) // the story's pace; nothing relies on it
				i := chance.IntN(3)
				running[i].crash()
				if chance.IntN(3) == 0 {
					running[i] = all[i].start(true)
				} else {
					running[i] = all[i].start()
				}
			}
			for i, p := range running { // the last processes keep what they are told
				p.crash()
				running[i] = all[i].start()
			}
			allBorn(t, running, "a", "b", "c")
		})
	}
}

// What operators must mend is told on all sides, and heals when it is mended.
func TestWhatMustBeMended(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(*machine)
		word  string
	}{
		"a name twice":     {func(m *machine) { m.name, m.store = "b", "another-store" }, "two nodes call themselves b"},
		"a copied disk":    {func(m *machine) { m.store = "store-of-b" }, "copies of one data directory"},
		"another number":   {func(m *machine) { m.expect = 5 }, "start all with the same number"},
		"different groups": {func(m *machine) { m.groups = 8 }, "start all with the same number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := crowd(t, 3, "a", "b", "c", "d")
			test.spoil(all[3])
			wrong := all[3].start()
			running := startAll(all[:2])
			for _, m := range []*machine{all[0], all[1], all[3]} {
				m.says(test.word)
			}
			wrong.crash()
			all[2].seeds = []string{all[0].addr}
			allBorn(t, append(running, all[2].start()), "a", "b", "c")
		})
	}
}

// Two pairs that wait for a third each, and are one too many together.
func TestOneTooMany(t *testing.T) {
	t.Parallel()
	all := crowd(t, 3, "a", "b", "c", "d")
	a, b, c, d := all[0], all[1], all[2], all[3]
	a.seeds, b.seeds, c.seeds, d.seeds = []string{b.addr}, []string{a.addr}, []string{d.addr}, []string{c.addr}
	running := startAll(all)
	b.says(`present="a, b"`)
	c.says(`present="c, d"`)
	d.says(`present="c, d"`)
	running[1].crash()
	b.seeds = append(b.seeds, c.addr)
	running[1] = b.start()
	for _, m := range all {
		m.says("4 nodes want to found a cluster of 3: a, b, c, d")
	}
	running[3].crash()
	allBorn(t, running[:3], "a", "b", "c")
}

// Two sets whose seeds overlap: whatever comes of it, nobody is in two clusters,
// and a set founds its own as soon as it is alone.
func TestSetsThatOverlap(t *testing.T) {
	t.Parallel()
	all := crowd(t, 3, "a", "b", "c", "d", "e", "f")
	all[2].seeds = []string{all[0].addr, all[3].addr}
	all[5].seeds = []string{all[3].addr}
	running := startAll(all)
	until(t, "a cluster is founded, or all see that they are too many", func() bool {
		return slices.ContainsFunc(running, func(p *process) bool { return !p.unborn() }) ||
			!slices.ContainsFunc(all, func(m *machine) bool { return !strings.Contains(m.out.String(), "6 nodes want to found") })
	})
	for _, p := range running[3:] {
		p.crash()
	}
	if !slices.ContainsFunc(running, func(p *process) bool { return !p.unborn() && p.mux != nil || p.machine.name == "c" && !p.unborn() }) {
		allBorn(t, running[:3], "a", "b", "c")
	}
	of := make(map[cluster.NodeID]string)
	for _, p := range running {
		if p.unborn() || p.err != nil {
			continue
		}
		if !p.charter.lists(cluster.NodeID(p.machine.name), p.machine.store) {
			t.Errorf("node %s is not in its own charter", p.machine.name)
		}
		for _, m := range p.charter.Members {
			if other, twice := of[m.Node]; twice && other != p.charter.ClusterID {
				t.Errorf("node %s is in two clusters", m.Node)
			}
			of[m.Node] = p.charter.ClusterID
		}
	}
}

// Who comes when the cluster is there already must join it; so must one whose
// name is in the charter, but with another disk.
func TestTooLateToFound(t *testing.T) {
	t.Parallel()
	all := crowd(t, 2, "a", "b", "c", "b")
	all[1].seeds, all[3].seeds, all[3].store = all[0].seeds[:0], []string{all[0].addr}, "a-new-disk"
	all[2].seeds = []string{all[0].addr}
	allBorn(t, startAll(all[:2]), "a")
	for _, late := range all[2:] {
		p := late.start()
		p.over()
		if !errors.Is(p.err, ErrRefused) || !strings.Contains(p.err.Error(), "join with a token") {
			t.Errorf("node %s: %v", late.name, p.err)
		}
	}
}

func TestConveneNeedsAllItsParts(t *testing.T) {
	pipe := &struct{ net.Listener }{}
	for name, spoil := range map[string]func(*ConveneConfig){
		"nobody expected":  func(c *ConveneConfig) { c.Expect = 0 },
		"a whole army":     func(c *ConveneConfig) { c.Expect = cluster.MaxMembers + 1 },
		"no groups":        func(c *ConveneConfig) { c.Groups = 0 },
		"nobody oneself":   func(c *ConveneConfig) { c.Self.Node = "" },
		"a seed like that": func(c *ConveneConfig) { c.Seeds = []string{"b"} },
		"no TCP":           func(c *ConveneConfig) { c.Listener = pipe },
	} {
		m := candidates(t, "a", 1)
		config := m.config(t, &m.out)
		spoil(&config)
		if _, err := Convene(t.Context(), config); err == nil {
			t.Errorf("%s: founded", name)
		}
	}
}

// A port that is closed under it ends the convention.
func TestPortIsLost(t *testing.T) {
	m := candidates(t, "a", 2)
	config := m.config(t, &m.out)
	config.Listener.Close()
	if _, err := Convene(t.Context(), config); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
