package api

import (
	"context"
	"time"
	"unicode/utf8"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/store"
)

// Bounds of what operators may ask about credentials.
const (
	// leastBan is longer than the clocks of nodes may differ.
	leastBan = time.Minute
	maxBan   = store.MaxBanMs * time.Millisecond
)

// credentials serves what operators do about keys and tokens that are there.
type credentials struct {
	adminv1.UnimplementedCredentialsServer
	mint    *mint
	signing SigningKeys
}

func (s *credentials) RotateApiKey(ctx context.Context, r *adminv1.RotateApiKeyRequest) (*adminv1.RotateApiKeyResponse, error) {
	switch {
	case r.GetId() == "":
		return nil, invalid("the id is empty, take one from the list of API keys")
	case r.GetGraceSeconds() > uint64(auth.MaxKeyLife/time.Second):
		return nil, invalid("the old key would go on for %d s, the most is %d s", r.GetGraceSeconds(), auth.MaxKeyLife/time.Second)
	}
	old, err := s.mint.credentials.FindAPIKey(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	now := time.Now()
	k, err := s.mint.minter.Rotate(callOf(ctx).who, KeyOf(old), now)
	if err != nil {
		return nil, mintingFailed(err)
	}
	callOf(ctx).note("new_id", k.Record.ID)
	end := now.Add(time.Duration(r.GetGraceSeconds()) * time.Second)
	if err := s.mint.credentials.RotateAPIKey(ctx, old.GetId(), recordOf(k.Record), end); err != nil {
		return nil, err
	}
	wrapped, err := auth.Wrap(s.mint.endpoint, k.Text)
	if err != nil {
		return nil, err
	}
	oldEnd := uint64(end.UnixMilli())
	if earlier := old.GetExpiresAtMs(); earlier != 0 {
		oldEnd = min(oldEnd, earlier)
	}
	return &adminv1.RotateApiKeyResponse{
		Id: k.Record.ID, ApiKey: k.Text, WrappedKey: wrapped, Endpoint: s.mint.endpoint,
		RefreshToken: k.RefreshToken, ValidUntil: seconds(k.Record.ExpiresAtMs), OldValidUntil: seconds(oldEnd),
	}, nil
}

func (s *credentials) UpdateApiKey(ctx context.Context, r *adminv1.UpdateApiKeyRequest) (*adminv1.UpdateApiKeyResponse, error) {
	if r.GetId() == "" {
		return nil, invalid("the id is empty, take one from the list of API keys")
	}
	asked := auth.Update{
		Description: r.Description, Operations: r.MaxTrafficRate, ThroughputKiB: r.MaxThroughputKbps,
		Subscriptions: r.MaxSubscriptionCount, Weight: r.Weight,
	}
	if asked == (auth.Update{}) {
		return nil, invalid("nothing is to change; name a limit or a description")
	}
	u, err := asked.By(callOf(ctx).who)
	if err != nil {
		return nil, err
	}
	err = s.mint.credentials.UpdateAPIKey(ctx, &storev1.UpdateApiKey{
		Id: r.GetId(), Description: u.Description, MaxTrafficRate: u.Operations, MaxThroughputKbps: u.ThroughputKiB,
		MaxSubscriptionCount: u.Subscriptions, Weight: u.Weight,
	})
	if err != nil {
		return nil, err
	}
	return &adminv1.UpdateApiKeyResponse{}, nil
}

func (s *credentials) RevokeTokens(ctx context.Context, r *adminv1.RevokeTokensRequest) (*adminv1.RevokeTokensResponse, error) {
	if n := utf8.RuneCountInString(r.GetTokenId()); n == 0 || n > auth.MaxTokenIDLength {
		return nil, invalid("the token id has %d characters, it needs 1 to %d", n, auth.MaxTokenIDLength)
	}
	ban := time.Duration(min(r.GetBanSeconds(), uint64(maxBan/time.Second)+1)) * time.Second
	if ban > maxBan || ban != 0 && ban < leastBan {
		return nil, invalid("new tokens can be refused for %d to %d s, or 0 to refuse only those that are there", leastBan/time.Second, maxBan/time.Second)
	}
	denial, err := s.mint.credentials.DenyTokens(ctx, r.GetTokenId(), ban, auth.DenialLife)
	if err != nil {
		return nil, err
	}
	answer := &adminv1.RevokeTokensResponse{NotBeforeMs: denial.GetNotBeforeMs()}
	keys, _ := s.mint.credentials.APIKeys(ctx) // it is done, and the rest is a courtesy
	for _, k := range keys {
		if k.GetTokenId() == r.GetTokenId() && k.GetRevokedAtMs() == 0 {
			answer.KeyIds = append(answer.KeyIds, k.GetId())
		}
	}
	return answer, nil
}

func (s *credentials) ListRevocations(ctx context.Context, _ *adminv1.ListRevocationsRequest) (*adminv1.ListRevocationsResponse, error) {
	all, err := s.mint.credentials.TokenDenials(ctx)
	if err != nil {
		return nil, err
	}
	answer := &adminv1.ListRevocationsResponse{Revocations: make([]*adminv1.Revocation, len(all))}
	for i, d := range all {
		answer.Revocations[i] = &adminv1.Revocation{
			TokenId: d.GetTokenId(), RevokedAtMs: d.GetDeniedAtMs(), NotBeforeMs: d.GetNotBeforeMs(), UntilMs: d.GetUntilMs(),
		}
	}
	return answer, nil
}

func (s *credentials) RotateSigningKey(ctx context.Context, r *adminv1.RotateSigningKeyRequest) (*adminv1.RotateSigningKeyResponse, error) {
	id, end, err := s.signing.Rotate(ctx, r.GetForce())
	if err != nil {
		return nil, err
	}
	return &adminv1.RotateSigningKeyResponse{Id: id, OthersEnd: uint64(end.Unix())}, nil
}

func (s *credentials) RevokeSigningKey(ctx context.Context, r *adminv1.RevokeSigningKeyRequest) (*adminv1.RevokeSigningKeyResponse, error) {
	if r.GetId() == "" {
		return nil, invalid("the id is empty, take one from the list of signing keys")
	}
	current, err := s.signing.Revoke(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	return &adminv1.RevokeSigningKeyResponse{Current: current}, nil
}

func (s *credentials) ListSigningKeys(ctx context.Context, _ *adminv1.ListSigningKeysRequest) (*adminv1.ListSigningKeysResponse, error) {
	all, err := s.signing.List(ctx)
	if err != nil {
		return nil, err
	}
	answer := &adminv1.ListSigningKeysResponse{Keys: make([]*adminv1.SigningKeyInfo, len(all))}
	for i, k := range all {
		answer.Keys[i] = &adminv1.SigningKeyInfo{
			Id: k.GetId(), CreatedAt: seconds(k.GetCreatedAtMs()), UsedFrom: seconds(k.GetUsedFromMs()), EndsAt: seconds(k.GetEndsAtMs()),
			Current: k.GetUsedFromMs() != 0 && k.GetEndsAtMs() == 0, Application: k.GetApplication(),
		}
	}
	return answer, nil
}

// recordOf is a key's record in the catalog's words.
func recordOf(k auth.APIKey) *storev1.ApiKey {
	return &storev1.ApiKey{
		Id: k.ID, Description: k.Description, TokenId: k.TokenID,
		CreatedAtMs: k.CreatedAtMs, ExpiresAtMs: k.ExpiresAtMs, RevokedAtMs: k.RevokedAtMs,
		Permissions: k.Permissions, RefreshDigest: k.RefreshDigest, Digest: k.Digest, RefreshedFrom: k.RefreshedFrom,
		Limits: recordOfLimits(k.Limits),
	}
}

// KeyOf is the catalog's record of an API key in the words of auth, which shares
// its memory.
func KeyOf(r *storev1.ApiKey) auth.APIKey {
	return auth.APIKey{
		ID: r.GetId(), Description: r.GetDescription(), TokenID: r.GetTokenId(),
		CreatedAtMs: r.GetCreatedAtMs(), ExpiresAtMs: r.GetExpiresAtMs(), RevokedAtMs: r.GetRevokedAtMs(),
		Permissions: r.GetPermissions(), RefreshDigest: r.GetRefreshDigest(), Digest: r.GetDigest(), RefreshedFrom: r.GetRefreshedFrom(),
		Limits: LimitsOf(r.GetLimits()), Account: r.GetAccount(),
	}
}

// DenialOf is the catalog's denial of a token id in the words of auth; nil denies
// nothing.
func DenialOf(d *storev1.TokenDenial) auth.Denial {
	return auth.Denial{AtMs: d.GetDeniedAtMs(), NotBeforeMs: d.GetNotBeforeMs()}
}

// signingRecordOf is a signing key in the catalog's words.
func signingRecordOf(k auth.SigningKey) *storev1.SigningKey {
	return &storev1.SigningKey{
		Id: k.ID, Algorithm: k.Algorithm, Secret: k.Secret, CreatedAtMs: k.CreatedAtMs, EndsAtMs: k.EndsAtMs,
		Application: k.Application, Parent: k.Parent,
	}
}

// SigningKeyOf is the catalog's record of a signing key in the words of auth, which
// shares its memory.
func SigningKeyOf(k *storev1.SigningKey) auth.SigningKey {
	return auth.SigningKey{
		ID: k.GetId(), Algorithm: k.GetAlgorithm(), Secret: k.GetSecret(), CreatedAtMs: k.GetCreatedAtMs(), EndsAtMs: k.GetEndsAtMs(),
		Application: k.GetApplication(), Parent: k.GetParent(),
	}
}
