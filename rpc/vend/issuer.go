package vend

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mayfly-broker/mayfly/rpc/address"
)

// algorithms are those of signatures that are checked with a public key; nothing
// else can be allowed, HS256 with a public key as its secret least of all.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// defaultAlgorithms are what issuers use.
var defaultAlgorithms = []string{"RS256", "ES256"}

// Issuer is an OpenID Connect provider, as far as its ID tokens are concerned.
type Issuer struct {
	// URL is the issuer as its tokens write it, without a slash added or left out.
	URL string
	// Audience are the client ids for which tokens may be meant.
	Audience []string
	// KeysURL is where its keys are; empty = what its discovery document says.
	KeysURL string
	// Algorithms may sign; empty = RS256 and ES256.
	Algorithms []string
}

func (i Issuer) given() bool {
	return i.URL != "" || len(i.Audience) > 0 || i.KeysURL != "" || len(i.Algorithms) > 0
}

func (i Issuer) validate() error {
	if err := checkURL(i.URL); err != nil {
		return misfit(err, "issuer")
	}
	if i.KeysURL != "" {
		if err := checkURL(i.KeysURL); err != nil {
			return misfit(err, "keys-url")
		}
	}
	if len(i.Audience) == 0 || slices.Contains(i.Audience, "") {
		return misfit(errors.New("there is none, and the issuer's tokens for any other app would do; want the client id of yours"), "audience")
	}
	for _, a := range i.Algorithms {
		if !slices.Contains(algorithms, a) {
			return misfit(fmt.Errorf("%q is not one of %s", a, strings.Join(algorithms, ", ")), "algorithms")
		}
	}
	return nil
}

// checkURL wants an address that nobody on the way can speak for.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.RawQuery != "" && u.Scheme != "https" {
		return fmt.Errorf("%q is no address; want an https:// one", text)
	}
	if u.Scheme == "https" || u.Scheme == "http" && address.Loopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%q is not https, so others could answer in its place; want an https:// one", text)
}
