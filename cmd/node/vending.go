package node

import (
	"fmt"

	"github.com/mayfly-broker/mayfly/rpc/vend"
)

// VendEndpoint is one kind of token and who may have it.
type VendEndpoint = vend.Endpoint

// VendCheck is how an endpoint finds out who asks: none, secret or oidc.
type VendCheck = vend.Check

// VendBound is what a value in a token's scope must look like.
type VendBound = vend.Bound

// VendSecret is what a caller's server shares with an endpoint.
type VendSecret = vend.Secret

// VendMisfit is an error about one field of an endpoint.
type VendMisfit = vend.Misfit

// VendOffer is what a request to an endpoint would get.
type VendOffer = vend.Offer

// The most that can be set: requests a minute, and characters of a value.
const (
	MaxVendRate  = vend.MaxRate
	MaxVendValue = vend.MaxMax
)

// NewVendSecret makes a secret of its text, or says what a good one is.
func NewVendSecret(text string) (VendSecret, error) { return vend.NewSecret(text) }

// checkVend is the rule that whoever reaches an endpoint without a check can reach
// this machine alone.
func (c Config) checkVend(e *VendEndpoint) error {
	if e.Check == vend.CheckNone && !c.loopbackOnly() {
		return fmt.Errorf("check: none would give tokens to whoever reaches %s; listen on 127.0.0.1, or set check to oidc or secret", c.Listen)
	}
	return e.Validate()
}

// newVending makes what answers at /vend.
func (n *Node) newVending() (*vend.Machine, error) {
	return vend.NewMachine(vend.Config{Endpoints: n.config.Vend, Minter: n.doors.minter, Host: n.endpoint(), Logger: n.logger})
}
