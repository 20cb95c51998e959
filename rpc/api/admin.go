package api

import (
	"context"
	"runtime"
	"time"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// admin serves what an operator asks for.
type admin struct {
	adminv1.UnimplementedAdminServer
	mint            *mint
	cluster         Cluster // nil for a node that has none
	version, commit string
}

func (s *admin) CreateApiKey(ctx context.Context, r *adminv1.CreateApiKeyRequest) (*adminv1.CreateApiKeyResponse, error) {
	if r.GetValidForSeconds() > uint64(auth.MaxKeyLife/time.Second) {
		return nil, invalid("the key would be valid for %d s, the most is %d s, or 0 for ever", r.GetValidForSeconds(), auth.MaxKeyLife/time.Second)
	}
	k, err := s.mint.key(ctx, auth.KeyRequest{
		Permissions: r.GetPermissions(),
		TokenID:     r.GetTokenId(),
		Description: r.GetDescription(),
		ValidFor:    time.Duration(r.GetValidForSeconds()) * time.Second,
		Never:       r.GetValidForSeconds() == 0,
		Limits:      limitsAsked(r.GetLimits()),
	})
	if err != nil {
		return nil, err
	}
	wrapped, err := auth.Wrap(s.mint.endpoint, k.Text)
	if err != nil {
		return nil, err
	}
	return &adminv1.CreateApiKeyResponse{
		Id: k.Record.ID, ApiKey: k.Text, WrappedKey: wrapped, Endpoint: s.mint.endpoint,
		RefreshToken: k.RefreshToken, ValidUntil: seconds(k.Record.ExpiresAtMs),
	}, nil
}

func (s *admin) ListApiKeys(ctx context.Context, _ *adminv1.ListApiKeysRequest) (*adminv1.ListApiKeysResponse, error) {
	keys, err := s.mint.credentials.APIKeys(ctx)
	if err != nil {
		return nil, err
	}
	answer := &adminv1.ListApiKeysResponse{Keys: make([]*adminv1.ApiKeyInfo, len(keys))}
	for i, k := range keys {
		answer.Keys[i] = &adminv1.ApiKeyInfo{
			Id: k.GetId(), Description: k.GetDescription(), TokenId: k.GetTokenId(),
			CreatedAt: seconds(k.GetCreatedAtMs()), ValidUntil: seconds(k.GetExpiresAtMs()), RevokedAt: seconds(k.GetRevokedAtMs()),
			Permissions: permissionsOf(k.GetPermissions()), Successor: k.GetSuccessor(), RefreshedFrom: k.GetRefreshedFrom(),
			Limits: limitsShown(k.GetLimits()),
		}
	}
	return answer, nil
}

// permissionsOf decodes what a key's record holds; nil when this version cannot
// read it.
func permissionsOf(raw []byte) *permissionpb.Permissions {
	var p permissionpb.Permissions
	if proto.Unmarshal(raw, &p) != nil {
		return nil
	}
	return &p
}

func limitsAsked(l *adminv1.KeyLimits) auth.Limits {
	return auth.Limits{
		Operations: l.GetMaxTrafficRate(), ThroughputKiB: l.GetMaxThroughputKbps(),
		Subscriptions: l.GetMaxSubscriptionCount(), Weight: l.GetWeight(),
	}
}

// limitsShown is nil for a key without limits.
func limitsShown(l *storev1.KeyLimits) *adminv1.KeyLimits {
	if l == nil {
		return nil
	}
	return &adminv1.KeyLimits{
		MaxTrafficRate: l.GetMaxTrafficRate(), MaxThroughputKbps: l.GetMaxThroughputKbps(),
		MaxSubscriptionCount: l.GetMaxSubscriptionCount(), Weight: l.GetWeight(),
	}
}

func (s *admin) RevokeApiKey(ctx context.Context, r *adminv1.RevokeApiKeyRequest) (*adminv1.RevokeApiKeyResponse, error) {
	if r.GetId() == "" {
		return nil, invalid("the id is empty, take one from the list of API keys")
	}
	if err := s.mint.credentials.RevokeAPIKey(ctx, r.GetId()); err != nil {
		return nil, err
	}
	return &adminv1.RevokeApiKeyResponse{}, nil
}

func (s *admin) Version(context.Context, *adminv1.VersionRequest) (*adminv1.VersionResponse, error) {
	return &adminv1.VersionResponse{Version: s.version, Commit: s.commit, GoVersion: runtime.Version()}, nil
}
