package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mayfly-broker/mayfly/cmd/node"
	"github.com/mayfly-broker/mayfly/rpc/address"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// access says what a command may use when the user gives no credential.
type access int

const (
	// asUser sends nothing.
	asUser access = iota
	// asAdmin sends the admin credential of this machine's broker.
	asAdmin
)

// credential is the text that goes with every call, and how we came by it.
type credential struct {
	text string
	// unread is why the admin credential could not be used, or nil.
	unread error
	// given is true for one that the user named himself.
	given bool
}

// found reports whether it is the admin credential of this machine.
func (c credential) found() bool { return c.text != "" && !c.given }

// findCredential unwraps what the user gave, or else reads the admin credential
// if the command may use it. That one never leaves the machine: it is used only
// towards a loopback address.
func findCredential(opts *clientOptions, access access) (credential, error) {
	if text := strings.TrimSpace(opts.apiKey); text != "" {
		key, err := innerKey(text)
		return credential{text: key, given: true}, err
	}
	if access != asAdmin || !address.LoopbackPort(opts.server) {
		return credential{}, nil
	}
	text, err := readSmall(filepath.Join(opts.dataDir, node.AdminTokenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return credential{}, nil
	}
	return credential{text: strings.TrimSpace(text), unread: err}, nil
}

// innerKey returns the text that travels: that of a wrapped key is inside.
func innerKey(text string) (string, error) {
	if len(text) > auth.MaxTextSize {
		return "", fmt.Errorf("the API key has %d bytes, the longest is %d; is it really a key?", len(text), auth.MaxTextSize)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", errors.New("the API key holds characters that no key has; was it copied whole, without line breaks?")
	}
	if _, key, err := auth.Unwrap(text); err == nil {
		return key, nil
	}
	return text, nil
}

// readSmall reads a file that holds one credential.
func readSmall(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, auth.MaxTextSize))
	return string(raw), err
}
