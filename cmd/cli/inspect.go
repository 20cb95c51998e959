package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/cli/grant"
	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

const inspectHelp = `Say what a key or token is, whom it is for, when it ends and what it allows. This
needs no server and proves nothing: whether the signature is good, only the
server can tell.

Without an argument, or with "-", it reads standard input, which keeps the token
out of the shell's history.`

// inspected is the answer of token inspect.
type inspected struct {
	Form        string         `json:"form"`
	Wrapped     bool           `json:"wrapped"`
	Endpoint    string         `json:"endpoint"`
	Mayfly      bool           `json:"mayfly"`
	ID          string         `json:"id"`
	TokenID     string         `json:"token_id"`
	Parent      string         `json:"parent"`
	IssuedAt    *time.Time     `json:"issued_at"`
	ExpiresAt   *time.Time     `json:"expires_at"`
	Expired     bool           `json:"expired"`
	Permissions []string       `json:"permissions"`
	Header      map[string]any `json:"header"`
	Claims      map[string]any `json:"claims"`
	Notes       []string       `json:"notes"`
}

func (p *Program) tokenInspect() *cobra.Command {
	cmd := &cobra.Command{
		Use: "inspect [TOKEN]", Short: "Say what a key or token is and allows, offline",
		Long: inspectHelp, Example: "  mayfly token inspect < token.txt",
	}
	opts := p.newClientOptions()
	return p.leaf(cmd, append(opts.outputSettings(), fileSetting(&opts.file)), func(_ context.Context, _ *cobra.Command, args, _ []string) error {
		text, err := p.tokenText(args)
		if err != nil {
			return err
		}
		found, err := auth.Inspect(text)
		if err != nil {
			return fmt.Errorf("this is no key or token: %s", strings.TrimPrefix(err.Error(), auth.ErrMalformed.Error()+": "))
		}
		now := time.Now()
		return printer{p.Stdout, opts.output == "json"}.answer(newInspected(found, now), func(w *strings.Builder) { writeInspection(w, found, now) })
	})
}

// tokenText takes the token from the argument or from standard input.
func (p *Program) tokenText(args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	if isTerminal(p.Stdin) {
		p.remark("Paste the token and end with Ctrl-D on a line of its own.")
	}
	raw, err := io.ReadAll(io.LimitReader(p.Stdin, auth.MaxTextSize+1))
	return string(raw), err
}

func newInspected(in auth.Inspection, now time.Time) inspected {
	return inspected{
		Form: in.Form, Wrapped: in.Wrapped, Endpoint: in.Endpoint, Mayfly: in.Ours,
		ID: in.ID, TokenID: in.TokenID, Parent: in.Parent,
		IssuedAt: orNull(in.IssuedAt), ExpiresAt: orNull(in.ExpiresAt), Expired: expired(in, now),
		Permissions: grant.Format(in.Permissions), Header: in.Header, Claims: in.Claims, Notes: append([]string{}, in.Notes...),
	}
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func expired(in auth.Inspection, now time.Time) bool {
	return !in.ExpiresAt.IsZero() && !now.Before(in.ExpiresAt)
}

func writeInspection(w *strings.Builder, in auth.Inspection, now time.Time) {
	rows := [][2]string{{"Form", in.Form}}
	for _, row := range [][2]string{{"Id", in.ID}, {"Token id", in.TokenID}, {"Made by", in.Parent}, {"Endpoint", in.Endpoint}} {
		if row[1] != "" {
			rows = append(rows, [2]string{row[0], printable(row[1])})
		}
	}
	if !in.IssuedAt.IsZero() {
		rows = append(rows, [2]string{"Issued", in.IssuedAt.Local().Format(time.DateTime)})
	}
	rows = append(rows, [2]string{"Expires", expiry(in, now)})
	rows = append(rows, permissionRows(in)...)
	for _, note := range in.Notes {
		rows = append(rows, [2]string{"Note", printable(note)})
	}
	pairs(w, rows)
}

// expiry is the end of a credential and how far away it is.
func expiry(in auth.Inspection, now time.Time) string {
	if in.ExpiresAt.IsZero() {
		return "never, or the text does not say"
	}
	at := in.ExpiresAt.Local().Format(time.DateTime)
	if left := in.ExpiresAt.Sub(now).Round(time.Second); left > 0 {
		return fmt.Sprintf("%s, in %s", at, config.FormatDuration(left))
	}
	return fmt.Sprintf("%s, EXPIRED %s ago", at, config.FormatDuration(now.Sub(in.ExpiresAt).Round(time.Second)))
}

// permissionRows has a sentence for every permission, or the written form of
// those that the server would refuse.
func permissionRows(in auth.Inspection) [][2]string {
	if in.Permissions == nil {
		return nil
	}
	sentences, err := auth.Describe(in.Permissions)
	if err != nil {
		sentences = grant.Format(in.Permissions)
		for i := range sentences {
			sentences[i] = strconv.Quote(sentences[i])
		}
	}
	rows := make([][2]string, len(sentences))
	for i, sentence := range sentences {
		rows[i] = [2]string{"May", sentence}
	}
	return rows
}
