package certify

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
)

// What is on the shelf.
const (
	accountName     = "acme/account"     // a key, PEM
	certificateName = "acme/certificate" // a pair
	challengesName  = "acme/challenges"  // pairs by name, JSON
)

const (
	blockKey         = "PRIVATE KEY"
	blockCertificate = "CERTIFICATE"
)

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// encodeKey is a key as PEM.
func encodeKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

// decodeKey reads what encodeKey has written. Its errors quote nothing of it.
func decodeKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != blockKey {
		return nil, errors.New("no private key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("a private key that cannot be read")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("a private key that cannot sign")
	}
	return signer, nil
}

// encodePair is a certificate, its chain and its key as PEM.
func encodePair(chain [][]byte, key crypto.PrivateKey) ([]byte, error) {
	text, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	for _, der := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: der})...)
	}
	return text, nil
}

// decodePair reads what encodePair has written.
func decodePair(text []byte) (*tls.Certificate, error) {
	_, chain := pem.Decode(text)
	key := bytes.TrimSuffix(text, chain)
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

// encodeChallenges is pairs by name.
func encodeChallenges(pairs map[string][]byte) ([]byte, error) { return json.Marshal(pairs) }

// decodeChallenges reads what encodeChallenges has written; nothing gives none.
func decodeChallenges(text []byte) (map[string]*tls.Certificate, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var pairs map[string][]byte
	if err := json.Unmarshal(text, &pairs); err != nil {
		return nil, errors.New("no pairs by name")
	}
	made := make(map[string]*tls.Certificate, len(pairs))
	for name, pair := range pairs {
		one, err := decodePair(pair)
		if err != nil {
			return nil, err
		}
		made[name] = one
	}
	return made, nil
}
