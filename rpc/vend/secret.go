package vend

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"unicode"
)

// Lengths of a secret, in bytes. The least is what nobody guesses at the rate of an
// endpoint, if it is random.
const (
	MinSecret = 16
	MaxSecret = 1 << 10
)

// Secret is something that a caller's server knows. It is kept as a digest, so
// there is nothing to be shown by mistake.
type Secret struct{ digest [sha256.Size]byte }

// NewSecret makes a Secret of its text. It fails when the text is too short or too
// long to be one, or holds what no header can carry.
func NewSecret(text string) (Secret, error) {
	if len(text) < MinSecret || len(text) > MaxSecret {
		return Secret{}, fmt.Errorf("a secret of %d bytes; want %d to %d, such as `openssl rand -hex 32` prints", len(text), MinSecret, MaxSecret)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) }) || strings.TrimSpace(text) != text {
		return Secret{}, fmt.Errorf("a secret holds characters that a header cannot carry; want letters, digits and punctuation")
	}
	return Secret{sha256.Sum256([]byte(text))}, nil
}

// String stands for the secret without telling it.
func (Secret) String() string { return "[secret]" }

// is reports whether the text is the secret, in a time that tells nothing about it.
func (s Secret) is(text string) bool {
	digest := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(digest[:], s.digest[:]) == 1
}
