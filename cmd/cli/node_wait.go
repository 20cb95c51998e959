package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	clusterpb "github.com/mayfly-broker/mayfly/proto/cluster/v1"
)

const (
	// lookEvery is the pause between two looks at how far something is.
	lookEvery = 500 * time.Millisecond
	// silence is how long nothing may be heard from the node that leads the meta
	// group before a command that waits gives up. An election takes seconds.
	silence = 30 * time.Second
	// farewell is the silence after which a node that had one replica left, and was
	// asked about itself, has left.
	farewell = 5 * time.Second
)

const drainHelp = `Have a node give its leaderships away and take nothing new, as before a restart or
an upgrade, and wait until that is done. It is refused, with the groups that stand
against it, when a group could not work without the node.

Restart the node then, and end the drain with "mayfly node resume".`

func (p *Program) nodeDrain() *cobra.Command {
	cmd := &cobra.Command{Use: "drain NODE", Short: "Have a node give its leaderships away, before a restart", Long: drainHelp}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		if _, err := s.admin().DrainNode(ctx, &adminpb.DrainNodeRequest{Node: args[0]}); err != nil {
			return err
		}
		wait := &waiting{
			s: s, node: args[0], what: "leaderships",
			left:        func(n *clusterpb.Node) uint32 { return n.GetLeaders() },
			interrupted: fmt.Sprintf("node %[1]s goes on draining; `mayfly node status %[1]s` shows how far it is, `mayfly node resume %[1]s` ends it", args[0]),
		}
		if err := wait.run(ctx); err != nil {
			return err
		}
		return s.nodeDone(args[0], "drained", fmt.Sprintf("node %[1]s leads nothing any more; restart it now, and then run `mayfly node resume %[1]s`", args[0]))
	})
}

const leaveHelp = `Have a node give away all it has, and remove it from the cluster for ever. Shows how
far it is until the node is gone; Ctrl-C ends the watching, not the leaving.

It is refused, with the groups that stand against it, when data would be lost, and,
unless --fewer is given, when fewer than three nodes would remain.`

func (p *Program) nodeLeave() *cobra.Command {
	cmd := &cobra.Command{Use: "leave NODE", Short: "Have a node give all away and leave the cluster for ever", Long: leaveHelp}
	fewer := fewerFlag(cmd)
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		if _, err := s.admin().LeaveNode(ctx, &adminpb.LeaveNodeRequest{Node: args[0], Fewer: *fewer}); err != nil {
			return err
		}
		wait := &waiting{
			s: s, node: args[0], what: "replicas", gone: true,
			left:        func(n *clusterpb.Node) uint32 { return n.GetReplicas() + n.GetRetired() },
			interrupted: fmt.Sprintf("node %[1]s goes on leaving; `mayfly node status %[1]s` shows how far it is, `mayfly node resume %[1]s` takes it back", args[0]),
		}
		if err := wait.run(ctx); err != nil {
			return err
		}
		return s.nodeDone(args[0], "left", fmt.Sprintf("node %s has left; its process ends by itself, and its data directory can be deleted", args[0]))
	})
}

// waiting watches a node until it is rid of something.
type waiting struct {
	s    *session
	node string
	what string // it gets rid of, in the plural
	left func(*clusterpb.Node) uint32
	// gone: the end is that the node is no member any more.
	gone bool
	// interrupted says what goes on when nobody waits any more.
	interrupted string

	seen  bool   // a look was taken
	total uint32 // what there was to get rid of, at most
	last  uint32 // what was left at the last look
	shown string // the line that was shown last
}

// run waits until it is done, or ctx ends.
func (w *waiting) run(ctx context.Context) error {
	defer w.endLine()
	for heard := time.Now(); ; {
		st, err := w.s.clusterStatus(ctx)
		switch {
		case ctx.Err() != nil:
			return errors.New("interrupted: " + w.interrupted)
		case err == nil && st.GetLeading():
			heard = time.Now()
			if w.look(st) {
				return nil
			}
		case w.gone && w.seen && w.last <= 1 && time.Since(heard) > farewell:
			// It was asked how it leaves itself, and the meta group's replica goes last.
			w.s.program.remark("The node at %s is no longer part of the cluster, or ended. It had given everything away.", w.s.opts.server)
			return nil
		case err != nil && !passing(err), time.Since(heard) > silence:
			return w.unheard(err)
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return errors.New("interrupted: " + w.interrupted)
		}
	}
}

// passing reports whether an error may be over at the next try.
func passing(err error) bool {
	code := codeOf(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}

// unheard tells that nobody says any more how far it is.
func (w *waiting) unheard(err error) error {
	next := fmt.Sprintf("if that is node %s itself it has probably left; ask another one with --server", w.node)
	if !w.gone {
		next = "look whether most of the nodes are up"
	}
	if err != nil {
		return fmt.Errorf("%w; %s", err, next)
	}
	return fmt.Errorf("the node at %s hears nothing of the one that leads the meta group; %s. Else %s", w.s.opts.server, next, w.interrupted)
}

// look shows how far it is and reports whether it is done.
func (w *waiting) look(st *clusterpb.Status) (done bool) {
	node, err := member(st, w.node)
	if err != nil {
		w.show(0, "")
		return true
	}
	left := w.left(node)
	w.seen, w.last, w.total = true, left, max(w.total, left)
	why := ""
	if len(st.GetHeld()) > 0 {
		why = st.GetHeld()[0].GetWhy()
	}
	w.show(left, why)
	return left == 0 && !w.gone
}

// barWidth is the length of the bar on a terminal, in columns.
const barWidth = 30

// show tells people how far it is: on a terminal by a bar that grows in place,
// otherwise by a line whenever something has changed.
func (w *waiting) show(left uint32, why string) {
	if w.total == 0 {
		return
	}
	line := fmt.Sprintf("%d of %d %s moved", w.total-left, w.total, w.what)
	if why != "" && left > 0 {
		line += "; waiting: " + printable(why)
	}
	if !isTerminal(w.s.program.Stderr) {
		if line != w.shown {
			w.s.program.remark("%s", line)
		}
		w.shown = line
		return
	}
	full := int(uint64(barWidth) * uint64(w.total-left) / uint64(w.total))
	// The rest of an earlier, longer line is wiped.
	_, _ = fmt.Fprintf(w.s.program.Stderr, "\r[%s%s] %s\x1b[K", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), line)
	w.shown = line
}

// endLine leaves the bar on its line and what follows on the next.
func (w *waiting) endLine() {
	if w.shown != "" && isTerminal(w.s.program.Stderr) {
		_, _ = fmt.Fprintln(w.s.program.Stderr)
	}
}
