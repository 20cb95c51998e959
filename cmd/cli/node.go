package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	clusterpb "github.com/mayfly-broker/mayfly/proto/cluster/v1"
)

func (p *Program) nodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "node", Short: "See the nodes of a cluster, and let them come and go",
		Long: "See the nodes of a cluster, and let them come and go. Any node of the cluster can\nbe asked: it hands the wish to the one that looks after the others.",
	}
	cmd.AddCommand(
		p.nodeList(), p.nodeStatus(), p.nodeJoin(), p.nodeDrain(), p.nodeResume(), p.nodeLeave(), p.nodeRemove(), p.nodeReplace(), p.nodeTransfer(),
	)
	return cmd
}

func (s *session) admin() adminpb.AdminClient { return adminpb.NewAdminClient(s.conn) }

// clusterStatus asks how the cluster is.
func (s *session) clusterStatus(ctx context.Context) (*clusterpb.Status, error) {
	answer, err := s.admin().ClusterStatus(ctx, &adminpb.ClusterStatusRequest{})
	return answer.GetStatus(), err
}

// warnHeadless tells people that a status is that of one node alone.
func (s *session) warnHeadless(st *clusterpb.Status) {
	if !st.GetLeading() {
		s.program.remark("No node that leads the meta group answers. This is what %s has on record, which may be late; who is alive is not known.", s.opts.server)
	}
}

// nodeDone is the answer to a wish about a node.
type nodeDone struct {
	Node string `json:"node"`
	Done string `json:"done"`
}

// nodeDone answers a wish; sentence is for people.
func (s *session) nodeDone(node, done, sentence string) error {
	return s.out.answer(nodeDone{node, done}, func(w *strings.Builder) { w.WriteString(sentence + "\n") })
}

func (p *Program) nodeList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the nodes of the cluster"}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		st, err := s.clusterStatus(ctx)
		if err != nil {
			return err
		}
		document := struct {
			clusterHead
			Nodes []nodeRow `json:"nodes"`
		}{newClusterHead(st), make([]nodeRow, len(st.GetNodes()))}
		cells := make([][]string, len(st.GetNodes()))
		for i, n := range st.GetNodes() {
			document.Nodes[i] = newNodeRow(st, n)
			cells[i] = document.Nodes[i].cells()
		}
		s.warnHeadless(st)
		return s.out.answer(document, func(w *strings.Builder) { table(w, nodeHeader, cells) })
	})
}

func (p *Program) nodeResume() *cobra.Command {
	cmd := &cobra.Command{
		Use: "resume NODE", Short: "End a drain, or take back a leave that is not done yet",
		Long: "End a drain, or take back a leave as far as it is not done yet. Balance gives the\nnode leaderships and replicas again by and by.",
	}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		if _, err := s.admin().ResumeNode(ctx, &adminpb.ResumeNodeRequest{Node: args[0]}); err != nil {
			return err
		}
		return s.nodeDone(args[0], "resumed", fmt.Sprintf("node %s is active again", printable(args[0])))
	})
}

const removeHelp = `Remove a node from the cluster for ever. Neither its name nor its data directory
is let in again.

A node that runs leaves by itself: see "mayfly node leave". With --force a dead
one is removed: one that has been silent for ten minutes. It is refused, with
the groups that stand against it, as long as data would be lost. On a terminal
it asks first.`

func (p *Program) nodeRemove() *cobra.Command {
	cmd := &cobra.Command{Use: "remove NODE", Short: "Remove a node for ever: one that has left, or with --force a dead one", Long: removeHelp}
	flags := cmd.Flags()
	force := flags.Bool("force", false, "remove a node that is dead and did not leave")
	fewer := fewerFlag(cmd)
	yes := flags.BoolP("yes", "y", false, "do not ask")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		if err := s.confirm(*yes, fmt.Sprintf("Remove node %s for ever?", printable(args[0]))); err != nil {
			return err
		}
		if _, err := s.admin().RemoveNode(ctx, &adminpb.RemoveNodeRequest{Node: args[0], Force: *force, Fewer: *fewer}); err != nil {
			return err
		}
		return s.nodeDone(args[0], "removed", fmt.Sprintf("removed node %s; its replicas are made anew on others where there is room", printable(args[0])))
	})
}

func fewerFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("fewer", false, "also when fewer than three nodes remain, which is too few to survive the loss of one")
}

const transferHelp = `Hand the leadership of a group to another node that has a voter of it. GROUP is a
number, or meta for the group that looks after the cluster.

It is done once: balance leaves the leadership there for ten minutes and may then
move it again. To keep a node from leading, drain it.`

func (p *Program) nodeTransfer() *cobra.Command {
	cmd := &cobra.Command{
		Use: "transfer-leader GROUP NODE", Short: "Hand the leadership of a group to a node", Long: transferHelp,
		Example: "  mayfly node transfer-leader 3 broker-2\n  mayfly node transfer-leader meta broker-1",
	}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		group, err := parseGroup(args[0])
		if err != nil {
			return usageError{s.cmd, err}
		}
		if _, err := s.admin().TransferLeadership(ctx, &adminpb.TransferLeadershipRequest{Group: group, To: args[1]}); err != nil {
			return err
		}
		document := struct {
			Group  string `json:"group"`
			Leader string `json:"leader"`
		}{groupName(group), args[1]}
		return s.out.answer(document, func(w *strings.Builder) {
			fmt.Fprintf(w, "node %s leads group %s\n", printable(args[1]), groupName(group))
		})
	})
}

func parseGroup(text string) (uint32, error) {
	if text == "meta" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("GROUP is %q, it must be meta or the number of a group, from 1 on; `mayfly cluster status` shows them", text)
	}
	return uint32(n), nil
}
