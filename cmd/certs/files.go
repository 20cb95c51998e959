package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds what is read of a file, in bytes: a certificate with a long
// chain takes some ten thousand.
const maxFile = 1 << 20

const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
)

// Read returns the certificates that a PEM file holds, in their order: that of
// the server first, then its chain. It fails when there is none.
func Read(path string) ([]*x509.Certificate, error) {
	text, err := readSome(path)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != blockCertificate {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return all, nil
}

func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is too long for a certificate, at most %d bytes", path, maxFile)
	}
	return text, err
}

// readAuthority reads the authority of a folder; nil when there is none.
func readAuthority(dir string) (*authority, error) {
	chain, err := Read(filepath.Join(dir, CAFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	text, keyErr := readSome(filepath.Join(dir, CAKeyFile))
	if keyErr != nil && !errors.Is(keyErr, fs.ErrNotExist) {
		return nil, keyErr
	}
	switch {
	case err != nil && keyErr != nil:
		return nil, nil //nolint:nilerr // there is none
	case err != nil:
		return nil, fmt.Errorf("%w: %s is there without %s", ErrHalf, filepath.Join(dir, CAKeyFile), CAFile)
	case keyErr != nil:
		return nil, fmt.Errorf("%w: %s is there without %s", ErrHalf, filepath.Join(dir, CAFile), CAKeyFile)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, CAKeyFile), err)
	}
	if !key.PublicKey.Equal(chain[0].PublicKey) {
		return nil, fmt.Errorf("%s is not the key of %s", filepath.Join(dir, CAKeyFile), CAFile)
	}
	return &authority{chain[0], key}, nil
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != blockKey {
		return nil, errors.New("no private key in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("a private key that cannot be read") // the reason might quote it
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("a private key of another kind than this program makes")
	}
	return key, nil
}

// newKey makes a key that every SDK understands.
func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return write(path, blockKey, der, 0o600)
}

func writeCertificate(path string, der []byte) error {
	return write(path, blockCertificate, der, 0o644)
}

// write puts a file into its place as a whole, or not at all.
func write(path, kind string, der []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // for its owner alone, until Chmod
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = pem.Encode(f, &pem.Block{Type: kind, Bytes: der})
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
