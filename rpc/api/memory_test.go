package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/store"
)

// memory is all ports at once: the real state machines and the real topics,
// without a log.
type memory struct {
	mu      sync.Mutex
	machine *store.Machine
	catalog *store.Catalog
	topics  *fanout.Broker

	// fault, if set, is asked before every call of a port.
	fault func(call string) error
	// lost is where questions about the key "lost" wait.
	lost func(ctx context.Context)
}

const partition, firstPage = 0, 1 << 21

func newMemory(config fanout.Config) *memory {
	topics, err := fanout.New(config, time.Now())
	if err != nil {
		panic(err)
	}
	if err := topics.Own(partition, firstPage); err != nil {
		panic(err)
	}
	m := &memory{machine: store.NewMachine(), catalog: store.NewCatalog(), topics: topics}
	key, err := auth.NewSigningKey(rand.Reader, time.Now())
	if err != nil {
		panic(err)
	}
	m.change(&storev1.CatalogCommand{Op: &storev1.CatalogCommand_AddSigningKey{AddSigningKey: &storev1.AddSigningKey{
		Key: &storev1.SigningKey{Id: key.ID, Algorithm: key.Algorithm, Secret: key.Secret, CreatedAtMs: key.CreatedAtMs},
	}}})
	return m
}

func nowMs() uint64 { return uint64(time.Now().UnixMilli()) }

func (m *memory) failing(call string) error {
	m.mu.Lock()
	fault := m.fault
	m.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(call)
}

func (m *memory) failWith(fault func(call string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = fault
}

func (m *memory) Apply(ctx context.Context, c *storev1.Command) (*storev1.Result, error) {
	if err := m.failing("Apply"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	record, ok := m.catalog.Cache(c.GetCache())
	if !ok {
		return nil, route.ErrCacheNotFound
	}
	c.Generation, c.AtMs = record.GetGeneration(), nowMs()
	return m.machine.Apply(c), ctx.Err()
}

func (m *memory) View(ctx context.Context, q *storev1.Query, _ bool) (*storev1.Result, error) {
	if err := m.failing("View"); err != nil {
		return nil, err
	}
	if string(q.GetKey()) == "lost" {
		m.lost(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	record, ok := m.catalog.Cache(q.GetCache())
	if !ok {
		return nil, route.ErrCacheNotFound
	}
	q.Generation = record.GetGeneration()
	m.machine.Apply(&storev1.Command{AtMs: nowMs(), Op: &storev1.Command_Tick{Tick: &storev1.Tick{}}})
	return m.machine.View(q, nowMs()), ctx.Err()
}

func (m *memory) Publish(_ context.Context, cache, topic string, message route.Message) error {
	if err := m.failing("Publish"); err != nil {
		return err
	}
	_, err := m.topics.Publish(partition, fanout.Key{Cache: cache, Topic: topic}, time.Now(), func(at fanout.Position) []byte {
		return EncodeItem(at, message)
	})
	return err
}

func (m *memory) Subscribe(_ context.Context, cache, topic string, from fanout.Position) (Subscription, error) {
	if err := m.failing("Subscribe"); err != nil {
		return nil, err
	}
	s, err := m.topics.Subscribe(partition, fanout.Key{Cache: cache, Topic: topic}, from, time.Now())
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (m *memory) change(c *storev1.CatalogCommand) *storev1.CatalogResult {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.AtMs = nowMs()
	return m.catalog.Apply(c)
}

func (m *memory) changed(ctx context.Context, c *storev1.CatalogCommand, missing error) error {
	if err := m.failing("catalog"); err != nil {
		return err
	}
	route.ActOf(ctx).Carry(c)
	r := m.change(c)
	switch r.GetStatus() {
	case storev1.CatalogStatus_CATALOG_STATUS_OK:
		return nil
	case storev1.CatalogStatus_CATALOG_STATUS_ALREADY_EXISTS:
		return route.ErrCacheExists
	case storev1.CatalogStatus_CATALOG_STATUS_NOT_FOUND:
		return missing
	case storev1.CatalogStatus_CATALOG_STATUS_LIMIT:
		return route.ErrLimit
	default:
		return fmt.Errorf("%w: %s", route.ErrInvalid, r.GetDetail())
	}
}

func (m *memory) Create(ctx context.Context, name string, limits *storev1.CacheLimits) error {
	return m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_CreateCache{
		CreateCache: &storev1.CreateCache{Name: name, Limits: limits},
	}}, route.ErrCacheNotFound)
}

func (m *memory) Update(ctx context.Context, name string, limits *storev1.CacheLimits) error {
	return m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_UpdateCache{
		UpdateCache: &storev1.UpdateCache{Name: name, Limits: limits},
	}}, route.ErrCacheNotFound)
}

func (m *memory) Delete(ctx context.Context, name string) error {
	err := m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_DeleteCache{
		DeleteCache: &storev1.DeleteCache{Name: name},
	}}, route.ErrCacheNotFound)
	if err == nil {
		m.topics.DropCache(name)
	}
	return err
}

func (m *memory) Flush(ctx context.Context, name string) error {
	return m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_FlushCache{
		FlushCache: &storev1.FlushCache{Name: name},
	}}, route.ErrCacheNotFound)
}

func (m *memory) List(context.Context) ([]*storev1.CacheRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.catalog.Caches(), nil
}

func (m *memory) Lookup(name string) (*storev1.CacheRecord, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.catalog.Cache(name)
}

func (m *memory) Find(_ context.Context, name string) (*storev1.CacheRecord, error) {
	record, ok := m.Lookup(name)
	if !ok {
		return nil, route.ErrCacheNotFound
	}
	return record, nil
}

func (m *memory) CatchUp(context.Context) error { return nil }

func (m *memory) PutAPIKey(ctx context.Context, key *storev1.ApiKey) error {
	return m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_PutApiKey{
		PutApiKey: &storev1.PutApiKey{Key: key},
	}}, route.ErrKeyNotFound)
}

func (m *memory) RevokeAPIKey(ctx context.Context, id string) error {
	return m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_RevokeApiKey{
		RevokeApiKey: &storev1.RevokeApiKey{Id: id},
	}}, route.ErrKeyNotFound)
}

func (m *memory) APIKeys(context.Context) ([]*storev1.ApiKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.catalog.APIKeys(), nil
}

func (m *memory) CredentialRevision() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.catalog.CredentialRevision()
}

// keys shows the catalog to rpc/auth.
type keys struct{ *memory }

func (k keys) Revision() uint64 { return k.CredentialRevision() }

func (k keys) Secured() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.catalog.Secured()
}

func (k keys) CurrentSigningKey() (auth.SigningKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := k.catalog.CurrentSigningKey()
	return SigningKeyOf(key), key != nil
}

func (k keys) SigningKey(id string) (auth.SigningKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.catalog.SigningKey(id)
	return SigningKeyOf(key), ok
}

func (k keys) APIKey(id string) (auth.APIKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.catalog.APIKey(id)
	return KeyOf(r), ok
}

func (k keys) TokenDenial(tokenID string) auth.Denial {
	k.mu.Lock()
	defer k.mu.Unlock()
	return DenialOf(k.catalog.TokenDenial(tokenID))
}

// relaxedData tells whether a view was relaxed.
type relaxedData struct {
	*memory
	relaxed chan<- bool
}

func (d *relaxedData) View(ctx context.Context, q *storev1.Query, relaxed bool) (*storev1.Result, error) {
	d.relaxed <- relaxed
	return d.memory.View(ctx, q, relaxed)
}
