package store

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// The limits of an API key outlive snapshots and its revocation, and make commands and
// snapshots that nodes without them refuse to read.
func TestLimitsOfKeys(t *testing.T) {
	limits := &storev1.KeyLimits{MaxTrafficRate: 5, MaxThroughputKbps: 6, MaxSubscriptionCount: 7, Weight: 8}
	put := func(l *storev1.KeyLimits) *CatalogCommand {
		return catalogCommand(1, &storev1.PutApiKey{Key: &storev1.ApiKey{Id: "k", Limits: l}})
	}
	for _, test := range []struct {
		limits  *storev1.KeyLimits
		version byte
		status  storev1.CatalogStatus
	}{
		{nil, 1, catalogOK},
		{limits, 3, catalogOK},
		{&storev1.KeyLimits{Weight: 1001}, 3, invalidArg},
	} {
		encoded, err := EncodeCatalogCommand(nil, put(test.limits))
		if err != nil || encoded[0] != test.version {
			t.Errorf("limits %v: version %d, %v, want %d", test.limits, encoded[0], err, test.version)
		}
		c := NewCatalog()
		if got := c.Apply(put(test.limits)); got.GetStatus() != test.status {
			t.Errorf("limits %v: %v", test.limits, got)
		}
		if got := c.Snapshot().version(); test.status == catalogOK && got != uint32(test.version) {
			t.Errorf("limits %v: a snapshot of version %d", test.limits, got)
		}
	}

	c := NewCatalog()
	c.Apply(put(limits))
	c.Apply(catalogCommand(2, &storev1.RevokeApiKey{Id: "k"}))
	var written bytes.Buffer
	if _, err := c.Snapshot().WriteTo(&written); err != nil {
		t.Fatal(err)
	}
	restored := NewCatalog()
	if err := restored.Restore(&written); err != nil {
		t.Fatal(err)
	}
	if key, _ := restored.APIKey("k"); key.GetRevokedAtMs() == 0 || !proto.Equal(key.GetLimits(), limits) {
		t.Errorf("afterwards: %v", key)
	}
}
