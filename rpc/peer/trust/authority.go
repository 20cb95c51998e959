package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

const (
	// PinLen is the length of a pin: 130 bits, five in each character.
	PinLen = 26
	// MinSecretLen is how long a founding secret must be. Whoever reaches a node
	// that waits to found a cluster can try secrets at leisure.
	MinSecretLen = 16
	// foundingRounds slow down who tries: what OWASP recommends for this hash.
	foundingRounds = 600_000
)

// An authority does not expire: its key would be as good on the day after, and a
// cluster that stops on some night in ten years is no safer for it. This is what
// RFC 5280 (4.1.2.5) has for "no well-defined expiration date".
var (
	epoch    = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	judgment = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// NewAuthority makes the authority of a new cluster, or one to rotate to.
func NewAuthority() (cluster.Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cluster.Authority{}, fmt.Errorf("trust: %w", err)
	}
	return authorityOf(key)
}

// authorityOf lets a key speak for itself.
func authorityOf(key crypto.Signer) (cluster.Authority, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Mayfly cluster"},
		NotBefore: epoch, NotAfter: judgment,
		IsCA: true, MaxPathLenZero: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return cluster.Authority{}, fmt.Errorf("trust: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return cluster.Authority{}, fmt.Errorf("trust: %w", err)
	}
	return cluster.Authority{Certificate: certificate, Key: der}, nil
}

// authority is one that can issue certificates.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// parse reads an authority, and requires that its two parts belong together.
func parse(a cluster.Authority) (authority, error) {
	certificate, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		return authority{}, fmt.Errorf("trust: the certificate of an authority: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(a.Key)
	if err != nil {
		return authority{}, errors.New("trust: the key of an authority cannot be read") // the reason might hold a part of it
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return authority{}, errors.New("trust: the key of an authority cannot sign")
	}
	own, ok := key.Public().(interface {
		Equal(other crypto.PublicKey) bool
	})
	if !certificate.IsCA || !ok || !own.Equal(certificate.PublicKey) {
		return authority{}, errors.New("trust: the certificate of an authority is not for its key")
	}
	return authority{certificate, key}, nil
}

// Pin is what a join token knows an authority by: 26 letters and digits.
func Pin(a cluster.Authority) (string, error) {
	certificate, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		return "", fmt.Errorf("trust: the certificate of an authority: %w", err)
	}
	return pinOf(certificate), nil
}

func pinOf(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return base32.StdEncoding.EncodeToString(sum[:])[:PinLen]
}

// Founding derives from a secret the authority of nodes that are to found a
// cluster; all that were given the same one derive the same. The empty secret,
// which everybody knows, is for nodes that only this machine can reach. It takes
// some tenths of a second.
func Founding(secret string) (cluster.Authority, error) {
	if secret == "" {
		return foundingOfAll()
	}
	if len(secret) < MinSecretLen {
		return cluster.Authority{}, fmt.Errorf("trust: the founding secret has %d characters, it must have at least %d", len(secret), MinSecretLen)
	}
	return derive(secret, foundingRounds)
}

var foundingOfAll = sync.OnceValues(func() (cluster.Authority, error) { return derive("", 1) })

func derive(secret string, rounds int) (cluster.Authority, error) {
	slow, err := pbkdf2.Key(sha256.New, secret, []byte("mayfly founding secret"), rounds, sha256.Size)
	if err != nil {
		return cluster.Authority{}, fmt.Errorf("trust: %w", err)
	}
	seed, err := hkdf.Expand(sha256.New, slow, "mayfly founding authority", ed25519.SeedSize)
	if err != nil {
		return cluster.Authority{}, fmt.Errorf("trust: %w", err)
	}
	return authorityOf(ed25519.NewKeyFromSeed(seed))
}

// NewTrust makes the trust that a new cluster begins with.
func NewTrust() (cluster.Trust, error) {
	authority, err := NewAuthority()
	return cluster.Trust{Serial: 1, Authorities: []cluster.Authority{authority}, GossipKeys: [][]byte{NewGossipKey()}}, err
}

// NewGossipKey makes a key to encrypt gossip with.
func NewGossipKey() []byte {
	key := make([]byte, cluster.GossipKeyLen)
	_, _ = rand.Read(key) // it never fails
	return key
}

// NewFounders makes the wallet of a node that is to found a cluster with others
// that were given the same secret; see Founding. The names are those of its hello.
func NewFounders(secret, node, store string) (*Wallet, error) {
	authority, err := Founding(secret)
	if err != nil {
		return nil, err
	}
	t := cluster.Trust{Authorities: []cluster.Authority{authority}}
	return NewWallet(Name{Cluster: FoundingCluster, Node: node, Store: store}, t, nil)
}
