package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/certs"
	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/endpoint"
)

// certificateRow is a certificate in JSON.
type certificateRow struct {
	File      string    `json:"file"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Authority bool      `json:"authority"`
	Names     []string  `json:"names"`
	Addresses []string  `json:"addresses"`
	Begins    time.Time `json:"begins"`
	Ends      time.Time `json:"ends"`
}

func newCertificateRow(file string, c *x509.Certificate) certificateRow {
	row := certificateRow{
		File: file, Subject: c.Subject.String(), Issuer: c.Issuer.String(), Authority: c.IsCA,
		Names: append([]string{}, c.DNSNames...), Addresses: make([]string, len(c.IPAddresses)),
		Begins: c.NotBefore.UTC(), Ends: c.NotAfter.UTC(),
	}
	for i, ip := range c.IPAddresses {
		row.Addresses[i] = ip.String()
	}
	return row
}

// certsMade is the answer of certs create.
type certsMade struct {
	CA           certificateRow `json:"ca"`
	NewCA        bool           `json:"new_ca"`
	Certificate  certificateRow `json:"certificate"`
	Key          string         `json:"key"`
	NoMore       []string       `json:"names_no_more"`
	Replaced     bool           `json:"replaced"`
	ReplacedEnds *time.Time     `json:"replaced_ends"`
}

func newCertsMade(dir string, made certs.Made) certsMade {
	document := certsMade{
		CA: newCertificateRow(filepath.Join(dir, certs.CAFile), made.CA), NewCA: made.NewCA,
		Certificate: newCertificateRow(filepath.Join(dir, certs.File), made.Certificate),
		Key:         filepath.Join(dir, certs.KeyFile), NoMore: []string{},
	}
	if made.Old != nil {
		ends := made.Old.NotAfter.UTC()
		document.Replaced, document.ReplacedEnds = true, &ends
		document.NoMore = append(document.NoMore, noMore(made)...)
	}
	return document
}

// noMore are the names that the certificate before covered, and this one does not.
func noMore(made certs.Made) []string {
	if made.Old == nil {
		return nil
	}
	return certs.Missing(made.Certificate, made.Old.DNSNames)
}

// sayMade says what was made, and what to do with it.
func (p *Program) sayMade(w *strings.Builder, dir, at string, made certs.Made) {
	file := func(name string) string { return filepath.Join(dir, name) }
	day := func(c *x509.Certificate) string { return c.NotAfter.Local().Format(time.DateOnly) }
	if made.NewCA {
		fmt.Fprintf(w, "made      %s   authority, until %s: clients are to trust it\n", printable(file(certs.CAFile)), day(made.CA))
		fmt.Fprintf(w, "made      %s   its key: keep it secret; no broker needs it\n", printable(file(certs.CAKeyFile)))
	} else {
		fmt.Fprintf(w, "kept      %s   authority, until %s\n", printable(file(certs.CAFile)), day(made.CA))
	}
	done := "made   "
	if made.Old != nil {
		done = "renewed"
	}
	fmt.Fprintf(w, "%s   %s   certificate, until %s\n", done, printable(file(certs.File)), day(made.Certificate))
	fmt.Fprintf(w, "%s   %s   its key\n", done, printable(file(certs.KeyFile)))
	if lost := noMore(made); len(lost) > 0 {
		fmt.Fprintf(w, "\nThe certificate before also covered %s; add --name for what is missed.\n", strings.Join(lost, ", "))
	}
	e, err := endpoint.Parse(at)
	if err != nil { // renewed, without an endpoint
		fmt.Fprintf(w, "\nIt covers %s.\nA broker that uses these files takes them up within ten seconds.\n", strings.Join(covered(made.Certificate), ", "))
		return
	}
	p.sayNext(w, dir, e, made.NewCA)
}

func covered(c *x509.Certificate) []string {
	row := newCertificateRow("", c)
	return append(row.Names, row.Addresses...)
}

// sayNext says what to do with what was made for an endpoint.
func (p *Program) sayNext(w *strings.Builder, dir string, e endpoint.Endpoint, newCA bool) {
	file := func(name string) string { return printable(filepath.Join(dir, name)) }
	fmt.Fprintf(w, "\nStart the broker with\n\n  %s server --listen 0.0.0.0:%d --endpoint %s \\\n    --tls-cert %s --tls-key %s\n",
		p.Name, cmp.Or(e.Port, endpoint.DefaultPort), e, file(certs.File), file(certs.KeyFile))
	sayNames(w, e)
	if newCA {
		sayTrust(w, file(certs.CAFile))
	}
	fmt.Fprintf(w, "\nThen see from a client's machine whether all is well:\n\n  %s doctor --endpoint %s --ca-cert %s\n", p.Name, e, file(certs.CAFile))
}

// sayNames says what names must lead to the broker, or why there are none.
func sayNames(w *strings.Builder, e endpoint.Endpoint) {
	if e.IsAddress() {
		fmt.Fprintf(w, "\nBelow an address there are no names, so SDKs have to be told where to connect\n"+
			"(endpointOverrides in Node.js and Web, WithEndpoints in Go; see docs/sdks.md);\nv2 keys then work with the Go SDK alone.\n")
		return
	}
	fmt.Fprintf(w, "\nThese names must lead to it. A record for %[1]s and one for *.%[1]s do,\nas long as DNS has no others below it:\n\n", e.Host)
	var rows [][]string
	for _, n := range e.Names() {
		rows = append(rows, []string{"  " + n.Host, n.Role.For()})
	}
	table(w, []string{"  NAME", "FOR"}, rows)
	if e.Port != 0 && e.Port != endpoint.DefaultPort {
		fmt.Fprintf(w, "\nThe Go SDK connects to port %d whatever the endpoint says: it needs WithEndpoints.\n", endpoint.DefaultPort)
	}
}

// sayTrust says how clients come to trust an authority of one's own.
func sayTrust(w *strings.Builder, ca string) {
	fmt.Fprintf(w, "\nHave clients trust %s:\n\n", ca)
	var rows [][]string
	for _, t := range trusts {
		rows = append(rows, []string{"  " + t[0], fmt.Sprintf(t[1], ca)})
	}
	table(w, []string{"  CLIENT", "HOW"}, rows)
}

// trusts is how each client is told of an authority.
var trusts = [][2]string{
	{"Node.js SDK", "NODE_EXTRA_CA_CERTS=%s"},
	{"Go SDK", "SSL_CERT_FILE=%s on Linux, which then is the only authority; else the system's own store"},
	{"Python SDK", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=%s, which then is the only authority"},
	{"Web SDK", "the browser's or the system's own store takes %s"},
	{"mayfly", "--ca-cert %s"},
}

func (p *Program) certsShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show FILE [FILE...]", Short: "Say what is in certificates, and when they end",
		Long:    "Say what is in certificates, and when they end. Of a file with several the first is\nthe server's, the others are its chain.",
		Example: "  mayfly certs show certs/tls.crt\n  mayfly certs show certs/*.crt -o json",
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"crt", "pem"}, cobra.ShellCompDirectiveFilterFileExt
	}
	var file string
	output := p.newClientOptions()
	settings := append([]config.Setting{fileSetting(&file)}, output.outputSettings()...)
	return p.leaf(cmd, settings, func(_ context.Context, _ *cobra.Command, args, _ []string) error {
		document := struct {
			Certificates []certificateRow `json:"certificates"`
		}{[]certificateRow{}}
		for _, path := range args {
			all, err := certs.Read(path)
			if err != nil {
				return err
			}
			for _, c := range all {
				document.Certificates = append(document.Certificates, newCertificateRow(path, c))
			}
		}
		return printer{p.Stdout, output.output == "json"}.answer(document, func(w *strings.Builder) {
			for i, c := range document.Certificates {
				if i > 0 {
					fmt.Fprintln(w)
				}
				pairs(w, c.pairs(time.Now()))
			}
		})
	})
}

// pairs is a certificate for people.
func (c certificateRow) pairs(now time.Time) [][2]string {
	kind := "of a server"
	if c.Authority {
		kind = "of an authority"
	}
	rows := [][2]string{{"File", printable(c.File)}, {"Kind", kind}, {"Subject", printable(c.Subject)}, {"Issuer", printable(c.Issuer)}}
	if names := append(append([]string{}, c.Names...), c.Addresses...); len(names) > 0 {
		rows = append(rows, [2]string{"Covers", printable(strings.Join(names, ", "))})
	}
	return append(rows, [2]string{"Begins", c.Begins.Local().Format(time.DateTime)}, [2]string{"Ends", c.Ends.Local().Format(time.DateTime) + ", " + distance(c.Ends.Sub(now))})
}

// distance is how far off something is, in whole days, for people.
func distance(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return fmt.Sprintf("%d days ago", int(-d/day))
	case d < day:
		return "within a day"
	default:
		return fmt.Sprintf("in %d days", int(d/day))
	}
}
