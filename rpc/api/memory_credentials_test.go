package api

import (
	"context"
	"crypto/rand"
	"time"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

func (m *memory) RotateAPIKey(ctx context.Context, id string, key *storev1.ApiKey, end time.Time) error {
	return m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_RotateApiKey{
		RotateApiKey: &storev1.RotateApiKey{Id: id, Key: key, EndMs: uint64(end.UnixMilli())},
	}}, route.ErrKeyNotFound)
}

func (m *memory) RefreshAPIKey(ctx context.Context, key *storev1.ApiKey) error {
	return m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_RefreshApiKey{
		RefreshApiKey: &storev1.RefreshApiKey{Id: key.GetRefreshedFrom(), Key: key},
	}}, route.ErrKeyNotFound)
}

func (m *memory) FindAPIKey(_ context.Context, id string) (*storev1.ApiKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if key, ok := m.catalog.APIKey(id); ok {
		return key, nil
	}
	return nil, route.ErrKeyNotFound
}

func (m *memory) DenyTokens(ctx context.Context, tokenID string, ban, maxLife time.Duration) (*storev1.TokenDenial, error) {
	err := m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_DenyTokens{DenyTokens: &storev1.DenyTokens{
		TokenId: tokenID, BanMs: uint64(ban.Milliseconds()), LifeMs: uint64(maxLife.Milliseconds()),
	}}}, nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.catalog.TokenDenial(tokenID), err
}

func (m *memory) TokenDenials(context.Context) ([]*storev1.TokenDenial, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.catalog.TokenDenials(), nil
}

func (m *memory) RecordAct(_ context.Context, act *storev1.Act) (uint64, error) {
	if err := m.failing("RecordAct"); err != nil {
		return 0, err
	}
	return m.change(&storev1.CatalogCommand{Op: &storev1.CatalogCommand_RecordAct{RecordAct: &storev1.RecordAct{}}, Act: act}).GetAct(), nil
}

func (m *memory) SettleAct(_ context.Context, number uint64, outcome storev1.ActOutcome, why string) error {
	if err := m.failing("SettleAct"); err != nil {
		return err
	}
	m.change(&storev1.CatalogCommand{Op: &storev1.CatalogCommand_SettleAct{
		SettleAct: &storev1.SettleAct{Sequence: number, Outcome: outcome, Why: why},
	}})
	return nil
}

func (m *memory) Acts(_ context.Context, after uint64) ([]*storev1.Act, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.catalog.Acts(after), nil
}

// signingKeys are those of a cluster of one.
type signingKeys struct{ *memory }

func (m signingKeys) List(context.Context) ([]*storev1.SigningKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.catalog.SigningKeys(), nil
}

func (m signingKeys) AddApplicationKey(ctx context.Context, key *storev1.SigningKey) error {
	return m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_AddSigningKey{AddSigningKey: &storev1.AddSigningKey{Key: key}}}, nil)
}

func (m signingKeys) Rotate(ctx context.Context, _ bool) (id string, othersEnd time.Time, err error) {
	key, err := auth.NewSigningKey(rand.Reader, time.Now())
	if err != nil {
		return "", othersEnd, err
	}
	m.change(&storev1.CatalogCommand{Op: &storev1.CatalogCommand_AddSigningKey{AddSigningKey: &storev1.AddSigningKey{
		Key: &storev1.SigningKey{Id: key.ID, Algorithm: key.Algorithm, Secret: key.Secret, CreatedAtMs: key.CreatedAtMs},
	}}})
	othersEnd = time.Now().Add(auth.DefaultMaxTokenLife)
	return key.ID, othersEnd, m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_UseSigningKey{
		UseSigningKey: &storev1.UseSigningKey{Id: key.ID, OthersEndMs: uint64(othersEnd.UnixMilli())},
	}}, route.ErrSigningKeyNotFound)
}

func (m signingKeys) Revoke(ctx context.Context, id string) (current string, err error) {
	if key, _ := keys(m).CurrentSigningKey(); key.ID == id {
		if _, _, err := m.Rotate(context.Background(), true); err != nil {
			return "", err
		}
	}
	err = m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_RemoveSigningKey{
		RemoveSigningKey: &storev1.RemoveSigningKey{Id: id},
	}}, route.ErrSigningKeyNotFound)
	key, _ := keys(m).CurrentSigningKey()
	return key.ID, err
}

func (m *memory) UpdateAPIKey(ctx context.Context, update *storev1.UpdateApiKey) error {
	return m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_UpdateApiKey{UpdateApiKey: update}}, route.ErrKeyNotFound)
}
