package route

import (
	"errors"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// A command of which this version does not know all would stop every node that reads it
// in the log, now and after each restart, so it does not get there.
func TestUnknownSettingsAreNotAgreedOn(t *testing.T) {
	r, _ := startWith(t, "", LocalConfig{})
	future := &storev1.CacheLimits{MaxKeys: new(uint64(1))}
	future.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1})
	if err := r.Create(t.Context(), "new", future); !errors.Is(err, ErrInvalid) {
		t.Errorf("made: %v", err)
	}
	if err := r.Create(t.Context(), "new", nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Update(t.Context(), "new", future); !errors.Is(err, ErrInvalid) {
		t.Errorf("changed: %v", err)
	}
	if record, _ := r.Lookup("new"); record.GetLimits().GetMaxKeys() != 0 {
		t.Errorf("a part of it was carried out: %v", record)
	}
}
