package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/certs"
	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/endpoint"
)

func (p *Program) certsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "certs", Short: "Make certificates with an authority of your own",
		Long: "Make certificates for the client port with an authority of your own, and see what\nis in one. For one that every client trusts by itself, see --acme-accept-terms of\n\"mayfly server\".",
	}
	cmd.AddCommand(p.certsCreate(), p.certsShow())
	return cmd
}

const certsCreateHelp = `Make an authority and a certificate for the client port, with every name that the
SDKs derive from the endpoint; below an address there are no such names, and SDKs
need overrides. The certificate is also good for localhost, so that commands on
the same machine can speak TLS.

The folder gets four files: ca.crt, which clients are to trust, and its key
ca.key, which no broker needs; tls.crt and tls.key for --tls-cert and --tls-key.
Keys are readable by their owner alone.

Run again it makes a new certificate and key with the same authority, so that no
client need be told; a running broker takes them up by itself. Names are those of
the command line, or without --endpoint those of the certificate before.`

const certsCreateExample = `  mayfly certs create --endpoint mayfly.example.com
  mayfly certs create --endpoint mayfly.example.com --dir /etc/mayfly/certs --name broker-1.internal --ip 10.0.0.1
  mayfly certs create --dir /etc/mayfly/certs   # renew`

// certsFlags are those of certs create.
type certsFlags struct {
	dir       string
	names     []string
	addresses []string
	days      int
	newCA     bool
}

func (p *Program) certsCreate() *cobra.Command {
	cmd := &cobra.Command{Use: "create", Short: "Make an authority and a certificate, or renew the certificate", Long: certsCreateHelp, Example: certsCreateExample}
	var f certsFlags
	flags := cmd.Flags()
	flags.StringVar(&f.dir, "dir", "certs", "`folder` of the files")
	flags.StringSliceVar(&f.names, "name", nil, "more host `names` to cover")
	flags.StringSliceVar(&f.addresses, "ip", nil, "`addresses` to cover")
	flags.IntVar(&f.days, "days", certs.DefaultDays, "`days` that the certificate is good for")
	flags.BoolVar(&f.newCA, "new-ca", false, "replace the authority too; every client must be told of the new one")
	var at, file string
	output := p.newClientOptions()
	settings := append([]config.Setting{endpointSetting(&at, "that of the certificate to renew"), fileSetting(&file)}, output.outputSettings()...)
	return p.leaf(cmd, settings, func(_ context.Context, cmd *cobra.Command, _, _ []string) error {
		request, err := f.request(at)
		if err != nil {
			return usageError{cmd, err}
		}
		made, err := certs.Create(request)
		if err != nil {
			return certsError(err)
		}
		return printer{p.Stdout, output.output == "json"}.answer(newCertsMade(f.dir, made), func(w *strings.Builder) {
			p.sayMade(w, f.dir, at, made)
		})
	})
}

// loopbackNames and loopbackAddresses are covered by every certificate: the admin
// credential of a machine is sent to nowhere else.
var (
	loopbackNames     = []string{"localhost"}
	loopbackAddresses = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
)

// request is what to make for the endpoint, which may be empty when there is a
// certificate to renew.
func (f *certsFlags) request(at string) (certs.Request, error) {
	r := certs.Request{Dir: f.dir, Days: f.days, NewCA: f.newCA, Now: time.Now()}
	if f.dir == "" {
		return r, errors.New("--dir is empty; name a folder")
	}
	if f.days < 1 || f.days > certs.MaxDays {
		return r, fmt.Errorf("--days: %d is out of range, want 1 to %d, the longest that all clients accept", f.days, certs.MaxDays)
	}
	if at == "" {
		old, err := certs.Read(filepath.Join(f.dir, certs.File))
		if err != nil {
			return r, fmt.Errorf("--endpoint is missing, and there is no certificate to renew: %w", err)
		}
		r.Names, r.Addresses = old[0].DNSNames, addressesOf(old[0])
	} else if err := cover(&r, at); err != nil {
		return r, err
	}
	for _, name := range f.names {
		if err := endpoint.CheckName(strings.TrimPrefix(name, "*.")); err != nil {
			return r, fmt.Errorf("--name: %w", err)
		}
		r.Names = append(r.Names, strings.ToLower(name))
	}
	for _, text := range f.addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return r, fmt.Errorf("--ip: %q is no address, such as 10.0.0.1", text)
		}
		r.Addresses = append(r.Addresses, address)
	}
	r.Names, r.Addresses = unique(append(r.Names, loopbackNames...)), unique(append(r.Addresses, loopbackAddresses...))
	return r, nil
}

// cover adds what clients of the endpoint connect to.
func cover(r *certs.Request, at string) error {
	e, err := endpoint.Parse(at)
	if err != nil {
		return err
	}
	names := e.Names()
	// The endpoint itself first: people see it as the subject.
	slices.Reverse(names)
	for _, n := range names {
		if e.IsAddress() && n.Role == endpoint.Base {
			address, err := netip.ParseAddr(e.Host)
			if err != nil {
				return err
			}
			r.Addresses = append(r.Addresses, address)
			continue
		}
		// Below an IPv6 address there is nothing that has the form of a name.
		if endpoint.CheckName(n.Host) == nil {
			r.Names = append(r.Names, n.Host)
		}
	}
	return nil
}

func addressesOf(c *x509.Certificate) (all []netip.Addr) {
	for _, ip := range c.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok {
			all = append(all, address.Unmap())
		}
	}
	return all
}

// unique keeps the first of equal values.
func unique[T comparable](all []T) (kept []T) {
	for _, v := range all {
		if !slices.Contains(kept, v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// certsError adds the way out.
func certsError(err error) error {
	switch {
	case errors.Is(err, certs.ErrForeign):
		return fmt.Errorf("%w, so it is not overwritten; move it away, or choose another folder with --dir", err)
	case errors.Is(err, certs.ErrHalf):
		return fmt.Errorf("%w; bring the other file back, or move what is there away to begin anew", err)
	case errors.Is(err, certs.ErrEnds):
		return fmt.Errorf("%w; make a new one with --new-ca, and have every client trust it", err)
	default:
		return err
	}
}
