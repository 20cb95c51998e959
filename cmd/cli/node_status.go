package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	clusterpb "github.com/mayfly-broker/mayfly/proto/cluster/v1"
)

const nodeStatusHelp = `Show what the nodes do, or one of them in detail: the groups each leads, how far
its replicas lag behind their leaders, what moves, and why something waits.

Lag counts the entries that a replica's log lacks of what its leader had a moment
before; a few are usual under load.`

func (p *Program) nodeStatus() *cobra.Command {
	cmd := &cobra.Command{Use: "status [NODE]", Short: "Show what the nodes, or one of them, lead, lack and move", Long: nodeStatusHelp}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		st, err := s.clusterStatus(ctx)
		if err != nil {
			return err
		}
		if len(args) == 0 {
			s.warnHeadless(st)
			return s.printNodes(st)
		}
		node, err := member(st, args[0])
		if err != nil {
			return err
		}
		s.warnHeadless(st)
		return s.printNode(st, node)
	})
}

// member finds a node, or names those that there are.
func member(st *clusterpb.Status, name string) (*clusterpb.Node, error) {
	names := make([]string, len(st.GetNodes()))
	for i, n := range st.GetNodes() {
		if n.GetNode() == name {
			return n, nil
		}
		names[i] = n.GetNode()
	}
	return nil, fmt.Errorf("there is no node %s in the cluster; there are: %s", printable(name), printable(strings.Join(names, ", ")))
}

// nodeDetail is what one node does, in JSON.
type nodeDetail struct {
	nodeRow
	// Leads are the groups that the node leads.
	Leads []string `json:"leads"`
	// MaxLag is the worst lag of its replicas, Silent how many did not report;
	// both are about voters and learners.
	MaxLag uint64       `json:"max_lag"`
	Silent int          `json:"silent_replicas"`
	Detail []replicaRow `json:"replica_detail"`
}

func newNodeDetail(st *clusterpb.Status, n *clusterpb.Node) nodeDetail {
	d := nodeDetail{nodeRow: newNodeRow(st, n), Leads: []string{}, Detail: []replicaRow{}}
	for _, g := range st.GetGroups() {
		if g.GetLeader().GetNode() == n.GetNode() {
			d.Leads = append(d.Leads, groupName(g.GetGroup()))
		}
		for _, r := range g.GetReplicas() {
			if r.GetReplica().GetNode() != n.GetNode() {
				continue
			}
			d.Detail = append(d.Detail, newReplicaRow(g, r))
			if r.GetRole() != clusterpb.Role_ROLE_VOTER && r.GetRole() != clusterpb.Role_ROLE_LEARNER {
				continue // it follows nobody
			}
			d.MaxLag = max(d.MaxLag, r.GetLag())
			if !r.GetAnswered() {
				d.Silent++
			}
		}
	}
	return d
}

// leads names the groups in a table cell, or counts them when they are many.
func (d nodeDetail) leads() string {
	switch {
	case len(d.Leads) == 0:
		return "-"
	case len(d.Leads) > 12:
		return fmt.Sprintf("%s and %d more", strings.Join(d.Leads[:10], ","), len(d.Leads)-10)
	default:
		return strings.Join(d.Leads, ",")
	}
}

// lag is the worst one, "?" when it is not known of all.
func (d nodeDetail) lag() string {
	if d.Silent > 0 {
		return "?"
	}
	return fmt.Sprint(d.MaxLag)
}

func (s *session) printNodes(st *clusterpb.Status) error {
	document := struct {
		clusterHead
		Nodes []nodeDetail `json:"nodes"`
		Moves []moveRow    `json:"moves"`
		Held  []holdRow    `json:"held"`
	}{newClusterHead(st), []nodeDetail{}, movesOf(st, anyGroup), holdsOf(st)}
	var cells [][]string
	for _, n := range st.GetNodes() {
		d := newNodeDetail(st, n)
		document.Nodes = append(document.Nodes, d)
		cells = append(cells, []string{describe(d.Name), describe(d.State), d.Health, fmt.Sprint(d.Replicas), d.leads(), d.lag(), describe(d.Note)})
	}
	return s.out.answer(document, func(w *strings.Builder) {
		pairs(w, document.pairs())
		w.WriteString("\n")
		table(w, []string{"NODE", "STATE", "HEALTH", "REPLICAS", "LEADS", "LAG", "NOTE"}, cells)
		writeMoves(w, document.Moves, document.Held)
	})
}

func anyGroup(*clusterpb.Group) bool { return true }

func (s *session) printNode(st *clusterpb.Status, n *clusterpb.Node) error {
	concerned := func(g *clusterpb.Group) bool {
		return slices.ContainsFunc(g.GetReplicas(), func(r *clusterpb.GroupReplica) bool { return r.GetReplica().GetNode() == n.GetNode() })
	}
	document := struct {
		clusterHead
		Node  nodeDetail `json:"node"`
		Moves []moveRow  `json:"moves"`
		Held  []holdRow  `json:"held"`
	}{newClusterHead(st), newNodeDetail(st, n), movesOf(st, concerned), holdsOf(st)}
	d := document.Node
	cells := make([][]string, len(d.Detail))
	for i, r := range d.Detail {
		cells[i] = r.cells()
	}
	return s.out.answer(document, func(w *strings.Builder) {
		pairs(w, append(document.pairs(), [][2]string{
			{"Node", describe(d.Name)},
			{"State", describe(d.State)},
			{"Health", d.Health + ", heard " + d.heardText},
			{"Peer address", describe(d.PeerAddr)},
			{"Zone", describe(d.Zone)},
			{"Note", describe(d.Note)},
			{"Leads", d.leads()},
			{"Replicas to delete", fmt.Sprint(d.Retired)},
		}...))
		w.WriteString("\n")
		table(w, []string{"GROUP", "ROLE", "PROGRESS", "APPLIED", "LAG"}, cells)
		writeMoves(w, document.Moves, document.Held)
	})
}
