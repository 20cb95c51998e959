package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// Certificates hands out the certificate that two files hold, and takes up new
// ones: files that change are read again, and a pair that does not fit leaves the
// last good one in place.
type Certificates struct {
	certFile, keyFile string
	logger            *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	// Of Watch.
	seen   pair      // what was last looked at
	warned time.Time // of what is wrong with the present one
}

// pair is what the files hold.
type pair struct{ cert, key []byte }

func (p pair) equal(q pair) bool { return bytes.Equal(p.cert, q.cert) && bytes.Equal(p.key, q.key) }

const (
	// certificatePoll is how soon a new certificate is taken up.
	certificatePoll = 10 * time.Second
	// endsSoon is how long before its end a certificate is worth a warning, which
	// is repeated once a day. Renewal is usual after two thirds of 90 days.
	endsSoon    = 14 * 24 * time.Hour
	warnedAgain = 24 * time.Hour
)

// LoadCertificates reads a certificate with its chain, and its private key, both
// PEM. It fails when they cannot be read or do not fit. Logger is told what becomes
// of them; nil is silent.
func LoadCertificates(certFile, keyFile string, logger *slog.Logger) (*Certificates, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	c := &Certificates{certFile: certFile, keyFile: keyFile, logger: logger}
	found, err := c.read()
	if err != nil {
		return nil, err
	}
	if err := c.take(found); err != nil {
		return nil, err
	}
	return c, nil
}

// Current is the certificate of the moment.
func (c *Certificates) Current() *tls.Certificate { return c.current.Load() }

// End is when the certificate of the moment is no longer good.
func (c *Certificates) End() time.Time { return c.Current().Leaf.NotAfter }

// Watch takes up new certificates, and warns of what is or soon will be wrong with the
// present one, until ctx is done.
func (c *Certificates) Watch(ctx context.Context) {
	tick := time.NewTicker(certificatePoll)
	defer tick.Stop()
	for {
		c.warn(time.Now())
		select {
		case <-tick.C:
			c.look()
		case <-ctx.Done():
			return
		}
	}
}

// look reads the files again. What it has looked at before is not worth a word: a
// pair may be replaced one file after the other.
func (c *Certificates) look() {
	found, err := c.read()
	if err == nil && found.equal(c.seen) {
		return
	}
	if err == nil {
		err = c.take(found)
	}
	if err != nil && !found.equal(c.seen) {
		c.logger.Warn("the TLS certificate was not replaced; the one in use stays", slog.Any("err", err), slog.Time("ends", c.End()))
	}
	c.seen = found
}

func (c *Certificates) read() (found pair, err error) {
	var errs [2]error
	found.cert, errs[0] = os.ReadFile(c.certFile)
	found.key, errs[1] = os.ReadFile(c.keyFile)
	return found, errors.Join(errs[:]...)
}

// take puts a pair into use.
func (c *Certificates) take(found pair) error {
	made, err := tls.X509KeyPair(found.cert, found.key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.current.Store(&made)
	c.seen, c.warned = found, time.Time{}
	c.logger.Info("TLS certificate in use", slog.Any("names", made.Leaf.DNSNames), slog.Any("addresses", made.Leaf.IPAddresses),
		slog.Time("begins", made.Leaf.NotBefore), slog.Time("ends", made.Leaf.NotAfter))
	return nil
}

// warn says once a day what keeps clients from the present certificate, or soon will.
func (c *Certificates) warn(now time.Time) {
	text := complaint(c.Current().Leaf, now)
	if text == "" || now.Sub(c.warned) < warnedAgain {
		return
	}
	c.warned = now
	c.logger.Warn(text, slog.String("file", c.certFile), slog.Time("begins", c.Current().Leaf.NotBefore), slog.Time("ends", c.End()))
}

// complaint is what is wrong with a certificate at that time; nothing if it is good for
// long.
func complaint(leaf *x509.Certificate, now time.Time) string {
	switch left := leaf.NotAfter.Sub(now); {
	case !isForServers(leaf):
		return "the TLS certificate IS NOT FOR SERVERS, and clients refuse it: server authentication is missing in its extended key usage; put a new one into its place"
	case now.Before(leaf.NotBefore):
		return "the TLS certificate IS NOT GOOD YET, and clients refuse it; is the clock of this machine right?"
	case left <= 0:
		return "the TLS certificate HAS ENDED, and clients refuse it; put a new one into its place"
	case left <= endsSoon:
		return "the TLS certificate ends soon; put a new one into its place"
	default:
		return ""
	}
}

// isForServers reports whether a certificate may show who a server is, which one that
// names no use may (RFC 5280, 4.2.1.12).
func isForServers(leaf *x509.Certificate) bool {
	return len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) == 0 ||
		slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny)
}
