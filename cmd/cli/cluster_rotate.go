package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	clusterpb "github.com/mayfly-broker/mayfly/proto/cluster/v1"
)

const rotateHelp = `Replace the key that gossip between the nodes is encrypted with, while all goes on.
With --authority what issues the nodes' certificates is replaced too: do that after a
node was removed whose machine somebody else may have now, for it knew both.

Every node learns the new key before any uses it, and forgets the old one after all
do. A node that is down is left behind: it learns the new key when it returns. With
--authority it is waited for until it returns or is removed, since it could not come
back otherwise.

Shows how far it is until it is done; Ctrl-C ends the watching, not the rotation.`

// rotationRow is how far a rotation is, in JSON.
type rotationRow struct {
	Serial    uint64   `json:"serial"`
	Stage     string   `json:"stage"`
	Authority bool     `json:"authority"`
	Waiting   []string `json:"waiting"`
}

func newRotationRow(st *clusterpb.Status) rotationRow {
	r := st.GetRotation()
	return rotationRow{r.GetSerial(), r.GetStage(), r.GetAuthority(), append([]string{}, r.GetWaiting()...)}
}

// String says it to people.
func (r rotationRow) String() string {
	text := "settled"
	if r.Stage != "" {
		text = "rotating, " + printable(r.Stage)
	}
	if len(r.Waiting) > 0 {
		text += "; waiting for " + printable(strings.Join(r.Waiting, ", "))
	}
	return text
}

func (p *Program) clusterRotate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate-key", Short: "Replace the keys by which nodes know each other", Long: rotateHelp,
		Example: "  mayfly cluster rotate-key\n  mayfly cluster rotate-key --authority",
	}
	authority := cmd.Flags().Bool("authority", false, "also what issues the nodes' certificates")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		before, err := s.clusterStatus(ctx)
		if err != nil {
			return err
		}
		if _, err := s.admin().RotateKeys(ctx, &adminpb.RotateKeysRequest{Authority: *authority}); err != nil {
			return err
		}
		done, err := s.awaitRotation(ctx, before.GetRotation().GetSerial())
		if err != nil {
			return err
		}
		return s.out.answer(done, func(w *strings.Builder) {
			w.WriteString("the keys are replaced on all nodes that answer\n")
		})
	})
}

// awaitRotation watches the rotation that began after a serial number until it is
// done.
func (s *session) awaitRotation(ctx context.Context, before uint64) (rotationRow, error) {
	interrupted := errors.New("interrupted: the rotation goes on; `mayfly cluster status` shows how far it is")
	shown := ""
	for heard := time.Now(); ; {
		st, err := s.clusterStatus(ctx)
		switch {
		case ctx.Err() != nil:
			return rotationRow{}, interrupted
		case err == nil && st.GetLeading():
			heard = time.Now()
			row := newRotationRow(st)
			if row.Stage == "" && row.Serial > before && len(row.Waiting) == 0 {
				return row, nil
			}
			if line := row.String(); line != shown {
				s.program.remark("%s", line)
				shown = line
			}
		case err != nil && !passing(err):
			return rotationRow{}, err
		case time.Since(heard) > silence:
			return rotationRow{}, fmt.Errorf("the node at %s hears nothing of the one that leads the meta group; the rotation goes on when most of the nodes are up", s.opts.server)
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return rotationRow{}, interrupted
		}
	}
}
