package vend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	"github.com/mayfly-broker/mayfly/rpc/address"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// Minter makes the tokens; auth.Minter does.
type Minter interface {
	Vended(permissions *permissionpb.Permissions, validFor time.Duration, tokenID string, now time.Time) (auth.Token, error)
}

// Config is what a Machine is told at birth.
type Config struct {
	// Endpoints are what can be asked for, each under a name of its own.
	Endpoints []Endpoint
	// Minter makes the tokens. Needed.
	Minter Minter
	// Host is the base host that tokens carry for the SDKs. Needed.
	Host string
	// Logger is told of every token, by its id, and of refusals: once a minute for
	// each endpoint and reason, with their number. Nil is silent.
	Logger *slog.Logger
	// Transport carries requests to issuers; nil = one of its own, which keeps no
	// connections.
	Transport http.RoundTripper
}

// Machine vends tokens.
type Machine struct {
	config    Config
	endpoints map[string]*endpoint
}

// endpoint is an Endpoint at work.
type endpoint struct {
	*plan
	limiter  *limiter
	tokens   *idTokens // nil unless Check is CheckOIDC
	tally    tally
	refusals refusals
}

// NewMachine makes a Machine. It fails when an endpoint cannot work.
func NewMachine(config Config) (*Machine, error) {
	if config.Minter == nil || config.Host == "" {
		return nil, errors.New("vend: Minter and Host are needed")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	client := &http.Client{
		Transport: config.Transport,
		// A redirect would lead to keys of whoever is at the other end.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if client.Transport == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.DisableKeepAlives = true
		client.Transport = transport
	}
	m := &Machine{config: config, endpoints: make(map[string]*endpoint)}
	for i := range config.Endpoints {
		e := &config.Endpoints[i]
		p, err := e.compile()
		if err != nil {
			return nil, fmt.Errorf("vend: %s: %w", e.Name, err)
		}
		if m.endpoints[e.Name] != nil {
			return nil, fmt.Errorf("vend: two endpoints are called %s", e.Name)
		}
		one := &endpoint{plan: p, limiter: newLimiter(cmp.Or(e.Rate, DefaultRate))}
		if e.Check == CheckOIDC {
			one.tokens = newIDTokens(e.Issuer, client)
		}
		m.endpoints[e.Name] = one
	}
	return m, nil
}

// Ask is a request for a token.
type Ask struct {
	// From is the address of the caller.
	From netip.Addr
	// Host is the name it reached this node by, without a port.
	Host string
	// Relayed: somebody in between says that the request is another's.
	Relayed bool
	// Secret and IDToken are what the caller proves itself by; either may be
	// empty.
	Secret, IDToken string
	// Parameters returns the values of the request. It is called when the caller
	// may ask at all, and fails with auth.ErrInvalidArgument.
	Parameters func() (url.Values, error)
}

// Token is a token just vended.
type Token struct {
	// Text is the secret, in the form that SDKs take: with Config.Host in it.
	Text string
	// ExpiresAt is the first moment it is no longer good.
	ExpiresAt time.Time
}

// Vend makes a token at the endpoint of that name. It fails with ErrNoEndpoint, with
// TooOften, with auth.ErrUnauthenticated or auth.ErrPermissionDenied for a caller
// that did not pass the check, with auth.ErrInvalidArgument for one whose values do
// not fit, and with ErrUnavailable when nothing is wrong with the caller.
func (m *Machine) Vend(ctx context.Context, name string, ask Ask, now time.Time) (token Token, err error) {
	e := m.endpoints[name]
	if e == nil {
		return Token{}, ErrNoEndpoint
	}
	defer func() { e.tally[outcomeOf(err)].Add(1) }()
	if wait := e.limiter.allow(ask.From, now); wait > 0 {
		return Token{}, TooOften{wait}
	}
	made, tokenID, err := m.vend(ctx, e, ask, now)
	logger := m.config.Logger.With(slog.String("endpoint", name))
	if err != nil {
		e.refusals.tell(logger, ask.From, err, now)
		return Token{}, err
	}
	logger.Info("vended a token", slog.String("caller", ask.From.String()), slog.String("token", made.ID), slog.String("token_id", tokenID), slog.Time("expires_at", made.ExpiresAt))
	text, err := auth.Wrap(m.config.Host, made.Text)
	return Token{Text: text, ExpiresAt: made.ExpiresAt}, err
}

func (m *Machine) vend(ctx context.Context, e *endpoint, ask Ask, now time.Time) (auth.Token, string, error) {
	claims, err := e.identify(ctx, ask)
	if err != nil {
		return auth.Token{}, "", err
	}
	parameters, err := ask.Parameters()
	if err != nil {
		return auth.Token{}, "", err
	}
	values, err := e.values(claims, parameters)
	if err != nil {
		return auth.Token{}, "", err
	}
	offer, err := e.offer(values)
	if err != nil {
		return auth.Token{}, "", err
	}
	token, err := m.config.Minter.Vended(offer.Permissions, offer.Life, offer.TokenID, now)
	if errors.Is(err, auth.ErrNoSigningKey) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return token, offer.TokenID, err
}

// identify finds out whether the caller may ask, and returns what is known of it.
func (e *endpoint) identify(ctx context.Context, ask Ask) (jwt.MapClaims, error) {
	switch e.Check {
	case CheckOIDC:
		return e.tokens.verify(ctx, ask.IDToken)
	case CheckSecret:
		if ask.Secret == "" {
			return nil, unauthenticated("this endpoint is for servers, which show a secret in the header Mayfly-Secret")
		}
		known := false
		for _, s := range e.Secrets {
			known = s.is(ask.Secret) || known
		}
		if !known {
			return nil, unauthenticated("this is not the secret of the endpoint")
		}
		return nil, nil
	default:
		// A proxy on this machine would stand for everybody, and a name that is not
		// this machine's own may be any page's.
		if !ask.From.Unmap().IsLoopback() || ask.Relayed || !address.Loopback(ask.Host) {
			return nil, denied("this endpoint checks nobody, so it answers programs of its own machine only, at localhost or 127.0.0.1")
		}
		return nil, nil
	}
}

// values joins what the ID token says with what the request says. Neither can
// speak for the other: their names are apart.
func (e *endpoint) values(claims jwt.MapClaims, parameters url.Values) (map[string]string, error) {
	values := make(map[string]string)
	for name, all := range parameters {
		if _, declared := e.Parameters[name]; !declared {
			return nil, invalid("the request has a parameter that this endpoint does not know")
		}
		if len(all) != 1 {
			return nil, invalid("%s is there %d times", name, len(all))
		}
		values[name] = all[0]
	}
	for name := range e.Claims {
		text, ok := claims[name].(string)
		if !ok {
			return nil, denied("the ID token has no text as its claim %s", name)
		}
		if name == "email" && !verifiedEmail(claims) {
			return nil, denied("the issuer has not verified the e-mail address in the ID token")
		}
		if err := e.bounds[name].check("the claim "+name, text); err != nil {
			return nil, denied("%s", strings.TrimPrefix(err.Error(), auth.ErrInvalidArgument.Error()+": "))
		}
		values[name] = text
	}
	return values, nil
}

// verifiedEmail reports whether the issuer has made sure that the address is the
// caller's; some issuers write the answer as text.
func verifiedEmail(claims jwt.MapClaims) bool {
	return claims["email_verified"] == true || claims["email_verified"] == "true"
}
