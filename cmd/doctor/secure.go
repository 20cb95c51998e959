package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The checks of TLS.
const (
	checkTLS   = "tls"
	checkALPN  = "http2"
	checkCover = "certificate-names"
	checkChain = "certificate-authority"
	checkUsage = "certificate-usage"
	checkDates = "certificate-dates"
)

// endsSoon is when the end of a certificate is worth a word: what renews by
// itself does so earlier.
const endsSoon = 14 * 24 * time.Hour

// secured shakes hands with every name, and looks at what it shows.
func (x *exam) secured(ctx context.Context) []Finding {
	hosts := x.usable()
	if len(hosts) == 0 {
		return []Finding{skipped(checkTLS, "no port answers")}
	}
	if !x.TLS {
		return x.unsecured(ctx, hosts)
	}
	failed := make([]error, len(hosts))
	each(hosts, func(h *host) {
		ctx, cancel := x.step(ctx)
		defer cancel()
		h.state, failed[slices.Index(hosts, h)] = x.greet(ctx, h)
	})
	all := x.handshakes(hosts, failed)
	hosts = slices.DeleteFunc(hosts, func(h *host) bool { return h.unusable != "" })
	if len(hosts) == 0 {
		return all
	}
	for _, h := range hosts {
		h.trusted = true // until somebody finds otherwise
	}
	return slices.Concat(all, x.agreed(hosts), x.covered(hosts), x.vouched(hosts), x.suited(hosts), x.dated(hosts))
}

// unsecured sees whether a port that is talked to without TLS wants it.
func (x *exam) unsecured(ctx context.Context, hosts []*host) []Finding {
	ctx, cancel := x.step(ctx)
	defer cancel()
	conn, err := x.dial(ctx, hosts[0].Host)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	// Nothing is sent but the greeting, whoever it is.
	inner := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // see above
	if inner.HandshakeContext(ctx) != nil {
		return []Finding{skipped(checkTLS, "the broker is talked to without TLS")}
	}
	for _, h := range hosts {
		h.unusable = "it speaks TLS"
	}
	return []Finding{wrong(checkTLS, "the port speaks TLS, and was to be talked to without", "add --tls, or --ca-cert FILE for an authority of your own")}
}

// greet shakes hands as an SDK does, but takes any certificate.
func (x *exam) greet(ctx context.Context, h *host) (tls.ConnectionState, error) {
	conn, err := x.connect(ctx, h, "h2", "http/1.1")
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState(), nil
}

// handshakes says which of them came about.
func (x *exam) handshakes(hosts []*host, failed []error) (all []Finding) {
	var good, bad grouped
	remedies := map[string]string{}
	for i, h := range hosts {
		if err := failed[i]; err != nil {
			says, remedy := handshakeError(err)
			h.unusable = "it does not speak TLS as clients do"
			bad.add(h.Host, says)
			remedies[says] = remedy
			continue
		}
		good.add(h.Host, tls.VersionName(h.state.Version))
	}
	for _, version := range good.said {
		all = append(all, ok(checkTLS, "%s (%s)", version, listed(good.names[version])))
	}
	for _, says := range bad.said {
		all = append(all, wrong(checkTLS, fmt.Sprintf("%s (%s)", says, listed(bad.names[says])), remedies[says]))
	}
	return all
}

func handshakeError(err error) (says, remedy string) {
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		return "the port answers in plain text, and SDKs speak TLS to every name that they derive",
			"start the broker with --tls-cert and --tls-key (`mayfly certs create` makes both), or put a proxy in front that speaks TLS"
	}
	return "no TLS connection comes about: " + reason(err), "see the log of the broker, and what stands in front of it"
}

// agreed says whether HTTP/2 was agreed on, without which native gRPC is lost.
func (x *exam) agreed(hosts []*host) []Finding {
	var without []string
	for _, h := range hosts {
		if h.state.NegotiatedProtocol != "h2" {
			without = append(without, h.Host)
		}
	}
	if len(without) == 0 {
		return []Finding{ok(checkALPN, "HTTP/2 is offered (ALPN)")}
	}
	return []Finding{wrong(checkALPN, "HTTP/2 is not offered (ALPN) at "+listed(without)+", and native gRPC needs it",
		"if a proxy ends TLS there, turn HTTP/2 on in it, or have it pass TLS on; a broker that is starting or stopping offers none either")}
}

// covered says which names the certificates do not cover.
func (x *exam) covered(hosts []*host) (all []Finding) {
	var missing []string
	serious := false
	for _, h := range hosts {
		if h.state.PeerCertificates[0].VerifyHostname(h.Host) != nil {
			h.trusted = false
			missing = append(missing, h.Host)
			serious = serious || x.needed(h)
		}
	}
	if len(missing) == 0 {
		return []Finding{ok(checkCover, "covers every name")}
	}
	f := wrong(checkCover, fmt.Sprintf("the certificate does not cover %s; it is for %s", listed(missing), listed(subjects(x.at(hosts[0].Role).state.PeerCertificates[0]))),
		"make one that does: `mayfly certs create --endpoint "+x.Endpoint.String()+"`; note that *."+x.Endpoint.Host+" covers no name with two labels in front, such as web.cache."+x.Endpoint.Host)
	if !serious {
		f.Verdict = Warning
	}
	return []Finding{f}
}

// subjects is all that a certificate is for.
func subjects(c *x509.Certificate) []string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		all = append(all, "nothing that clients look at")
	}
	return all
}

// vouched says whether clients trust who made the certificates.
func (x *exam) vouched(hosts []*host) (all []Finding) {
	var said grouped
	found := map[string]Finding{}
	for _, h := range hosts {
		f := x.vouch(h.state.PeerCertificates)
		h.trusted = h.trusted && f.Verdict == OK
		said.add(h.Host, f.Found)
		found[f.Found] = f
	}
	for _, text := range said.said {
		f := found[text]
		if len(said.said) > 1 {
			f.Found += " (" + listed(said.names[text]) + ")"
		}
		all = append(all, f)
	}
	return all
}

// options are how a chain is looked at, whatever the date is.
func (x *exam) options(chain []*x509.Certificate, usage x509.ExtKeyUsage) x509.VerifyOptions {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	return x509.VerifyOptions{Intermediates: between, CurrentTime: inside(chain[0], x.Now()), KeyUsages: []x509.ExtKeyUsage{usage}}
}

// suited says which of the certificates that somebody vouches for are not for servers.
func (x *exam) suited(hosts []*host) []Finding {
	var unfit []string
	for _, h := range hosts {
		chain := h.state.PeerCertificates
		good := x.options(chain, x509.ExtKeyUsageServerAuth)
		good.Roots = x.trust
		if _, err := chain[0].Verify(good); err == nil || x.vouch(chain).Verdict != OK {
			continue
		}
		h.trusted = false
		unfit = append(unfit, h.Host)
	}
	if len(unfit) == 0 {
		return nil // most have no trouble with it
	}
	return []Finding{wrong(checkUsage, "the certificate is not for servers, and clients refuse it: it, or an authority behind it, is for other uses than server authentication ("+listed(unfit)+")",
		"make one whose extended key usage has server authentication (serverAuth), as `mayfly certs create` does")}
}

// vouch looks for the authority behind a chain, whatever the date is and whatever the
// certificate is for.
func (x *exam) vouch(chain []*x509.Certificate) Finding {
	leaf, good := chain[0], x.options(chain, x509.ExtKeyUsageAny)
	issuer := leaf.Issuer.String()
	if _, err := leaf.Verify(good); err == nil {
		return ok(checkChain, "made by %s, which this machine trusts by itself", issuer)
	}
	good.Roots = x509.NewCertPool()
	for _, c := range x.Roots {
		good.Roots.AddCert(c)
	}
	if _, err := leaf.Verify(good); err == nil {
		return ok(checkChain, "made by %s, in %s, which each client has to be told of: Node.js with NODE_EXTRA_CA_CERTS, Go on Linux with SSL_CERT_FILE, "+
			"Python with GRPC_DEFAULT_SSL_ROOTS_FILE_PATH, browsers in their own store", issuer, x.RootsFile)
	}
	remedy := "if it is an authority of your own, give its certificate with --ca-cert, and have every client trust it (see docs/tls.md); " +
		"if it is a public one, the file of --tls-cert may lack the certificates in between"
	if len(x.Roots) > 0 {
		remedy = "the authority in " + x.RootsFile + " has not made it; give that of the certificate with --ca-cert"
	}
	if leaf.CheckSignatureFrom(leaf) == nil || leaf.Subject.String() == issuer {
		remedy = "it was made by itself; make an authority and a certificate with `mayfly certs create`, which all SDKs can be told to trust"
	}
	return wrong(checkChain, "this machine does not trust who made the certificate: "+issuer, remedy)
}

// inside is a moment at which the certificate is good, now if it is.
func inside(c *x509.Certificate, now time.Time) time.Time {
	switch {
	case now.Before(c.NotBefore):
		return c.NotBefore
	case now.After(c.NotAfter):
		return c.NotAfter
	default:
		return now
	}
}

// dated says when certificates end, the earliest first.
func (x *exam) dated(hosts []*host) []Finding {
	now, first := x.Now(), hosts[0]
	for _, h := range hosts {
		c := h.state.PeerCertificates[0]
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			h.trusted = false
		}
		if c.NotAfter.Before(first.state.PeerCertificates[0].NotAfter) {
			first = h
		}
	}
	c := first.state.PeerCertificates[0]
	ends := c.NotAfter.UTC().Format(time.DateTime) + " UTC"
	renew := "put a new one into the files of --tls-cert and --tls-key; `mayfly certs create` renews one of your own, and no restart is needed"
	for _, h := range hosts {
		if begins := h.state.PeerCertificates[0].NotBefore; now.Before(begins) {
			return []Finding{wrong(checkDates, "the certificate is good from "+begins.UTC().Format(time.DateTime)+" UTC on, and not yet", "is the clock of this machine right?")}
		}
	}
	switch left := c.NotAfter.Sub(now); {
	case left < 0:
		return []Finding{wrong(checkDates, "the certificate HAS ENDED, at "+ends, renew)}
	case left < endsSoon:
		return []Finding{warning(checkDates, fmt.Sprintf("the certificate ends at %s, within %d days", ends, int(left/(24*time.Hour))+1), renew)}
	default:
		return []Finding{ok(checkDates, "good until %s", ends)}
	}
}
