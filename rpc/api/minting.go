package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// mint makes credentials and records those that need a record. Three services
// share it.
type mint struct {
	minter      *auth.Minter
	credentials Credentials
	inquiry     *inquiry
	endpoint    string
}

// key makes an API key and records it. The key is good when it returns.
func (m *mint) key(ctx context.Context, request auth.KeyRequest) (auth.Key, error) {
	k, err := m.minter.APIKey(callOf(ctx).who, request, time.Now())
	if err != nil {
		return auth.Key{}, mintingFailed(err)
	}
	callOf(ctx).note("id", k.Record.ID)
	if err := m.credentials.PutAPIKey(ctx, recordOf(k.Record)); err != nil {
		return auth.Key{}, err
	}
	return k, nil
}

// mintingFailed turns the one failure that is the node's into the router's word
// for it.
func mintingFailed(err error) error {
	if errors.Is(err, auth.ErrNoSigningKey) {
		return fmt.Errorf("%w: %w", route.ErrNotExecuted, err)
	}
	return err
}

// LimitsOf reads the limits of a key's record in the catalog; nil has none.
func LimitsOf(l *storev1.KeyLimits) auth.Limits {
	return auth.Limits{
		Operations: l.GetMaxTrafficRate(), ThroughputKiB: l.GetMaxThroughputKbps(),
		Subscriptions: l.GetMaxSubscriptionCount(), Weight: l.GetWeight(),
	}
}

// recordOfLimits leaves out limits that bound nothing.
func recordOfLimits(l auth.Limits) *storev1.KeyLimits {
	if l == (auth.Limits{}) {
		return nil
	}
	return &storev1.KeyLimits{
		MaxTrafficRate: l.Operations, MaxThroughputKbps: l.ThroughputKiB, MaxSubscriptionCount: l.Subscriptions, Weight: l.Weight,
	}
}

// seconds is what clients are told: epoch seconds, rounded down so that nobody
// relies on a credential that is no longer good.
func seconds(milliseconds uint64) uint64 { return milliseconds / 1000 }

// identifyByBody finds out who calls a service whose messages carry the
// credential. The body decides; a caller that left it empty may have sent the
// header, as some clients do.
func (c *call) identifyByBody(text string) error {
	if text == "" {
		text = c.header("authorization")
	}
	err := c.identifyBy(text)
	if c.act != nil {
		introduce(c.act.Record, c.who)
	}
	return err
}

// authService serves long-lived credentials.
type authService struct {
	authpb.UnimplementedAuthServer
	mint *mint
}

func (s *authService) Login(*authpb.LoginRequest, grpc.ServerStreamingServer[authpb.LoginResponse]) error {
	return status.Error(codes.Unimplemented, "there is no login here: make an API key with `mayfly key create`")
}

func (s *authService) GenerateApiToken(ctx context.Context, r *authpb.GenerateApiTokenRequest) (*authpb.GenerateApiTokenResponse, error) {
	if err := callOf(ctx).identifyByBody(r.GetAuthToken()); err != nil {
		return nil, err
	}
	request := auth.KeyRequest{Permissions: r.GetPermissions(), TokenID: r.GetTokenId(), Description: r.GetDescription()}
	switch e := r.GetExpiry().(type) {
	case *authpb.GenerateApiTokenRequest_Never:
		request.Never = true
	case *authpb.GenerateApiTokenRequest_Expires:
		request.ValidFor = time.Duration(e.Expires.GetValidForSeconds()) * time.Second
	default:
		// Who may not mint at all is told so first.
		if err := auth.MayMintAPIKey(callOf(ctx).who, r.GetPermissions()); err != nil {
			return nil, err
		}
		return nil, invalid("no expiry is set, choose never or expires")
	}
	k, err := s.mint.key(ctx, request)
	if err != nil {
		return nil, err
	}
	return &authpb.GenerateApiTokenResponse{
		ApiKey: k.Text, RefreshToken: k.RefreshToken, Endpoint: s.mint.endpoint, ValidUntil: seconds(k.Record.ExpiresAtMs),
	}, nil
}

// RefreshApiToken is called by whoever holds the pair; nothing else is asked. An
// answer may get lost and two processes may share a pair, so the refresh token works
// again for ten minutes, ten times at most, each time for another key.
func (s *authService) RefreshApiToken(ctx context.Context, r *authpb.RefreshApiTokenRequest) (*authpb.RefreshApiTokenResponse, error) {
	k, err := s.mint.minter.Refresh(r.GetApiKey(), r.GetRefreshToken(), time.Now())
	if errors.Is(err, auth.ErrUnheardOf) && s.mint.inquiry.catchUp(ctx) == nil {
		k, err = s.mint.minter.Refresh(r.GetApiKey(), r.GetRefreshToken(), time.Now())
	}
	if err != nil {
		return nil, mintingFailed(err)
	}
	callOf(ctx).refreshes(k.Record)
	if err := s.mint.credentials.RefreshAPIKey(ctx, recordOf(k.Record)); err != nil {
		return nil, err
	}
	return &authpb.RefreshApiTokenResponse{
		ApiKey: k.Text, RefreshToken: k.RefreshToken, Endpoint: s.mint.endpoint, ValidUntil: seconds(k.Record.ExpiresAtMs),
	}, nil
}

// tokenService serves short-lived credentials.
type tokenService struct {
	tokenpb.UnimplementedTokenServer
	mint *mint
}

func (s *tokenService) GenerateDisposableToken(ctx context.Context, r *tokenpb.GenerateDisposableTokenRequest) (*tokenpb.GenerateDisposableTokenResponse, error) {
	c := callOf(ctx)
	if err := c.identifyByBody(r.GetAuthToken()); err != nil {
		return nil, err
	}
	life := time.Duration(r.GetExpires().GetValidForSeconds()) * time.Second
	token, err := s.mint.minter.Disposable(c.who, r.GetPermissions(), life, r.GetTokenId(), time.Now())
	if err != nil {
		return nil, mintingFailed(err)
	}
	return &tokenpb.GenerateDisposableTokenResponse{
		ApiKey: token.Text, Endpoint: s.mint.endpoint, ValidUntil: uint64(max(0, token.ExpiresAt.Unix())),
	}, nil
}

// refreshes puts into the act of a refresh who asked for it: whoever holds the key.
func (c *call) refreshes(made auth.APIKey) {
	if c.act == nil {
		return
	}
	introduce(c.act.Record, auth.Principal{Kind: auth.KindAPIKey, ID: made.RefreshedFrom, KeyID: made.RefreshedFrom, TokenID: made.TokenID})
	c.note("id", made.ID)
}
