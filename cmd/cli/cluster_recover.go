package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/recovery"
)

const recoverHelp = `Bring a cluster back of which most nodes are lost for good, from the data
directories of all that survive. The nodes must be stopped.

A group of which most voters are dead can do nothing any more. The survivor that
knows most of it becomes the whole group. Acknowledged writes that only the dead
had are lost, and writes that were never acknowledged may appear. So name as dead
only nodes that never come back, and never start one of them again with its old
data. Nodes that are only away must be brought back instead.

Without DIR the folder of --data-dir is taken. Several survivors have to be looked
at together: copy their data directories to one machine, and copy those that were
changed back afterwards. Shows what each survivor holds, and does nothing without
consent.`

func (p *Program) clusterRecover() *cobra.Command {
	cmd := &cobra.Command{
		Use: "recover [DIR...]", Short: "Bring a cluster back of which most nodes are lost, offline", Long: recoverHelp,
		Example: "  mayfly cluster recover --dead broker-2,broker-3\n  mayfly cluster recover --dead broker-3,broker-4,broker-5 /srv/broker-1 /srv/broker-2",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	dead := cmd.Flags().StringSlice("dead", nil, "names of the `nodes` that are lost for good")
	yes := cmd.Flags().BoolP("yes", "y", false, "do it without asking")
	opts := p.newClientOptions()
	var file string
	settings := append([]config.Setting{dataDirSetting(&opts.dataDir), fileSetting(&file)}, opts.outputSettings()...)
	return p.leaf(cmd, settings, func(_ context.Context, cmd *cobra.Command, dirs, _ []string) error {
		if len(*dead) == 0 {
			return usagef(cmd, "--dead is missing: the names of the nodes that are lost for good")
		}
		if len(dirs) == 0 {
			dirs = []string{opts.dataDir}
		}
		return p.recoverCluster(printer{p.Stdout, opts.output == "json"}, dirs, *dead, *yes)
	})
}

// recoverCluster shows what there is, asks, and does it.
func (p *Program) recoverCluster(out printer, dirs []string, dead []string, yes bool) error {
	plan, err := recovery.Look(dirs, dead)
	switch {
	case errors.Is(err, recovery.ErrNothingLost):
		return fmt.Errorf("%w, so there is nothing to recover; start the survivors, and remove the dead with `mayfly node remove --force`", err)
	case err != nil:
		return err
	}
	if plan.Damaged != nil {
		p.remark("Some replicas cannot be used: %v", plan.Damaged)
	}
	document := newRecoveryReport(plan)
	if len(document.Missing) > 0 {
		p.remark("Nothing is here of group %s: if most of its voters are dead too, what it held is lost.", commas(document.Missing))
	}
	if !yes {
		var text strings.Builder
		document.write(&text)
		p.remark("%s", text.String())
		if err := p.consent("Writes that only the dead nodes had will be lost for ever."); err != nil {
			return err
		}
	}
	if err := plan.Recover(slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	return out.answer(document, func(w *strings.Builder) {
		if yes {
			document.write(w)
			w.WriteString("\n")
		}
		fmt.Fprintf(w, "brought back %d groups\n\n", len(plan.Lost()))
		w.WriteString("Start the survivors now. Then remove each of the dead, when it has been silent for\nten minutes, with `mayfly node remove --force --fewer NODE`, and let new nodes join\nwith `mayfly cluster join-token`. Never start a dead node with its old data again.\n")
	})
}

// consent asks a person. Without one it is not given: scripts say --yes.
func (p *Program) consent(warning string) error {
	if !isTerminal(p.Stdin) {
		return errors.New("nothing was done; look at what is above, and say --yes to do it")
	}
	return p.ask(warning)
}

// recoveryReport is a plan in JSON.
type recoveryReport struct {
	ClusterID string             `json:"cluster_id"`
	Groups    []recoveryGroupRow `json:"groups"`
	// Missing are groups that no survivor holds anything of.
	Missing []string `json:"missing"`
}

type recoveryGroupRow struct {
	Group  string   `json:"group"`
	Voters []string `json:"voters"`
	Lost   bool     `json:"lost"`
	// From is the survivor that the group is brought back from.
	From   string            `json:"from,omitempty"`
	Copies []recoveryCopyRow `json:"copies"`
}

type recoveryCopyRow struct {
	Node      string `json:"node"`
	Dir       string `json:"dir"`
	LastTerm  uint64 `json:"last_term"`
	LastIndex uint64 `json:"last_index"`
}

func newRecoveryReport(plan *recovery.Plan) recoveryReport {
	report := recoveryReport{ClusterID: plan.ClusterID, Groups: []recoveryGroupRow{}, Missing: []string{}}
	for _, g := range plan.Missing {
		report.Missing = append(report.Missing, groupName(uint32(g)))
	}
	for _, g := range plan.Groups {
		row := recoveryGroupRow{Group: groupName(uint32(g.Group)), Voters: []string{}, Lost: g.Lost}
		for _, v := range g.Voters {
			row.Voters = append(row.Voters, string(v.Node))
		}
		for _, c := range g.Copies {
			row.Copies = append(row.Copies, recoveryCopyRow{string(c.Name), c.Dir, c.LastTerm, c.LastIndex})
		}
		if g.Lost {
			row.From = string(g.Copies[0].Name)
		}
		report.Groups = append(report.Groups, row)
	}
	return report
}

// write shows the plan to people. The last entry of a copy is told as term/index.
func (r recoveryReport) write(w *strings.Builder) {
	cells := make([][]string, len(r.Groups))
	for i, g := range r.Groups {
		copies := make([]string, len(g.Copies))
		for j, c := range g.Copies {
			copies[j] = fmt.Sprintf("%s %d/%d", c.Node, c.LastTerm, c.LastIndex)
		}
		majority := "kept"
		if g.Lost {
			majority = "lost"
		}
		cells[i] = []string{g.Group, commas(g.Voters), majority, strings.Join(copies, ", "), describe(g.From)}
	}
	fmt.Fprintf(w, "Cluster %s. A copy is shown with the term and index of its last entry.\n\n", printable(r.ClusterID))
	table(w, []string{"GROUP", "VOTERS", "MAJORITY", "COPIES", "BRING BACK FROM"}, cells)
}
