package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Tools are the programs that the stories run. Paths are absolute.
type Tools struct {
	// Mayfly is the broker.
	Mayfly string
	// GoSDK is the program of test/gosdk, which uses the official Go SDK.
	GoSDK string
	// Node runs JavaScript, and NodeDir is test/node with the installed
	// official Node.js SDK. BrowserDir is test/browser with the Web SDK.
	Node, NodeDir, BrowserDir string
}

// tools is set once by Build, before any test runs.
var tools Tools

// Build makes everything the stories run, two builds at a time, and must be
// called from TestMain in the folder test. The broker is taken from MAYFLY_BIN
// when that is set, so that `make` builds it only once. The returned function
// removes what was built.
func Build(ctx context.Context) (cleanup func(), err error) {
	dir, err := os.MkdirTemp("", "mayfly-test-")
	if err != nil {
		return nil, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			remove()
		}
	}()
	if err := findNode(); err != nil {
		return nil, err
	}
	tools.GoSDK = filepath.Join(dir, "gosdk")
	tools.Mayfly = os.Getenv("MAYFLY_BIN")
	builds := []func() error{func() error { return goBuild(ctx, "gosdk", tools.GoSDK, ".") }}
	if tools.Mayfly == "" {
		tools.Mayfly = filepath.Join(dir, "mayfly")
		builds = append(builds, func() error { return goBuild(ctx, "..", tools.Mayfly, "./cmd/mayfly") })
	}
	errs := make([]error, len(builds))
	var all sync.WaitGroup
	for i, build := range builds {
		all.Go(func() { errs[i] = build() })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return remove, cleanOut()
}

// BuildBroker is Build for tests that need the broker alone. It must be called
// from TestMain in a folder below the folder test.
func BuildBroker(ctx context.Context) (cleanup func(), err error) {
	if tools.Mayfly = os.Getenv("MAYFLY_BIN"); tools.Mayfly != "" {
		return func() {}, cleanOut()
	}
	dir, err := os.MkdirTemp("", "mayfly-test-")
	if err != nil {
		return nil, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	tools.Mayfly = filepath.Join(dir, "mayfly")
	if err := errors.Join(goBuild(ctx, "../..", tools.Mayfly, "./cmd/mayfly"), cleanOut()); err != nil {
		remove()
		return nil, err
	}
	return remove, nil
}

// cleanOut forgets what an earlier run left.
func cleanOut() error {
	return os.RemoveAll(outDir)
}

func findNode() (err error) {
	if tools.Node, err = exec.LookPath("node"); err != nil {
		return fmt.Errorf("the stories need Node.js: %w", err)
	}
	if tools.NodeDir, err = installed("node", "@gomomento/sdk"); err != nil {
		return err
	}
	tools.BrowserDir, err = installed("browser", "@gomomento/sdk-web")
	return err
}

// installed returns the absolute path of a folder whose package npm has installed.
func installed(folder, pkg string) (dir string, err error) {
	if dir, err = filepath.Abs(folder); err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", filepath.FromSlash(pkg))); err != nil {
		return "", fmt.Errorf("%s is not installed; run `make stories`, or `npm ci` in test/%s: %w", pkg, folder, err)
	}
	return dir, nil
}

// Speaking builds a broker that speaks these versions of the peer protocol, such as
// 1-2, in place of those that it was released with.
func Speaking(t testing.TB, versions string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "mayfly-"+versions)
	spoken := "-X github.com/mayfly-broker/mayfly/rpc/peer.spoken=" + versions
	if err := goBuild(t.Context(), "..", program, "./cmd/mayfly", "-tags", "peerversions", "-ldflags", spoken); err != nil {
		t.Fatal(err)
	}
	return program
}

func goBuild(ctx context.Context, dir, out, pkg string, flags ...string) error {
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-o", out}, flags...), pkg)...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s in %s: %w\n%s", pkg, dir, err, text)
	}
	return nil
}

// environment is the caller's without what configures Mayfly, so that a
// developer's own settings cannot change a story, and with the given variables
// added.
func environment(extra ...string) []string {
	env := make([]string, 0, len(os.Environ())+len(extra))
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MAYFLY_") {
			env = append(env, v)
		}
	}
	return append(env, extra...)
}
