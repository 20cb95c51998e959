package store

import (
	"strings"
	"unicode/utf8"

	"github.com/tidwall/btree"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Act is something that an operator did, or tried to do.
type Act = storev1.Act

// Limits of the record of acts, a part of the meaning of the log.
const (
	// MaxActs is how many acts are kept: the newest.
	MaxActs = 10_000
	// MaxRefusedActs is how many refused attempts and humble acts are kept beside
	// those, so that whoever has no right to do more pushes nothing out.
	MaxRefusedActs = 1_000
	// MaxActAgeMs is how long an act is kept: 400 days, a year and a bit.
	MaxActAgeMs = 400 * 24 * 3600 * 1000
	// MaxActDetails and MaxActText bound one act: details, and the bytes of a text.
	MaxActDetails = 32
	MaxActText    = 512
)

// acts is the record of what operators did. Refused attempts and humble acts have a
// place of their own; the numbers are given across both.
type acts struct {
	last    uint64
	kept    *btree.Map[uint64, *Act]
	refused *btree.Map[uint64, *Act]
}

func newActs() acts {
	return acts{kept: btree.NewMap[uint64, *Act](treeDegree), refused: btree.NewMap[uint64, *Act](treeDegree)}
}

func (a *acts) copy() acts {
	return acts{last: a.last, kept: a.kept.Copy(), refused: a.refused.Copy()}
}

// place returns where an act is kept, and how many are at most.
func (a *acts) place(act *Act) (*btree.Map[uint64, *Act], int) {
	if act.GetHumble() || act.GetOutcome() == storev1.ActOutcome_ACT_OUTCOME_REFUSED {
		return a.refused, MaxRefusedActs
	}
	return a.kept, MaxActs
}

// add numbers an act and keeps it, and lets go of what is too old or too much.
func (a *acts) add(act *Act, now uint64) {
	a.last++
	act.Sequence, act.AtMs = a.last, now
	at, most := a.place(act)
	at.Set(act.GetSequence(), act)
	for {
		sequence, oldest, _ := at.Min()
		if at.Len() <= most && oldest.GetAtMs()+MaxActAgeMs > now {
			return
		}
		at.Delete(sequence)
	}
}

// all returns the acts of both places with higher numbers than after, by number.
func (a *acts) all(after uint64) []*Act {
	var list []*Act
	refused := a.refused.Iter()
	more := refused.Seek(after + 1)
	a.kept.Ascend(after+1, func(sequence uint64, act *Act) bool {
		for ; more && refused.Key() < sequence; more = refused.Next() {
			list = append(list, refused.Value())
		}
		list = append(list, act)
		return true
	})
	for ; more; more = refused.Next() {
		list = append(list, refused.Value())
	}
	return list
}

// Acts returns what operators did and tried to do, with higher numbers than after,
// the oldest first, in a slice of the caller's own.
func (c *Catalog) Acts(after uint64) []*Act {
	if after == ^uint64(0) {
		return nil
	}
	return c.acts.all(after)
}

// LastAct returns the number that was given last.
func (c *Catalog) LastAct() uint64 { return c.acts.last }

// checkAct says what is wrong with an act, "" for nothing.
func checkAct(act *Act) string {
	texts := []string{
		act.GetNode(), act.GetMethod(), act.GetCaller(), act.GetCredential(), act.GetKeyId(), act.GetTokenId(), act.GetFrom(), act.GetWhy(),
	}
	if len(act.GetDetails()) > MaxActDetails {
		return "an act has at most 32 details"
	}
	for _, d := range act.GetDetails() {
		texts = append(texts, d.GetName(), d.GetValue())
	}
	for _, text := range texts {
		if len(text) > MaxActText {
			return "a text of an act has at most 512 bytes"
		}
	}
	if act.GetMethod() == "" {
		return "an act says what was done"
	}
	return ""
}

// record puts the act that a command carries on record, with the command's
// result.
func (c *Catalog) record(carried *Act, result *CatalogResult) *CatalogResult {
	act := proto.Clone(carried).(*Act)
	switch {
	case act.GetOutcome() != storev1.ActOutcome_ACT_OUTCOME_UNSPECIFIED: // it tells itself
	case result.GetStatus() == storev1.CatalogStatus_CATALOG_STATUS_OK:
		act.Outcome = storev1.ActOutcome_ACT_OUTCOME_DONE
	case act.GetHumble():
		return result
	default:
		act.Outcome, act.Why = storev1.ActOutcome_ACT_OUTCOME_FAILED, result.GetDetail()
	}
	c.acts.add(act, c.clock)
	c.revision++
	numbered := proto.Clone(result).(*CatalogResult)
	numbered.Act = act.GetSequence()
	return numbered
}

func (c *Catalog) settleAct(op *storev1.SettleAct) *CatalogResult {
	begun, ok := c.acts.kept.Get(op.GetSequence())
	switch {
	case !ok:
		return noSuch("act")
	case begun.GetOutcome() != storev1.ActOutcome_ACT_OUTCOME_BEGUN:
		return invalidCatalog("it is known what came of the act of that number")
	case op.GetOutcome() != storev1.ActOutcome_ACT_OUTCOME_DONE && op.GetOutcome() != storev1.ActOutcome_ACT_OUTCOME_FAILED:
		return invalidCatalog("an act that was begun was done, or it failed")
	case len(op.GetWhy()) > MaxActText:
		return invalidCatalog("a text of an act has at most 512 bytes")
	}
	settled := proto.Clone(begun).(*Act)
	settled.Outcome, settled.Why = op.GetOutcome(), op.GetWhy()
	c.acts.kept.Set(op.GetSequence(), settled)
	return c.changed()
}

// loadActs is load for the acts of a snapshot.
func (c *Catalog) loadActs(m *storev1.CatalogSnapshot) string {
	if m.GetVersion() < 3 && (len(m.GetActs()) > 0 || m.GetLastAct() > 0) {
		return "acts in a snapshot of a version without them"
	}
	c.acts.last = m.GetLastAct()
	before := uint64(0)
	for _, act := range m.GetActs() {
		if bad := checkAct(act); bad != "" {
			return bad
		}
		if act.GetSequence() <= before || act.GetSequence() > c.acts.last {
			return "acts out of order"
		}
		before = act.GetSequence()
		at, _ := c.acts.place(act)
		at.Set(act.GetSequence(), act)
	}
	if c.acts.kept.Len() > MaxActs || c.acts.refused.Len() > MaxRefusedActs {
		return "more acts than allowed"
	}
	return ""
}

// ActText cuts a text to what an act may hold of it, at a character.
func ActText(text string) string {
	text = strings.ToValidUTF8(text, "�")
	if len(text) <= MaxActText {
		return text
	}
	const more = "…"
	cut := MaxActText - len(more)
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + more
}
