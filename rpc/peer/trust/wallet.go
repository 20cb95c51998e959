package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

const (
	// Life is how long a certificate is good.
	Life = 90 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is issued anew.
	renewBefore = 30 * 24 * time.Hour
	// backdated is how far behind the clock of a node may be that looks at a new
	// certificate of another.
	backdated = 7 * 24 * time.Hour
)

// Wallet holds what a node proves with who it is, and what it knows others by.
type Wallet struct {
	name Name
	now  func() time.Time

	changing sync.Mutex // held while papers are made
	papers   atomic.Pointer[papers]
}

// papers are what a Wallet holds at one moment. They are not written to.
type papers struct {
	trust    cluster.Trust
	signer   authority
	believed *x509.CertPool
	own      *tls.Certificate
}

// NewWallet makes the wallet of a node that trusts as its cluster does, or as a
// founding authority alone does (FoundingCluster), and issues its certificate. now
// is the clock, nil for the system's.
func NewWallet(name Name, t cluster.Trust, now func() time.Time) (*Wallet, error) {
	if now == nil {
		now = time.Now
	}
	w := &Wallet{name: name, now: now}
	return w, w.Adopt(t)
}

// Adopt has the node trust in this way from now on. The certificate is issued anew
// if another authority issues them now. Connections that are open go on. With an
// error nothing has changed.
func (w *Wallet) Adopt(t cluster.Trust) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	if len(t.Authorities) == 0 {
		return errors.New("trust: there is no authority")
	}
	next := &papers{trust: t, believed: x509.NewCertPool()}
	for i, one := range t.Authorities {
		parsed, err := parse(one)
		if err != nil {
			return err
		}
		if i == 0 {
			next.signer = parsed
		}
		next.believed.AddCert(parsed.certificate)
	}
	if old := w.papers.Load(); old != nil && old.signer.certificate.Equal(next.signer.certificate) {
		next.own = old.own
	}
	return w.hold(next)
}

// Renew issues the certificate anew if its end is near, or the clock says that it
// has not begun, and reports whether it did. Connections that are open go on.
func (w *Wallet) Renew() (renewed bool, err error) {
	w.changing.Lock()
	defer w.changing.Unlock()
	old := w.papers.Load()
	next := *old
	err = w.hold(&next)
	return err == nil && next.own != old.own, err
}

// hold takes papers in whose certificate may be none, or an old one.
func (w *Wallet) hold(next *papers) (err error) {
	now := w.now()
	if next.own == nil || now.Before(next.own.Leaf.NotBefore) || now.After(next.own.Leaf.NotAfter.Add(-renewBefore)) {
		if next.own, err = next.signer.issue(w.name, now); err != nil {
			return err
		}
	}
	w.papers.Store(next)
	return nil
}

// Trust is what the Wallet has adopted.
func (w *Wallet) Trust() cluster.Trust { return w.papers.Load().trust }

// Expires is when the certificate of this moment does.
func (w *Wallet) Expires() time.Time { return w.papers.Load().own.Leaf.NotAfter }

// Pin is what join tokens know the authority of this moment by.
func (w *Wallet) Pin() string { return pinOf(w.papers.Load().signer.certificate) }

// issue makes a certificate with a new key. Behind it goes the authority's own:
// a newcomer has that by its pin only.
func (a authority) issue(name Name, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name.Node}, URIs: []*url.URL{name.uri()},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(Life),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("trust: issuing a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("trust: the certificate that was issued: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: key, Leaf: leaf}, nil
}
