package vend

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// Bounds of what an issuer may serve.
const (
	maxDocument = 256 << 10 // bytes
	maxKeys     = 64
	minRSA      = 2048 // bits
	maxRSA      = 8192 // bits: checking takes time that grows with them
)

// jwk is a key as an issuer publishes it (RFC 7517).
type jwk struct {
	Type      string `json:"kty"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
	N         string `json:"n"`
	E         string `json:"e"`
}

// publicKey is a key that may sign ID tokens.
type publicKey struct {
	id string
	// algorithm is the only one it may be used with; empty when it does not say.
	algorithm string
	key       crypto.PublicKey
}

// readKeys returns the keys of a set that are of any use. Others are left out: a
// set may hold what this version does not know.
func readKeys(document []byte) ([]publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, errors.New("not a set of keys")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys, the most is %d", len(set.Keys), maxKeys)
	}
	var keys []publicKey
	for _, raw := range set.Keys {
		var k jwk
		if json.Unmarshal(raw, &k) != nil || k.Use != "" && k.Use != "sig" {
			continue
		}
		if key, err := k.public(); err == nil {
			keys = append(keys, publicKey{k.ID, k.Algorithm, key})
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no key that could sign an ID token")
	}
	return keys, nil
}

// public is the key itself. Symmetric keys are none: they have no public half.
func (k *jwk) public() (crypto.PublicKey, error) {
	switch k.Type {
	case "RSA":
		return k.rsa()
	case "EC":
		return k.ecdsa()
	case "OKP":
		x, err := part(k.X)
		if err != nil || k.Curve != "Ed25519" || len(x) != ed25519.PublicKeySize {
			return nil, errors.New("not an Ed25519 key")
		}
		return ed25519.PublicKey(x), nil
	default:
		return nil, errors.New("unknown type of key")
	}
}

func (k *jwk) rsa() (crypto.PublicKey, error) {
	n, err := part(k.N)
	if err != nil {
		return nil, err
	}
	e, err := part(k.E)
	if err != nil {
		return nil, err
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	if bits := modulus.BitLen(); bits < minRSA || bits > maxRSA {
		return nil, fmt.Errorf("an RSA key of %d bits", bits)
	}
	if exponent.BitLen() > 31 || exponent.Int64() < 3 || exponent.Bit(0) == 0 {
		return nil, errors.New("an RSA key with a strange exponent")
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}

func (k *jwk) ecdsa() (crypto.PublicKey, error) {
	curve, known := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Curve]
	if !known {
		return nil, errors.New("unknown curve")
	}
	x, err := part(k.X)
	if err != nil {
		return nil, err
	}
	y, err := part(k.Y)
	if err != nil {
		return nil, err
	}
	if size := (curve.Params().BitSize + 7) / 8; len(x) != size || len(y) != size {
		return nil, errors.New("a point of another length")
	}
	// It checks that the point is on the curve.
	return ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
}

// part decodes a member of a key.
func part(text string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(text) }
