package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	clusterpb "github.com/mayfly-broker/mayfly/proto/cluster/v1"
)

func (p *Program) clusterCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "cluster", Short: "See a cluster as a whole, let new nodes in, and recover it"}
	cmd.AddCommand(p.clusterStatusCommand(), p.clusterJoinToken(), p.clusterRotate(), p.clusterRecover())
	return cmd
}

// groupRow is one group in JSON.
type groupRow struct {
	Group    string       `json:"group"`
	Leader   string       `json:"leader"`
	Term     uint64       `json:"term"`
	Applied  uint64       `json:"applied"`
	Last     uint64       `json:"last"`
	Pinned   bool         `json:"pinned"`
	Moving   bool         `json:"moving"`
	Replicas []replicaRow `json:"replicas"`
}

func newGroupRow(g *clusterpb.Group) groupRow {
	row := groupRow{
		Group: groupName(g.GetGroup()), Leader: g.GetLeader().GetNode(), Term: g.GetTerm(), Applied: g.GetApplied(), Last: g.GetLast(),
		Pinned: g.GetPinned(), Moving: g.GetMoving(), Replicas: []replicaRow{},
	}
	for _, r := range g.GetReplicas() {
		row.Replicas = append(row.Replicas, newReplicaRow(g, r))
	}
	return row
}

// cells tell the leader, who else votes and learns, and the worst lag.
func (r groupRow) cells(moves string) []string {
	var voters, learners []string
	var lag uint64
	silent := false
	for _, one := range r.Replicas {
		switch one.Role {
		case "voter":
			voters = append(voters, one.Node)
		case "learner":
			learners = append(learners, one.Node)
		default:
			continue
		}
		lag, silent = max(lag, one.Lag), silent || !one.Answered
	}
	worst := fmt.Sprint(lag)
	if silent {
		worst = "?"
	}
	return []string{r.Group, describe(r.Leader), fmt.Sprint(r.Term), commas(voters), commas(learners), fmt.Sprint(r.Applied), worst, describe(moves)}
}

func commas(words []string) string { return describe(strings.Join(words, ",")) }

func (p *Program) clusterStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Show every group of the cluster: who leads, who votes, what moves",
		Long: "Show every group of the cluster: who leads it, who votes, how far the slowest\nreplica lags, what moves, and why something waits.",
	}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		st, err := s.clusterStatus(ctx)
		if err != nil {
			return err
		}
		document := struct {
			clusterHead
			DataGroups uint32     `json:"data_groups"`
			Level      uint32     `json:"level"`
			Nodes      []nodeRow  `json:"nodes"`
			Groups     []groupRow `json:"groups"`
			Moves      []moveRow  `json:"moves"`
			Held       []holdRow  `json:"held"`
			// Rotation is that of the keys by which nodes know each other.
			Rotation rotationRow `json:"rotation"`
		}{newClusterHead(st), st.GetDataGroups(), st.GetLevel(), []nodeRow{}, []groupRow{}, movesOf(st, anyGroup), holdsOf(st), newRotationRow(st)}
		for _, n := range st.GetNodes() {
			document.Nodes = append(document.Nodes, newNodeRow(st, n))
		}
		var cells [][]string
		for _, g := range st.GetGroups() {
			row := newGroupRow(g)
			document.Groups = append(document.Groups, row)
			cells = append(cells, row.cells(moveOf(g)))
		}
		s.warnHeadless(st)
		return s.out.answer(document, func(w *strings.Builder) {
			pairs(w, append(document.pairs(), [2]string{"Nodes", nodeCount(document.Nodes)}, [2]string{"Node keys", document.Rotation.String()}))
			w.WriteString("\n")
			table(w, []string{"GROUP", "LEADER", "TERM", "VOTERS", "LEARNERS", "APPLIED", "LAG", "MOVE"}, cells)
			writeMoves(w, nil, document.Held)
		})
	})
}

// nodeCount says how many nodes there are and how many of them are live.
func nodeCount(nodes []nodeRow) string {
	live := 0
	for _, n := range nodes {
		if n.Health == "live" {
			live++
		}
	}
	return fmt.Sprintf("%d, %d of them live", len(nodes), live)
}

const joinTokenHelp = `Make a token with which one new node may join the cluster, and print the command
to run on the new machine. The token is shown this once, works once, and is worth
nothing after its time.`

func (p *Program) clusterJoinToken() *cobra.Command {
	cmd := &cobra.Command{
		Use: "join-token", Short: "Make a token for a new node, and say what to run there", Long: joinTokenHelp,
		Example: "  mayfly cluster join-token\n  mayfly cluster join-token --valid 10m -o json | jq -r .token",
	}
	valid := validFlag(cmd)
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		ticket, err := s.joinTicket(ctx, *valid, "")
		if err != nil {
			return err
		}
		return s.out.answer(ticket, func(w *strings.Builder) {
			pairs(w, ticket.pairs())
			fmt.Fprintf(w, "\nRun this on the new machine:\n\n  %s\n\n", ticket.Command)
			w.WriteString("Add --advertise with the address under which the others reach it. A node that runs\nalready and is empty joins with `mayfly node join` instead.\n")
		})
	})
}

func validFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("valid", "1h", "`time` within which the token can be used, such as 10m")
}

// ticket is a join token and what to do with it, in JSON.
type ticket struct {
	Token     string     `json:"token"`
	ExpiresAt *time.Time `json:"expires_at"`
	// Seeds are the peer addresses of nodes to join through.
	Seeds   []string `json:"seeds"`
	Command string   `json:"command"`
	expires string
}

func (t ticket) pairs() [][2]string {
	return [][2]string{{"Token", t.Token}, {"Expires", t.expires}}
}

// joinTicket makes a join token; replaced names the node that comes back, if one
// does.
func (s *session) joinTicket(ctx context.Context, valid, replaced string) (ticket, error) {
	seconds, err := lifeSeconds("--valid", valid)
	if err != nil {
		return ticket{}, usageError{s.cmd, err}
	}
	st, err := s.clusterStatus(ctx)
	if err != nil {
		return ticket{}, err
	}
	if replaced != "" {
		if err := replaceable(st, replaced); err != nil {
			return ticket{}, err
		}
	}
	answer, err := s.admin().CreateJoinToken(ctx, &adminpb.CreateJoinTokenRequest{ValidForSeconds: seconds})
	if err != nil {
		return ticket{}, err
	}
	t := ticket{
		Token: answer.GetToken(), ExpiresAt: moment(answer.GetValidUntil()), expires: when(answer.GetValidUntil(), "never"), Seeds: seedsOf(st, replaced),
	}
	name := ""
	if replaced != "" {
		name = " --node-name " + replaced
	}
	t.Command = fmt.Sprintf("mayfly server%s --join %s --join-token %s", name, strings.Join(t.Seeds, ","), printable(t.Token))
	if replaced != "" {
		t.Command += " --replace"
	}
	return t, nil
}

// seedsOf are the peer addresses of the nodes that can be joined through: those
// that are live or, when none is known to be, all but the one left out.
func seedsOf(st *clusterpb.Status, without string) []string {
	var live, all []string
	for _, n := range st.GetNodes() {
		if n.GetNode() == without {
			continue
		}
		all = append(all, n.GetPeerAddr())
		if n.GetHealth() == clusterpb.Health_HEALTH_LIVE {
			live = append(live, n.GetPeerAddr())
		}
	}
	if len(live) == 0 {
		return all
	}
	return live
}

// replaceable refuses to give up the disk of a node that is alive, or is not.
func replaceable(st *clusterpb.Status, name string) error {
	node, err := member(st, name)
	switch {
	case err != nil:
		return err
	case node.GetHealth() == clusterpb.Health_HEALTH_LIVE:
		return fmt.Errorf("node %s is live, with the disk that is on record; stop it first, or let a new node join under a name of its own (`mayfly cluster join-token`)", name)
	}
	return nil
}

// joinPatience is how long a node may take to join, unless --timeout says
// otherwise.
const joinPatience = time.Minute

const nodeJoinHelp = `Have a running node join a cluster. The node named by --server gives up the cluster
that it forms alone, which must be empty, and joins the one that --seed belongs to.

Make the token there with "mayfly cluster join-token". A node that does not run
yet is started with --join and --join-token instead: see "mayfly server".`

func (p *Program) nodeJoin() *cobra.Command {
	cmd := &cobra.Command{
		Use: "join", Short: "Have a running, empty node join a cluster", Long: nodeJoinHelp,
		Example: "  mayfly node join --server 127.0.0.1:8080 --seed broker-1:7947 --token TOKEN",
	}
	flags := cmd.Flags()
	seeds := flags.StringSlice("seed", nil, "peer `addresses` of nodes of the cluster to join, host:port,...")
	token := flags.String("token", "", "the join `token`")
	replace := flags.Bool("replace", false, "take the place of a node of the same name whose disk was lost")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		switch {
		case len(*seeds) == 0:
			return usagef(s.cmd, "--seed is missing: the peer address of a node of the cluster to join")
		case *token == "":
			return usagef(s.cmd, "--token is missing; `mayfly cluster join-token` makes one, on a node of the cluster to join")
		}
		if s.opts.timeout == defaultTimeout {
			s.opts.timeout = joinPatience
		}
		if _, err := s.admin().JoinCluster(ctx, &adminpb.JoinClusterRequest{Seeds: *seeds, Token: *token, Replace: *replace}); err != nil {
			return err
		}
		document := struct {
			Server string `json:"server"`
			Done   string `json:"done"`
		}{s.opts.server, "joined"}
		return s.out.answer(document, func(w *strings.Builder) {
			fmt.Fprintf(w, "the node at %s has joined; `mayfly node status` shows how it gets its replicas\n", s.opts.server)
		})
	})
}

const nodeReplaceHelp = `Let a node whose disk was lost come back under its name with an empty one: make a
token, and print the command to run there. What the old disk held is given up for
ever; the new one is filled from the other nodes.`

func (p *Program) nodeReplace() *cobra.Command {
	cmd := &cobra.Command{Use: "replace NODE", Short: "Say how a node whose disk was lost comes back with an empty one", Long: nodeReplaceHelp}
	valid := validFlag(cmd)
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		ticket, err := s.joinTicket(ctx, *valid, args[0])
		if err != nil {
			return err
		}
		return s.out.answer(ticket, func(w *strings.Builder) {
			pairs(w, ticket.pairs())
			fmt.Fprintf(w, "\nRun this on the machine of node %s, with an empty data directory and the other\nsettings as before:\n\n  %s\n\n", args[0], ticket.Command)
			fmt.Fprintf(w, "Then watch it being filled with `mayfly node status %s`.\n", args[0])
		})
	})
}
