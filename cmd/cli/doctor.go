package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/certs"
	"github.com/mayfly-broker/mayfly/cmd/doctor"
	"github.com/mayfly-broker/mayfly/cmd/endpoint"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

const doctorHelp = `See from a client's side whether all is there that the official SDKs need: names,
ports, TLS and certificates, calls, streams that nothing holds back, pages, the
clock, the credential. Every finding that is not ok says what to do.

With --endpoint (or MOMENTO_ENDPOINT) it does as SDKs do: it derives the names,
and connects to each over TLS. Before DNS is there, --address has all connections
go to one place, and --resolve one name to one address. The credential is that of
--api-key, MAYFLY_API_KEY or MOMENTO_API_KEY; it is sent only to a server whose
certificate is good, and never printed.

Without an endpoint the broker at --server is looked at, as the other commands
talk to it. Nothing is changed in the broker; with a super user key a token is
made, good for a second, to see where tokens lead.

Ends with code 1 when something is wrong, and with 2 when what was asked makes no
sense.`

const doctorExample = `  mayfly doctor
  MAYFLY_API_KEY=... mayfly doctor --endpoint mayfly.example.com --origin https://chat.example
  mayfly doctor --endpoint mayfly.example.com --ca-cert certs/ca.crt --address 10.0.0.1:443
  mayfly doctor --endpoint mayfly.example.com -o json | jq '.findings[] | select(.verdict == "wrong")'`

// doctorFlags are those of doctor.
type doctorFlags struct {
	endpoint, origin, cache, address string
	resolve                          []string
}

func (p *Program) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "doctor", Short: "See whether clients have all they need, and what to mend", Long: doctorHelp, Example: doctorExample}
	var f doctorFlags
	flags := cmd.Flags()
	flags.StringVar(&f.origin, "origin", "", "`origin` of pages that are to reach the broker, such as https://chat.example")
	flags.StringVar(&f.cache, "cache", "", "`name` of a cache to subscribe in (default the first there is)")
	flags.StringVar(&f.address, "address", "", "`host:port` to connect to in place of every name")
	flags.StringArrayVar(&f.resolve, "resolve", nil, "`name=address`: where a name leads, whatever DNS says; may be repeated")
	opts := p.newClientOptions()
	settings := append(opts.settings(), endpointSetting(&f.endpoint, "MOMENTO_ENDPOINT, else the broker at --server is looked at"))
	return p.leaf(cmd, settings, func(ctx context.Context, cmd *cobra.Command, _, _ []string) error {
		config, err := p.examination(&f, opts)
		if err != nil {
			return usageError{cmd, err}
		}
		findings := doctor.Examine(ctx, config)
		if err := (printer{p.Stdout, opts.output == "json"}).answer(newDoctorAnswer(config, findings), func(w *strings.Builder) {
			sayFindings(w, config, findings)
		}); err != nil {
			return err
		}
		if n := doctor.Count(findings, doctor.Wrong); n > 0 {
			return fmt.Errorf("clients of %s have trouble: %s", config.Endpoint, count(uint32(n), "finding"))
		}
		return ctx.Err()
	})
}

// examination is what the flags and settings ask for.
func (p *Program) examination(f *doctorFlags, opts *clientOptions) (doctor.Config, error) {
	c := doctor.Config{
		Address: f.address, Cache: f.cache, Origin: f.origin, Version: thisBuild().Version, Timeout: opts.timeout,
		Resolve: map[string]netip.Addr{},
	}
	var err error
	at := cmp.Or(f.endpoint, p.getenv("MOMENTO_ENDPOINT"))
	if at == "" {
		c.Endpoint, err = endpoint.Parse(opts.server)
		c.TLS = opts.secure()
		if opts.tlsName != "" {
			c.Endpoint.Host, c.Address = opts.tlsName, cmp.Or(c.Address, opts.server)
		}
	} else {
		c.Endpoint, err = endpoint.Parse(at)
		c.Derived, c.TLS = true, true
	}
	if err != nil {
		return c, err
	}
	if c.Credential, c.Wrapped, err = p.doctorCredential(at != "", opts); err != nil {
		return c, err
	}
	if opts.caCert != "" {
		c.RootsFile = opts.caCert
		if c.Roots, err = certs.Read(opts.caCert); err != nil {
			return c, fmt.Errorf("ca-cert: %w", err)
		}
	}
	return c, f.overrides(&c)
}

// overrides says where names lead, and from what page. What no client could use is
// refused here: it would look like a fault of the broker.
func (f *doctorFlags) overrides(c *doctor.Config) error {
	if f.address != "" {
		_, port, err := net.SplitHostPort(f.address)
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
			return fmt.Errorf("--address: %q is not host:port, such as 10.0.0.1:443", f.address)
		}
	}
	if f.origin != "" && !isOrigin(f.origin) {
		return fmt.Errorf("--origin: %q is not what a browser sends for a page: scheme://host or scheme://host:port in lower case and nothing behind, such as https://chat.example", f.origin)
	}
	for _, text := range f.resolve {
		name, where, _ := strings.Cut(text, "=")
		address, err := netip.ParseAddr(where)
		if err != nil || name == "" {
			return fmt.Errorf("--resolve: %q is not name=address, such as cache.mayfly.example.com=10.0.0.1", text)
		}
		c.Resolve[strings.ToLower(name)] = address
	}
	return nil
}

// isOrigin reports whether a browser would send the text for a page, and a broker take
// it with --allow-origins.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		u.Scheme+"://"+u.Host == text && text == strings.ToLower(text) && !strings.Contains(text, "*")
}

// doctorCredential is the credential, as it travels and, if it came so, wrapped.
// Where names are derived the credential of an SDK's own variable counts, too,
// and the admin credential of this machine does not: SDKs do not know it.
func (p *Program) doctorCredential(derived bool, opts *clientOptions) (raw, wrapped string, err error) {
	given := *opts
	access := asAdmin
	if derived {
		given.apiKey = cmp.Or(opts.apiKey, p.getenv("MOMENTO_API_KEY"))
		access = asUser
	}
	found, err := findCredential(&given, access)
	if err != nil {
		return "", "", err
	}
	if found.unread != nil {
		p.remark("mayfly: the admin credential of this machine cannot be read: %v", errors.Unwrap(found.unread))
	}
	if text := strings.TrimSpace(given.apiKey); text != "" {
		if _, _, err := auth.Unwrap(text); err == nil {
			wrapped = text
		}
	}
	return found.text, wrapped, nil
}

// doctorAnswer is the answer of doctor in JSON.
type doctorAnswer struct {
	Endpoint string                 `json:"endpoint"`
	Findings []doctor.Finding       `json:"findings"`
	Counts   map[doctor.Verdict]int `json:"counts"`
}

// verdicts in the order in which they are counted up.
var verdicts = []doctor.Verdict{doctor.Wrong, doctor.Warning, doctor.OK, doctor.Skipped}

func newDoctorAnswer(c doctor.Config, findings []doctor.Finding) doctorAnswer {
	document := doctorAnswer{c.Endpoint.String(), findings, map[doctor.Verdict]int{}}
	for _, v := range verdicts {
		document.Counts[v] = doctor.Count(findings, v)
	}
	return document
}

// sayFindings writes a line for each finding, and one below it where there is
// something to do.
func sayFindings(w *strings.Builder, c doctor.Config, findings []doctor.Finding) {
	width := 0
	for _, f := range findings {
		width = max(width, len(f.Check))
	}
	how := "without TLS"
	if c.TLS {
		how = "over TLS"
	}
	fmt.Fprintf(w, "%s, %s\n\n", c.Endpoint, how)
	for _, f := range findings {
		fmt.Fprintf(w, "%-8s %-*s  %s\n", f.Verdict, width, f.Check, printable(f.Found))
		if f.Remedy != "" {
			fmt.Fprintf(w, "%-8s %-*s  -> %s\n", "", width, "", printable(f.Remedy))
		}
	}
	counts := make([]string, len(verdicts))
	for i, v := range verdicts {
		counts[i] = fmt.Sprintf("%d %s", doctor.Count(findings, v), v)
	}
	fmt.Fprintf(w, "\n%s\n", strings.Join(counts, ", "))
}
