package store

import (
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func TestUpdateChangesWhatItNames(t *testing.T) {
	c := NewCatalog()
	lfu, kept := storev1.Eviction_EVICTION_LFU.Enum(), new(uint32(1<<storev1.Kind_KIND_LIST))
	update := func(l *storev1.CacheLimits) *storev1.UpdateCache { return &storev1.UpdateCache{Name: "a", Limits: l} }
	want := func(l *storev1.CacheLimits) {
		t.Helper()
		if got, _ := c.Cache("a"); !proto.Equal(got.GetLimits(), l) || got.GetGeneration() != 1 || got.GetCreatedAtMs() != 5 {
			t.Errorf("a is %v, want settings %v", got, l)
		}
	}
	made := &storev1.CreateCache{Name: "a", Limits: &storev1.CacheLimits{MaxTtlSeconds: new(uint64(60)), MaxTrafficRate: new(uint32(0))}}
	runCatalog(t, c, []step{
		{5, made, catalogOK, 1},
		{6, &storev1.UpdateCache{Name: "none", Limits: &storev1.CacheLimits{MaxMemory: new(uint64(1))}}, notFound, 0},
		{6, &storev1.UpdateCache{Limits: &storev1.CacheLimits{MaxMemory: new(uint64(1))}}, invalidArg, 0},
		{6, update(nil), invalidArg, 0},
		{6, update(&storev1.CacheLimits{}), invalidArg, 0},
		{6, update(&storev1.CacheLimits{Eviction: storev1.Eviction(4).Enum()}), invalidArg, 0},
		{6, update(&storev1.CacheLimits{Eviction: storev1.Eviction(-1).Enum()}), invalidArg, 0},
		{6, update(&storev1.CacheLimits{KeptKinds: new(uint32(1))}), invalidArg, 0},
		{6, update(&storev1.CacheLimits{KeptKinds: new(uint32(1 << kinds))}), invalidArg, 0},
		{6, &storev1.CreateCache{Name: "b", Limits: &storev1.CacheLimits{KeptKinds: new(uint32(1))}}, invalidArg, 0},
	})
	want(&storev1.CacheLimits{MaxTtlSeconds: new(uint64(60))})
	runCatalog(t, c, []step{{7, update(&storev1.CacheLimits{MaxMemory: new(uint64(9)), Eviction: lfu, KeptKinds: kept}), catalogOK, 1}})
	want(&storev1.CacheLimits{MaxTtlSeconds: new(uint64(60)), MaxMemory: new(uint64(9)), Eviction: lfu, KeptKinds: kept})
	runCatalog(t, c, []step{{8, update(&storev1.CacheLimits{MaxTtlSeconds: new(uint64(0)), Eviction: new(storev1.Eviction)}), catalogOK, 1}})
	want(&storev1.CacheLimits{MaxMemory: new(uint64(9)), KeptKinds: kept})
	if !proto.Equal(made.GetLimits(), &storev1.CacheLimits{MaxTtlSeconds: new(uint64(60)), MaxTrafficRate: new(uint32(0))}) {
		t.Errorf("a command was changed: %v", made)
	}
	runCatalog(t, c, []step{{9, &storev1.FlushCache{Name: "a"}, catalogOK, 2}})
	if got, _ := c.Cache("a"); got.GetLimits().GetMaxMemory() != 9 {
		t.Errorf("a flush lost the settings: %v", got)
	}
}

// An update names a setting by setting it, to zero too, so each must know whether
// it is set.
func TestEverySettingKnowsWhetherItIsSet(t *testing.T) {
	fields := (&storev1.CacheLimits{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if !fields.Get(i).HasPresence() {
			t.Errorf("the field %s is not optional: no update could set it to zero", fields.Get(i).Name())
		}
	}
}

func TestSettingsSinceVersion3(t *testing.T) {
	for version, l := range map[byte]*storev1.CacheLimits{
		1: {MaxPublishMessageSizeKb: new(uint32(1))},
		3: {MaxTrafficRate: new(uint32(1)), MaxMemory: new(uint64(1))},
	} {
		data, err := EncodeCatalogCommand(nil, catalogCommand(1, &storev1.CreateCache{Name: "a", Limits: l}))
		if err != nil || data[0] != version {
			t.Errorf("%v is written as version %d (%v), want %d", l, data[0], err, version)
		}
	}
}
