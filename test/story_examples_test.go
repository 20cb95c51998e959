package test

import (
	"path/filepath"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// What `mayfly init chat` writes is a chat that works, with the settings that it
// writes; only the life of its tokens is shorter here.
func TestChatThatInitWrites(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "chat")
	harness.Mayfly(t, nil, "init", "chat", "--dir", dir).OK(t)
	chat := harness.ExampleIn(t, dir)
	chat.Build(t, "build")
	chat.Replace(t, "mayfly.yaml", "expires: 10m", "expires: 3s")
	chat.Replace(t, "mayfly.yaml", "expires: 3s", "expires: 3s\n    rate: 6000") // everybody here has one address
	server := harness.Start(t, harness.Options{Args: []string{"--config", filepath.Join(dir, "mayfly.yaml")}})
	harness.RunPages(t, "chat", server.Addr, "STORY_PAGE="+dir)
}
