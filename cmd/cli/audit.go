package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

const auditHelp = `Show what operators did and tried to do, the oldest first: who, from where, at which
node, what, about what, and what came of it. No secret is on record.

The cluster keeps the last 10,000 acts, for 400 days at most, and beside them the
last 1,000 attempts that were refused, of which not every one is noted when there
are many.`

const auditExample = `  mayfly audit --since 1h
  mayfly audit --follow -o json`

// auditPause is how often audit --follow looks for more.
const auditPause = time.Second

// auditPage is how many acts one answer may hold.
const auditPage = 1000

func (p *Program) auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Show what operators did", Long: auditHelp, Example: auditExample}
	since := cmd.Flags().String("since", "", "only what was done within this `time`, such as 1h or 30d")
	follow := cmd.Flags().Bool("follow", false, "go on with what is done from now on, until Ctrl-C")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		request := &adminpb.ListActsRequest{Limit: auditPage}
		if *since != "" {
			d, err := config.ParseDuration(*since)
			if err != nil {
				return usageError{s.cmd, fmt.Errorf("--since: %w", err)}
			}
			request.SinceMs = uint64(max(time.Now().Add(-d).UnixMilli(), 0))
		}
		if *follow {
			return s.followActs(ctx, request)
		}
		acts, err := s.acts(ctx, request)
		if err != nil {
			return err
		}
		return s.printActs(acts)
	})
}

// acts asks page by page.
func (s *session) acts(ctx context.Context, request *adminpb.ListActsRequest) (all []*adminpb.ActInfo, err error) {
	for {
		answer, err := adminpb.NewAuditClient(s.conn).ListActs(ctx, request)
		if err != nil {
			return nil, err
		}
		acts := answer.GetActs()
		all = append(all, acts...)
		if len(acts) > 0 {
			request.After = acts[len(acts)-1].GetSequence()
		}
		if len(acts) < auditPage {
			return all, nil
		}
	}
}

// followActs prints one line per act until ctx ends.
func (s *session) followActs(ctx context.Context, request *adminpb.ListActsRequest) error {
	tick := time.NewTicker(auditPause)
	defer tick.Stop()
	for {
		acts, err := s.acts(ctx, request)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, act := range acts {
			if err := s.printAct(act); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// actRow is one act in JSON.
type actRow struct {
	Sequence   uint64            `json:"sequence"`
	At         time.Time         `json:"at"`
	Node       string            `json:"node"`
	Act        string            `json:"act"`
	About      map[string]string `json:"about"`
	Caller     string            `json:"caller"`
	Credential string            `json:"credential"`
	KeyID      string            `json:"key_id"`
	TokenID    string            `json:"token_id"`
	From       string            `json:"from"`
	Outcome    string            `json:"outcome"`
	Why        string            `json:"why"`
	LeftOut    uint64            `json:"left_out"`
}

func newActRow(a *adminpb.ActInfo) actRow {
	about := make(map[string]string, len(a.GetAbout()))
	for _, d := range a.GetAbout() {
		about[d.GetName()] = d.GetValue()
	}
	return actRow{
		a.GetSequence(), millisecond(a.GetAtMs()), a.GetNode(), actName(a.GetMethod()), about, a.GetCaller(), a.GetCredential(),
		a.GetKeyId(), a.GetTokenId(), a.GetFrom(), a.GetOutcome(), a.GetWhy(), a.GetLeftOut(),
	}
}

// actName is what was done without the service that does it.
func actName(method string) string { return method[strings.LastIndexByte(method, '/')+1:] }

func (s *session) printActs(acts []*adminpb.ActInfo) error {
	document := struct {
		Acts []actRow `json:"acts"`
	}{make([]actRow, len(acts))}
	cells := make([][]string, len(acts))
	for i, a := range acts {
		document.Acts[i] = newActRow(a)
		cells[i] = actCells(a)
	}
	return s.out.answer(document, func(w *strings.Builder) {
		table(w, []string{"TIME", "WHO", "FROM", "NODE", "ACT", "ABOUT", "OUTCOME"}, cells)
	})
}

// printAct prints an act on a line of its own.
func (s *session) printAct(a *adminpb.ActInfo) error {
	if s.out.json {
		return s.out.line(newActRow(a))
	}
	_, err := fmt.Fprintln(s.out.w, strings.Join(actCells(a), "  "))
	return err
}

func actCells(a *adminpb.ActInfo) []string {
	who := a.GetCaller()
	for _, name := range []string{a.GetKeyId(), a.GetTokenId()} {
		if name != "" {
			who += " " + name
		}
	}
	var about []string
	for _, d := range a.GetAbout() {
		about = append(about, d.GetName()+"="+printable(d.GetValue()))
	}
	outcome := a.GetOutcome()
	if a.GetWhy() != "" {
		outcome += ": " + a.GetWhy()
	}
	if n := a.GetLeftOut(); n > 0 {
		outcome += " (and " + strconv.FormatUint(n, 10) + " more before)"
	}
	return []string{
		when(a.GetAtMs()/1000, "-"), printable(who), describe(a.GetFrom()), describe(a.GetNode()), printable(actName(a.GetMethod())),
		orDash(strings.Join(about, " ")), printable(outcome),
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
