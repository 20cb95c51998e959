package certs

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The files of a folder.
const (
	CAFile    = "ca.crt"
	CAKeyFile = "ca.key"
	File      = "tls.crt"
	KeyFile   = "tls.key"
)

const (
	// DefaultDays is how long a certificate is good when nobody says otherwise:
	// browsers refuse those of public authorities that last longer than this.
	DefaultDays = 397
	// MaxDays is the longest that Apple's systems accept from an authority that
	// their users have added.
	MaxDays = 825
	// caYears is how long an authority lasts: telling all clients of a new one is
	// work.
	caYears = 10
	// backdate makes up for clocks of clients that are behind.
	backdate = time.Hour
	day      = 24 * time.Hour
)

var (
	// ErrForeign: the certificate in the folder is of another authority.
	ErrForeign = errors.New("the certificate is of another authority")
	// ErrHalf: of the authority's two files one is missing.
	ErrHalf = errors.New("half of the authority is missing")
	// ErrEnds: the authority ends too soon to be worth a certificate.
	ErrEnds = errors.New("the authority has ended")
)

// Request says what to make.
type Request struct {
	// Dir is the folder; it is made when it is missing.
	Dir string
	// Names are the host names that the certificate covers, the first of which
	// people see as its subject. At least one.
	Names []string
	// Addresses are those that the certificate covers.
	Addresses []netip.Addr
	// Days is how long it is good, 1 to MaxDays; never longer than its authority.
	Days int
	// NewCA makes an authority even where there is one.
	NewCA bool
	// Now is the moment of the making.
	Now time.Time
}

// Made is what became of a Request.
type Made struct {
	// CA is the authority, and NewCA whether it was made just now.
	CA    *x509.Certificate
	NewCA bool
	// Certificate is the new one, and Old the one in whose place it is, nil for
	// none.
	Certificate, Old *x509.Certificate
}

// Create makes a certificate and its key, and before them the authority if there
// is none. It fails without having changed anything that was there, with ErrHalf,
// ErrForeign or ErrEnds, or when a file cannot be read or written.
func Create(r Request) (Made, error) {
	if len(r.Names) == 0 || r.Days < 1 || r.Days > MaxDays {
		return Made{}, fmt.Errorf("want at least one name and 1 to %d days, not %d names and %d days", MaxDays, len(r.Names), r.Days)
	}
	ca, err := openAuthority(r)
	if err != nil {
		return Made{}, err
	}
	made := Made{NewCA: ca == nil}
	if made.Old, err = replaceable(r, ca); err != nil {
		return Made{}, err
	}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return Made{}, err
	}
	if ca == nil {
		if ca, err = newAuthority(r); err != nil {
			return Made{}, err
		}
	}
	made.CA = ca.certificate
	made.Certificate, err = ca.issue(r)
	return made, err
}

// openAuthority reads the authority of the folder; nil when one is to be made.
func openAuthority(r Request) (*authority, error) {
	if r.NewCA {
		return nil, nil
	}
	ca, err := readAuthority(r.Dir)
	switch {
	case err != nil:
		return nil, err
	case ca == nil:
		return nil, nil
	case r.Now.Add(day).After(ca.certificate.NotAfter):
		return nil, fmt.Errorf("%s: %w (%s)", filepath.Join(r.Dir, CAFile), ErrEnds, ca.certificate.NotAfter.Format(time.DateOnly))
	}
	return ca, nil
}

// replaceable reads the certificate in whose place a new one is to be, which must
// be of the folder's own authority.
func replaceable(r Request, ca *authority) (old *x509.Certificate, err error) {
	path := filepath.Join(r.Dir, File)
	chain, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if ca == nil { // that of before, if there is one
		if ca, err = readAuthority(r.Dir); err != nil {
			return nil, err
		}
	}
	if ca == nil || chain[0].CheckSignatureFrom(ca.certificate) != nil {
		return nil, fmt.Errorf("%s: %w", path, ErrForeign)
	}
	return chain[0], nil
}

// newAuthority makes an authority and writes it down.
func newAuthority(r Request) (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		// The date tells two authorities of the same endpoint apart where clients
		// keep them.
		Subject:   pkix.Name{Organization: []string{"Mayfly"}, CommonName: "Mayfly CA " + clip(r.Names[0]) + " " + r.Now.UTC().Format(time.DateOnly)},
		NotBefore: r.Now.Add(-backdate), NotAfter: r.Now.AddDate(caYears, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	if err := writeKey(filepath.Join(r.Dir, CAKeyFile), key); err != nil {
		return nil, err
	}
	return a, writeCertificate(filepath.Join(r.Dir, CAFile), der)
}

// issue makes a certificate and writes it down, its key first: a broker that
// looks in between keeps what it has.
func (a *authority) issue(r Request) (*x509.Certificate, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	end := r.Now.Add(time.Duration(r.Days) * day)
	if end.After(a.certificate.NotAfter) {
		end = a.certificate.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: clip(r.Names[0])},
		DNSNames:     r.Names,
		NotBefore:    r.Now.Add(-backdate), NotAfter: end,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, address := range r.Addresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(address.Unmap().AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if err := writeKey(filepath.Join(r.Dir, KeyFile), key); err != nil {
		return nil, err
	}
	return made, writeCertificate(filepath.Join(r.Dir, File), der)
}

// clip cuts a name to what fits into a certificate's subject (RFC 5280, ub-common-name), with
// room for what stands around it there.
func clip(name string) string { return name[:min(len(name), 40)] }

// serial is a random number of 127 bits, which RFC 5280 asks of serial numbers in
// so far as they must be positive and never repeat.
func serial() *big.Int {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails
	raw[0] &= 0x7f
	raw[15] |= 1
	return new(big.Int).SetBytes(raw)
}

// Missing returns which of the names a certificate does not cover.
func Missing(c *x509.Certificate, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return c.VerifyHostname(name) == nil })
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}
