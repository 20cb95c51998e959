package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// A data directory is one process's, from before it looks at what it holds: a
// second one moves nothing in it, not even when the first was let into another
// cluster and has not gone there yet.
func TestDirectoryOfARunningNode(t *testing.T) {
	t.Parallel()
	first := harness.Start(t, harness.Options{})
	first.CreateCache(t, "story")
	const letter = `{"node":"n","store":"NEXT","cluster_id":"another"}`
	write(t, filepath.Join(first.DataDir, "charter.next.json"), []byte(letter))
	before := contents(t, first.DataDir)

	second := harness.New(t, harness.Options{Name: "second", DataDir: first.DataDir})
	if second.StartOrExit(t) {
		t.Fatal("two processes run on one data directory")
	}
	code, output := second.Exits(t)
	if code != 1 || !strings.Contains(output, "data directory is in use") || !strings.Contains(output, first.DataDir) {
		t.Errorf("the second ended with code %d:\n%s", code, output)
	}
	if after := contents(t, first.DataDir); after != before {
		t.Errorf("the second left\n%s\nof\n%s", after, before)
	}
	first.CLI(t, "", "cache", "create", "more").OK(t)
	first.Kill(t)
}

// contents are the names in a folder.
func contents(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, "\n")
}
