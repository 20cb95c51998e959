package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/mayfly-broker/mayfly/cmd/endpoint"
	"github.com/mayfly-broker/mayfly/rpc/certify"
)

// ACME says how the certificate of the client port is ordered. The zero value
// orders none. It is the same on all nodes of a cluster.
type ACME struct {
	// AcceptTerms: whoever runs this node accepts the terms of the ACME server.
	// Without it nothing is ordered.
	AcceptTerms bool
	// Domains are the names that the certificate is to cover; empty means those
	// that SDKs derive from Config.Endpoint.
	Domains []string
	// Email is where the ACME server may write to; empty gives none.
	Email string
	// Directory is the URL of the ACME server's directory; empty means that of
	// Let's Encrypt.
	Directory string
}

// acmeNames are what the certificate is to cover.
func (c Config) acmeNames() ([]string, error) {
	if len(c.ACME.Domains) > 0 {
		return c.ACME.Domains, nil
	}
	if c.Endpoint == "" {
		return nil, errors.New("acme: nothing says what the certificate is for; give --endpoint, or names with --acme-domain")
	}
	e, err := endpoint.Parse(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	if e.IsAddress() {
		return nil, fmt.Errorf("acme: %s is an address, and certificates are ordered for names", e.Host)
	}
	var names []string
	for _, n := range e.Names() {
		if n.Role != endpoint.Storage { // which nobody serves
			names = append(names, n.Host)
		}
	}
	return names, nil
}

// checkACME names what cannot work.
func (c Config) checkACME() error {
	a := c.ACME
	if !a.AcceptTerms {
		if len(a.Domains) > 0 || a.Email != "" || a.Directory != "" {
			return errors.New("acme: read the terms of the ACME server, and accept them with --acme-accept-terms; nothing is ordered without")
		}
		return nil
	}
	names, err := c.acmeNames()
	if err != nil {
		return err
	}
	if len(names) > certify.MaxNames {
		return fmt.Errorf("acme-domain: %d names, at most %d fit into a certificate", len(names), certify.MaxNames)
	}
	for _, name := range names {
		if err := endpoint.CheckName(name); err != nil {
			return fmt.Errorf("acme-domain: %w (a wildcard cannot be proved at the client port)", err)
		}
	}
	if u, err := url.Parse(a.Directory); a.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("acme-directory: %q is not the https URL of an ACME server's directory", a.Directory)
	}
	return nil
}

// openKeeper has the port show certificates that are ordered.
func (n *Node) openKeeper() error {
	names, err := n.config.acmeNames()
	if err != nil {
		return err
	}
	agent := "mayfly"
	if n.config.Version != "" {
		agent += "/" + n.config.Version
	}
	n.doors.keeper, err = certify.New(certify.Config{
		Names: names, Email: n.config.ACME.Email, Directory: n.config.ACME.Directory,
		Shelf: shelf{n}, Agent: agent, Logger: n.logger,
	})
	if err != nil {
		return err
	}
	n.doors.port.Prove(n.doors.keeper.Challenge)
	return nil
}

// certificate is the one that the client port shows at this moment: the ordered
// one, or as long as there is none that of the files; nil for none.
func (d *doors) certificate() *tls.Certificate {
	if d.keeper != nil {
		if ordered := d.keeper.Certificate(); ordered != nil {
			return ordered
		}
	}
	if d.certificates != nil {
		return d.certificates.Current()
	}
	return nil
}

// certificateEnd is when that one ends, the beginning of 1970 when there is none.
func (d *doors) certificateEnd() time.Time {
	if c := d.certificate(); c != nil {
		return c.Leaf.NotAfter
	}
	return time.Unix(0, 0)
}

// shelf is the part of the catalog that the certificate of the client port, and
// what belongs to it, is kept in.
type shelf struct{ n *Node }

var _ certify.Shelf = shelf{}

// Deposit implements certify.Shelf.
func (s shelf) Deposit(name string) []byte { return s.n.router.Deposit(name) }

// PutDeposit implements certify.Shelf.
func (s shelf) PutDeposit(ctx context.Context, name string, content []byte) error {
	return s.n.router.PutDeposit(ctx, name, content)
}

// CatchUp implements certify.Shelf.
func (s shelf) CatchUp(ctx context.Context) error { return s.n.router.CatchUp(ctx) }

// Changed implements certify.Shelf.
func (s shelf) Changed() <-chan struct{} { return s.n.local.Changed() }

// Leading implements certify.Shelf.
func (s shelf) Leading() (leading bool, changed <-chan struct{}) {
	_, leading, changed = s.n.local.Leading()
	return leading, changed
}
