package route

import (
	"bytes"
	"slices"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// catalogOf is a copy of the meta group that has seen those commands, one a
// millisecond.
func catalogOf(t *testing.T, commands ...*storev1.CatalogCommand) (m *meta, deleted *[]string) {
	t.Helper()
	deleted = new([]string)
	m = newMeta(func(cache string) { *deleted = append(*deleted, cache) })
	for i, command := range commands {
		command.AtMs = uint64(i + 1)
		encoded, err := store.EncodeCatalogCommand(nil, command)
		if err != nil {
			t.Fatal(err)
		}
		if result := m.Apply(uint64(i+1), [][]byte{encoded})[0].(*storev1.CatalogResult); result.GetStatus() != storev1.CatalogStatus_CATALOG_STATUS_OK {
			t.Fatal(result)
		}
	}
	return m, deleted
}

func create(name string) *storev1.CatalogCommand {
	return &storev1.CatalogCommand{Op: &storev1.CatalogCommand_CreateCache{CreateCache: &storev1.CreateCache{Name: name}}}
}

func remove(name string) *storev1.CatalogCommand {
	return &storev1.CatalogCommand{Op: &storev1.CatalogCommand_DeleteCache{DeleteCache: &storev1.DeleteCache{Name: name}}}
}

func flush(name string) *storev1.CatalogCommand {
	return &storev1.CatalogCommand{Op: &storev1.CatalogCommand_FlushCache{FlushCache: &storev1.FlushCache{Name: name}}}
}

// A node that was away while caches were deleted, and is told by a snapshot, drops
// their topics like one that saw the commands.
func TestSnapshotTellsOfDeletedCaches(t *testing.T) {
	four := func() []*storev1.CatalogCommand {
		return []*storev1.CatalogCommand{create("kept"), create("gone"), create("again"), create("flushed")}
	}
	ahead, _ := catalogOf(t, append(four(), remove("gone"), remove("again"), create("again"), flush("flushed"))...)
	behind, deleted := catalogOf(t, four()...)
	frozen, err := ahead.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var snapshot bytes.Buffer
	if _, err := frozen.WriteTo(&snapshot); err != nil {
		t.Fatal(err)
	}
	_, more := behind.applied()
	if err := behind.Restore(&snapshot); err != nil {
		t.Fatal(err)
	}
	select {
	case <-more:
	default:
		t.Error("nobody was told")
	}
	slices.Sort(*deleted)
	if want := []string{"again", "gone"}; !slices.Equal(*deleted, want) {
		t.Errorf("the topics of %q were dropped, want those of %q", *deleted, want)
	}
}
