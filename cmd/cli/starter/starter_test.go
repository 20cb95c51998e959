package starter

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := Write(Chat, dir); err != nil {
		t.Fatal(err)
	}
	want := []string{".gitignore", "README.md", "chat.css", "chat.js", "index.html", "mayfly.yaml", "package-lock.json", "package.json", "room.js"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("written: %q", got)
	}
	for _, name := range want {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || len(text) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	if err := Write(Chat, dir); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a second time: %v", err)
	}
}

// What is in a folder stays as it is.
func TestWriteOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "chat.js")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(Chat, dir); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("%v, want %v", err, ErrNotEmpty)
	}
	if text, err := os.ReadFile(mine); string(text) != "mine" || err != nil || len(names(t, dir)) != 1 {
		t.Errorf("%q, %v; there is %q", text, err, names(t, dir))
	}
	if err := Write(Chat, mine); err == nil || errors.Is(err, ErrNotEmpty) {
		t.Errorf("into a file: %v", err)
	}
	if err := Write("game", filepath.Join(dir, "game")); err == nil || len(names(t, dir)) != 1 {
		t.Errorf("an unknown app: %v", err)
	}
	if empty := t.TempDir(); Write(Chat, empty) != nil || len(names(t, empty)) < 5 {
		t.Error("an empty folder is not good enough")
	}
}
