package steward

import (
	"context"
	"log/slog"

	"github.com/mayfly-broker/mayfly/cluster"
)

// The keys by which nodes know each other are replaced in stages, each of which
// begins when the one before it is done everywhere. A node does its part as soon as
// its copy of the record tells it to, and its report says that it has.
//
// Where gossip alone is concerned, a node that does not answer is left behind: it
// hears nobody until it follows the meta group again, which tells it the key, and
// nothing depends on what it hears. Where the authority of certificates is, it could
// not come back at all: so that waits for every member, until it answers or is
// removed.

// Rotate begins to replace the keys by which nodes know each other. One rotation is
// under way at a time.
func (s *Steward) Rotate(ctx context.Context, op cluster.Rotate) error {
	_, err := s.propose(ctx, 0, &op)
	return err
}

// Rotation is how far the keys are by which nodes know each other.
type Rotation struct {
	// Serial is that of the trust agreed on, and Stage how far its rotation is.
	Serial uint64
	Stage  cluster.Stage
	// Authority: certificates are concerned too.
	Authority bool
	// Waiting are the nodes that have not done yet what the stage wants, by name, but
	// for those that are left behind; none where nobody has asked.
	Waiting []cluster.NodeID
}

// rotation tells who has not done what the stage of a rotation wants. It is no
// secret's business: of a trust it looks at the number.
func (v *verdict) rotation(t cluster.Trust, members []cluster.Member, tuning Tuning) Rotation {
	r := Rotation{Serial: t.Serial, Stage: t.Stage, Authority: t.Strict()}
	for _, m := range members {
		l, known := v.nodes[m.Node]
		switch {
		case v.at.IsZero(), known && l.store == m.Store && l.trust >= t.Serial:
		case !t.Strict() && known && v.at.Sub(later(l.heard, l.since)) >= 2*tuning.SuspectAfter: // left behind
		default:
			r.Waiting = append(r.Waiting, m.Node)
		}
	}
	return r
}

// turn takes a rotation to its next stage, if nobody is waited for.
func (o *office) turn(ctx context.Context, v *verdict) {
	var t cluster.Trust
	var members []cluster.Member
	o.cfg.Record.Read(func(s *cluster.State) { t, members = s.Trust(), s.Members() })
	if r := v.rotation(t, members, o.cfg.Tuning); r.Stage == cluster.Settled || len(r.Waiting) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.cfg.Tuning.Act)
	defer cancel()
	out, err := o.cfg.Record.Propose(ctx, cluster.Change{Op: &cluster.Turn{Serial: t.Serial}})
	if err == nil {
		err = out.Err()
	}
	if err != nil && ctx.Err() == nil {
		o.log.Warn("the rotation of keys does not go on; trying again", slog.Any("err", err))
	}
}
