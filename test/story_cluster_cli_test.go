package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// settling is how long replicas may take to move on a machine that is busy with
// other stories. A replica counts as caught up when it was near its leader for
// ten seconds.
const settling = 3 * time.Minute

// brokers are the processes of one cluster, and the peer addresses they have.
type brokers struct {
	nodes map[string]*harness.Server
	peers map[string]string
}

// member is a node, and group a group, as `-o json` prints them.
type member struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Health  string `json:"health"`
	Leaders int    `json:"leaders"`
}

type groupCopy struct {
	Node     string `json:"node"`
	Role     string `json:"role"`
	Progress string `json:"progress"`
	Lag      int    `json:"lag"`
	Answered bool   `json:"answered"`
}

type group struct {
	Group    string      `json:"group"`
	Leader   string      `json:"leader"`
	Replicas []groupCopy `json:"replicas"`
}

type clusterStatus struct {
	Leading bool     `json:"leading"`
	Nodes   []member `json:"nodes"`
	Groups  []group  `json:"groups"`
	Moves   []any    `json:"moves"`
	Held    []any    `json:"held"`
}

// foundBrokers starts nodes that found a cluster together.
func foundBrokers(t *testing.T, names ...string) *brokers {
	t.Helper()
	b := &brokers{nodes: map[string]*harness.Server{}, peers: map[string]string{}}
	var seeds []string
	for _, name := range names {
		b.peers[name] = harness.FreeAddr(t)
		seeds = append(seeds, b.peers[name])
	}
	for _, name := range names {
		b.add(t, name, "--bootstrap-expect", fmt.Sprint(len(names)), "--join", strings.Join(seeds, ","), "--data-groups", "2").Launch(t)
	}
	b.settled(t, names[0], names...)
	return b
}

// add prepares a node.
func (b *brokers) add(t *testing.T, name string, args ...string) *harness.Server {
	t.Helper()
	if b.peers[name] == "" {
		b.peers[name] = harness.FreeAddr(t)
	}
	b.nodes[name] = harness.New(t, harness.Options{
		Args: append([]string{"--node-name", name, "--peer-listen", b.peers[name], "--down-after", "10s"}, args...),
	})
	return b.nodes[name]
}

// status asks a node how the cluster is; ok is false when it cannot say.
func (b *brokers) status(t *testing.T, asked string) (st clusterStatus, ok bool) {
	t.Helper()
	ran := b.nodes[asked].CLI(t, "", "cluster", "status", "-o", "json")
	if ran.Code != 0 {
		return st, false
	}
	ran.JSON(t, &st)
	return st, st.Leading
}

// settled waits until these nodes are the cluster, and nothing moves or is
// behind.
func (b *brokers) settled(t *testing.T, asked string, names ...string) (st clusterStatus) {
	t.Helper()
	harness.Eventually(t, settling, fmt.Sprintf("%v to be at rest", names), func() (bool, string) {
		var ok bool
		st, ok = b.status(t, asked)
		if !ok || len(st.Moves)+len(st.Held) > 0 {
			return false, fmt.Sprintf("%+v", st)
		}
		var have []string
		for _, n := range st.Nodes {
			if n.State == "active" && n.Health == "live" {
				have = append(have, n.Name)
			}
		}
		for _, g := range st.Groups {
			if g.Leader == "" || slices.ContainsFunc(g.Replicas, func(r groupCopy) bool { return !r.Answered || r.Progress != "caught up" || r.Lag > 0 }) {
				return false, fmt.Sprintf("%+v", st)
			}
		}
		return slices.Equal(have, names) && len(st.Nodes) == len(names), fmt.Sprintf("%+v", st)
	})
	return st
}

func (st clusterStatus) group(name string) group {
	i := slices.IndexFunc(st.Groups, func(g group) bool { return g.Group == name })
	return st.Groups[i]
}

// list fetches a list of the story's cache from a node.
func (b *brokers) list(t *testing.T, asked, name string) []string {
	t.Helper()
	var got fetched
	b.nodes[asked].CLI(t, "", "list", "fetch", "chat", name, "-o", "json").JSON(t, &got)
	return texts(got.Values)
}

// rooms are enough lists to be in every group.
var rooms = numbered("room", 6)

// fill gives every room a message, through any node.
func (b *brokers) fill(t *testing.T, message string) {
	t.Helper()
	names := sortedKeys(b.nodes)
	for i, room := range rooms {
		b.nodes[names[i%len(names)]].CLI(t, "", "list", "push", "chat", room, message).OK(t)
	}
}

func sortedKeys(m map[string]*harness.Server) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// holds demands what every room must have, as each node sees it.
func (b *brokers) holds(t *testing.T, want ...string) {
	t.Helper()
	for _, asked := range sortedKeys(b.nodes) {
		for _, room := range rooms {
			if got := b.list(t, asked, room); !slices.Equal(got, want) {
				t.Errorf("%s has %q in %s, want %q", asked, got, room, want)
			}
		}
	}
}

// page publishes an item through a node and tells the page it was numbered on.
func (b *brokers) page(t *testing.T, asked string) (page uint64) {
	t.Helper()
	type item struct {
		Type string `json:"type"`
		Page uint64 `json:"page"`
	}
	heard := harness.Follow[item](t, b.nodes[asked], "topic", "subscribe", "chat", "news", "--verbose", "-o", "json")
	heard.Await(t, "a heartbeat", func(said []item) bool { return len(said) > 0 })
	b.nodes[asked].CLI(t, "", "topic", "publish", "chat", "news", "hello").OK(t)
	heard.Await(t, "the item", func(said []item) bool {
		i := slices.IndexFunc(said, func(s item) bool { return s.Type == "item" })
		if i >= 0 {
			page = said[i].Page
		}
		return i >= 0
	})
	heard.Interrupt(t)
	return page
}

// An operator lets nodes come and go, and is refused what would do harm.
func TestCommandsForClusters(t *testing.T) {
	t.Parallel()
	b := foundBrokers(t, "a", "b", "c")
	b.nodes["a"].CLI(t, "", "cache", "create", "chat").OK(t)
	b.fill(t, "founded")

	// A fourth joins with a token.
	var ticket struct {
		Token   string   `json:"token"`
		Seeds   []string `json:"seeds"`
		Command string   `json:"command"`
	}
	b.nodes["c"].CLI(t, "", "cluster", "join-token", "--valid", "10m", "-o", "json").JSON(t, &ticket)
	if len(ticket.Seeds) != 3 || !strings.Contains(ticket.Command, "mayfly server --join "+strings.Join(ticket.Seeds, ",")+" --join-token "+ticket.Token) {
		t.Errorf("the ticket is %+v", ticket)
	}
	b.add(t, "d", "--join", strings.Join(ticket.Seeds, ","), "--join-token", ticket.Token).Start(t)
	b.settled(t, "d", "a", "b", "c", "d")
	b.fill(t, "four")
	if out := b.nodes["d"].CLI(t, "", "node", "list").OK(t); strings.Count(out, "live") != 4 || !strings.Contains(out, b.peers["d"]) {
		t.Errorf("the list of nodes is\n%s", out)
	}

	// Leadership goes where it is sent, or the refusal says why not.
	g := b.settled(t, "a", "a", "b", "c", "d").group("1")
	i := slices.IndexFunc(g.Replicas, func(r groupCopy) bool { return r.Role == "voter" && r.Node != g.Leader })
	to := g.Replicas[i].Node
	b.nodes["d"].CLI(t, "", "node", "transfer-leader", "1", to).OK(t)
	harness.Eventually(t, harness.Patience, to+" to lead group 1", func() (bool, string) {
		st, ok := b.status(t, "a")
		return ok && st.group("1").Leader == to, fmt.Sprintf("%+v", st.Groups)
	})
	b.nodes["a"].CLI(t, "", "node", "transfer-leader", "9", "a").Fails(t, 1, "there is no such group (groups 9)")

	// A drained node leads nothing until it is resumed.
	b.nodes["b"].CLI(t, "", "node", "drain", to).OK(t)
	st, _ := b.status(t, "a")
	for _, n := range st.Nodes {
		if n.Name == to && (n.State != "draining" || n.Leaders != 0) {
			t.Errorf("the drained node is %+v", n)
		}
	}
	b.nodes["b"].CLI(t, "", "node", "resume", to).OK(t)
	b.settled(t, "a", "a", "b", "c", "d")

	// One leaves; then nobody may without saying so.
	leave := harness.Follow[any](t, b.nodes["a"], "node", "leave", "d")
	b.settled(t, "b", "a", "b", "c")
	leave.Ends(t, 0)
	if code, output := b.nodes["d"].Exits(t); code != 0 {
		t.Errorf("the process of the node that left ended with code %d\n%s", code, output)
	}
	delete(b.nodes, "d")
	b.nodes["a"].CLI(t, "", "node", "leave", "c").Fails(t, 1, "2 active and live nodes would remain", "(groups meta, 1, 2)")
	b.nodes["a"].CLI(t, "", "node", "remove", "c", "--force").Fails(t, 1, "it is live")
	b.nodes["a"].CLI(t, "", "node", "status", "d").Fails(t, 1, "there is no node d in the cluster; there are: a, b, c")
	b.holds(t, "founded", "four")

	// A dead one is removed by force, when it is dead and that is meant.
	b.nodes["c"].Kill(t)
	delete(b.nodes, "c")
	harness.Eventually(t, settling, "the dead node to count as down", func() (bool, string) {
		ran := b.nodes["a"].CLI(t, "", "node", "remove", "c", "--force")
		return strings.Contains(ran.Stderr, "would remain"), ran.Stderr
	})
	b.nodes["a"].CLI(t, "", "node", "remove", "c", "--force", "--fewer").OK(t)
	harness.Eventually(t, settling, "the dead node to be gone", func() (bool, string) {
		st, ok := b.status(t, "b")
		return ok && len(st.Nodes) == 2, fmt.Sprintf("%+v", st)
	})
	b.fill(t, "two")
	b.holds(t, "founded", "four", "two")
}

// Two of three nodes are lost for good. The last one is the cluster again, with
// all that it knew, and the cluster grows anew.
func TestRecoverLostMajority(t *testing.T) {
	t.Parallel()
	b := foundBrokers(t, "a", "b", "c")
	b.nodes["b"].CLI(t, "", "cache", "create", "chat").OK(t)
	b.fill(t, "before")
	page := b.page(t, "b")
	b.settled(t, "b", "a", "b", "c") // so that the survivor has all of it
	a := b.nodes["a"]
	recovery := func(args ...string) harness.Ran {
		return harness.Mayfly(t, nil, append([]string{"cluster", "recover", a.DataDir, "--dead"}, args...)...)
	}
	recovery("b,c", "--yes").Fails(t, 1, "stop the node first")
	for _, node := range b.nodes {
		node.Kill(t)
	}
	recovery("b").Fails(t, 1, "no group has lost the majority of its voters", "start the survivors")
	recovery("b,c").Fails(t, 1, "nothing was done", "say --yes")
	if out := recovery("b,c", "--yes").OK(t); !strings.Contains(out, "brought back 3 groups") {
		t.Errorf("the recovery said\n%s", out)
	}
	recovery("b,c", "--yes").Fails(t, 1, "there is nothing to recover")
	delete(b.nodes, "b")
	delete(b.nodes, "c")
	a.Start(t)
	b.fill(t, "after")
	b.holds(t, "before", "after")
	// Topics are numbered above all that the dead may have numbered.
	if before, after := page, b.page(t, "a"); after <= before || after>>45 != 1 {
		t.Errorf("items have page %d, before the recovery it was %d", after, before)
	}
	for _, dead := range []string{"b", "c"} {
		harness.Eventually(t, settling, "the removal of "+dead, func() (bool, string) {
			ran := a.CLI(t, "", "node", "remove", dead, "--force", "--fewer")
			return ran.Code == 0, ran.Stderr
		})
	}
	b.settled(t, "a", "a")

	// A node that runs already, alone and empty, takes their place.
	var ticket struct {
		Token string `json:"token"`
	}
	a.CLI(t, "", "cluster", "join-token", "-o", "json").JSON(t, &ticket)
	b.add(t, "d").Start(t)
	join := []string{"node", "join", "--seed", b.peers["a"], "--token"}
	b.nodes["d"].CLI(t, "", append(join, ticket.Token+"X")...).Fails(t, 1, "token")
	b.nodes["d"].CLI(t, "", append(join, ticket.Token)...).OK(t)
	b.settled(t, "d", "a", "d")
	b.holds(t, "before", "after")
	b.nodes["d"].CLI(t, "", append(join, ticket.Token)...).Fails(t, 1, "one of several nodes")
}

// A node whose disk was lost comes back under its name and is filled again.
func TestReplaceLostDisk(t *testing.T) {
	t.Parallel()
	b := foundBrokers(t, "a", "b", "c")
	b.nodes["a"].CLI(t, "", "cache", "create", "chat").OK(t)
	b.fill(t, "before")
	b.nodes["a"].CLI(t, "", "node", "replace", "c").Fails(t, 1, "node c is live")
	b.nodes["c"].Kill(t)
	var ticket struct {
		Token   string   `json:"token"`
		Seeds   []string `json:"seeds"`
		Command string   `json:"command"`
	}
	harness.Eventually(t, settling, "the loss of c to be noticed", func() (bool, string) {
		ran := b.nodes["b"].CLI(t, "", "node", "replace", "c", "-o", "json")
		if ran.Code == 0 {
			ran.JSON(t, &ticket)
		}
		return ran.Code == 0, ran.Stderr
	})
	if !strings.Contains(ticket.Command, "--node-name c ") || !strings.HasSuffix(ticket.Command, " --replace") || slices.Contains(ticket.Seeds, b.peers["c"]) {
		t.Errorf("the ticket is %+v", ticket)
	}
	b.add(t, "c", "--join", strings.Join(ticket.Seeds, ","), "--join-token", ticket.Token, "--replace").Start(t)
	b.settled(t, "c", "a", "b", "c")
	b.fill(t, "after")
	b.holds(t, "before", "after")
}
