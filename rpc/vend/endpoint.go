package vend

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// Check is how an endpoint finds out who asks.
type Check string

// The checks.
const (
	// CheckNone lets in every program of this machine, and no other.
	CheckNone Check = "none"
	// CheckSecret wants a secret that the caller's server shares with this one.
	CheckSecret Check = "secret"
	// CheckOIDC wants an ID token of an OpenID Connect issuer.
	CheckOIDC Check = "oidc"
)

// Rates of one caller address, in requests a minute.
const (
	// DefaultRate lets a page renew its token for every tab and reconnect.
	DefaultRate = 60
	// MaxRate is the most that can be set.
	MaxRate = 1_000_000
)

// maxValues bounds the parameters and the claims of an endpoint.
const maxValues = 16

// Endpoint is one kind of token and who may have it.
type Endpoint struct {
	// Name is the last part of the path: /vend/NAME.
	Name string
	// Check is how callers are checked; needed.
	Check Check
	// Secrets are those that CheckSecret takes, each of them; two while one
	// replaces the other.
	Secrets []Secret
	// Issuer is whose ID tokens CheckOIDC takes.
	Issuer Issuer
	// Allow are the permissions of the token, with placeholders in names. They
	// are only read.
	Allow []*permissionpb.PermissionsType
	// TokenID is a template for the token id: the publisher id of items published
	// with the token. Empty gives none.
	TokenID string
	// Life is how long a token is good.
	Life time.Duration
	// Rate is how many requests one caller address may make in a minute; 0 =
	// DefaultRate.
	Rate int
	// Parameters are the values that requests carry, by name.
	Parameters map[string]Bound
	// Claims are the values that ID tokens carry, by name; only with CheckOIDC.
	Claims map[string]Bound
}

var endpointName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// Validate names the first field that cannot work, as a Misfit.
func (e *Endpoint) Validate() error {
	_, err := e.compile()
	return err
}

// plan is an Endpoint that was checked, in a form to be filled.
type plan struct {
	*Endpoint
	names   []names
	tokenID template
	bounds  map[string]*bound
}

func (e *Endpoint) compile() (*plan, error) {
	p := &plan{Endpoint: e, bounds: make(map[string]*bound)}
	if !endpointName.MatchString(e.Name) {
		return nil, &Misfit{err: errors.New("the name of an endpoint is 1 to 64 small letters, digits, dashes or underscores, a letter or digit first")}
	}
	if err := e.checkCaller(); err != nil {
		return nil, err
	}
	switch {
	case e.Life < time.Second || e.Life > auth.DefaultMaxTokenLife:
		return nil, misfit(fmt.Errorf("a token must live at least 1s and at most %v", auth.DefaultMaxTokenLife), "expires")
	case e.Rate < 0 || e.Rate > MaxRate:
		return nil, misfit(fmt.Errorf("%d requests a minute are out of range; want 1 to %d", e.Rate, MaxRate), "rate")
	}
	if err := p.compileBounds(); err != nil {
		return nil, err
	}
	if err := p.compileAllow(); err != nil {
		return nil, misfit(err, "allow")
	}
	if err := p.compileTokenID(); err != nil {
		return nil, misfit(err, "token-id")
	}
	for _, name := range slices.Sorted(maps.Keys(p.bounds)) {
		if !p.uses(name) {
			return nil, misfit(fmt.Errorf("nothing uses {%s}; put it into allow or token-id, or leave it out", name), p.declaredIn(name), name)
		}
	}
	return p, nil
}

// checkCaller says whether the check has what it needs, and nothing of another.
func (e *Endpoint) checkCaller() error {
	switch e.Check {
	case CheckNone, CheckSecret, CheckOIDC:
	case "":
		return &Misfit{err: errors.New("it says nothing about who may ask; want check: oidc, check: secret, or check: none for this machine alone")}
	default:
		return misfit(fmt.Errorf("%q is not one of none, secret, oidc", e.Check), "check")
	}
	switch {
	case e.Check == CheckSecret && len(e.Secrets) == 0:
		return misfit(errors.New("there is no secret; name a file with secret-file or a variable with secret-env"), "check")
	case e.Check != CheckSecret && len(e.Secrets) > 0:
		return misfit(errors.New("a secret goes with check: secret alone"), "check")
	case e.Check == CheckOIDC:
		return e.Issuer.validate()
	case e.Issuer.given():
		return misfit(errors.New("issuer, audience, keys-url and algorithms go with check: oidc alone"), "check")
	case len(e.Claims) > 0:
		return misfit(errors.New("only ID tokens hold claims; they go with check: oidc alone"), "claims")
	}
	return nil
}

func (p *plan) declaredIn(name string) string {
	if _, ok := p.Claims[name]; ok {
		return "claims"
	}
	return "parameters"
}

func (p *plan) compileBounds() error {
	for _, declared := range []struct {
		field  string
		bounds map[string]Bound
	}{{"parameters", p.Parameters}, {"claims", p.Claims}} {
		if len(declared.bounds) > maxValues {
			return misfit(fmt.Errorf("%d of them, the most is %d", len(declared.bounds), maxValues), declared.field)
		}
		for _, name := range slices.Sorted(maps.Keys(declared.bounds)) {
			if !placeholder.MatchString(name) {
				return misfit(errors.New("no name of a value; want letters, digits, dashes and underscores, a letter first"), declared.field, name)
			}
			if _, twice := p.bounds[name]; twice {
				return misfit(errors.New("a parameter has the same name, so a caller could choose what its ID token says"), declared.field, name)
			}
			b, err := declared.bounds[name].compile()
			if err != nil {
				return misfit(err, declared.field, name)
			}
			p.bounds[name] = b
		}
	}
	return nil
}

func (p *plan) compileTokenID() (err error) {
	if p.tokenID, err = parse(p.TokenID); err != nil {
		return err
	}
	return p.adopt(p.tokenID)
}

// adopt takes a template in, whose values must have been declared.
func (p *plan) adopt(t template) error {
	for _, name := range t.values {
		if p.bounds[name] == nil {
			return fmt.Errorf("nothing says where {%s} comes from; declare it under parameters, or under claims if ID tokens hold it", name)
		}
	}
	t.separators(func(value string, separator rune) {
		b := p.bounds[value]
		if !slices.Contains(b.separators, separator) {
			b.separators = append(b.separators, separator)
		}
	})
	return nil
}

// uses reports whether the value of that name is in any template.
func (p *plan) uses(name string) bool {
	if slices.Contains(p.tokenID.values, name) {
		return true
	}
	return slices.ContainsFunc(p.names, func(n names) bool {
		return slices.Contains(n.cache.values, name) || slices.Contains(n.name.values, name)
	})
}

// Offer is what a request would get.
type Offer struct {
	Permissions *permissionpb.Permissions
	TokenID     string
	Life        time.Duration
}

// Offer fills the templates with values, claims and parameters alike, as if a
// caller who passed the check had sent them. It fails with a Misfit when the
// endpoint cannot work, and with auth.ErrInvalidArgument when a value is missing,
// is not declared or does not fit.
func (e *Endpoint) Offer(values map[string]string) (Offer, error) {
	p, err := e.compile()
	if err != nil {
		return Offer{}, err
	}
	return p.offer(values)
}

func (p *plan) offer(values map[string]string) (Offer, error) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		b := p.bounds[name]
		if b == nil {
			return Offer{}, invalid("this endpoint has no parameter of that name, it has %v", slices.Sorted(maps.Keys(p.Parameters)))
		}
		if err := b.check(name, values[name]); err != nil {
			return Offer{}, err
		}
	}
	explicit := &permissionpb.ExplicitPermissions{}
	for i, permission := range p.Allow {
		filled, err := p.names[i].fill(permission, values)
		if err != nil {
			return Offer{}, err
		}
		explicit.Permissions = append(explicit.Permissions, filled)
	}
	o := Offer{Life: p.Life, Permissions: &permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{Explicit: explicit}}}
	var err error
	if o.TokenID, err = p.tokenID.fill(values); err != nil {
		return Offer{}, err
	}
	_, err = auth.Compile(o.Permissions)
	return o, err
}
