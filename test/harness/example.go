package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Example is an app in a folder, as a user has it after `npm ci`.
type Example struct {
	// Dir is the folder; it ends with the test.
	Dir string
}

// manifest is what a package.json says of the packages that an app needs.
type manifest struct {
	Dependencies    map[string]string `json:"dependencies"`
	DevDependencies map[string]string `json:"devDependencies"`
	Scripts         map[string]string `json:"scripts"`
	Version         string            `json:"version"`
}

// CopyExample makes an Example of a folder. Its packages are those that npm has
// installed for the stories, which must be of the very versions that it names.
func CopyExample(t testing.TB, from string) *Example {
	t.Helper()
	e := &Example{Dir: filepath.Join(t.TempDir(), "app")}
	if err := os.CopyFS(e.Dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	e.install(t)
	return e
}

// ExampleIn is CopyExample for a folder that is the test's own.
func ExampleIn(t testing.TB, dir string) *Example {
	t.Helper()
	e := &Example{Dir: dir}
	e.install(t)
	return e
}

func (e *Example) manifest(t testing.TB) (m manifest) {
	t.Helper()
	readManifest(t, filepath.Join(e.Dir, "package.json"), &m)
	return m
}

func readManifest(t testing.TB, path string, m *manifest) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, m); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func (e *Example) install(t testing.TB) {
	t.Helper()
	m := e.manifest(t)
	for _, needs := range []map[string]string{m.Dependencies, m.DevDependencies} {
		for name, version := range needs {
			e.link(t, name, version)
		}
	}
}

// link puts an installed package into the example.
func (e *Example) link(t testing.TB, name, version string) {
	t.Helper()
	for _, dir := range []string{tools.BrowserDir, tools.NodeDir} {
		installed := filepath.Join(dir, "node_modules", filepath.FromSlash(name))
		var m manifest
		if _, err := os.Stat(installed); err != nil {
			continue
		}
		if readManifest(t, filepath.Join(installed, "package.json"), &m); m.Version != version {
			t.Fatalf("%s needs %s %s, the stories have %s; name the same version in both", e.Dir, name, version, m.Version)
		}
		to := filepath.Join(e.Dir, "node_modules", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(installed, to); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("%s needs %s, which is not installed for the stories", e.Dir, name)
}

// Replace puts another text into the place of one that the file must hold.
func (e *Example) Replace(t testing.TB, file, old, with string) {
	t.Helper()
	path := filepath.Join(e.Dir, file)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s holds no %q", path, old)
	}
	write(t, path, strings.ReplaceAll(string(text), old, with))
}

// Build runs the example's script of that name, which must be a call of esbuild.
func (e *Example) Build(t testing.TB, script string) {
	t.Helper()
	line, ok := strings.CutPrefix(e.manifest(t).Scripts[script], "esbuild ")
	if !ok {
		t.Fatalf("script %s of %s: want a call of esbuild", script, e.Dir)
	}
	program := filepath.Join(e.Dir, "node_modules", "esbuild", "bin", "esbuild")
	cmd := exec.Command(program, strings.Fields(line)...) //nolint:noctx // ends with the test, by signal
	cmd.Dir = e.Dir
	run(t, cmd, nil).OK(t)
}

// App is a program of an example that runs.
type App struct {
	*process
	log *os.File
}

// StartNode runs a program of the example until the test ends, and waits until it
// has printed the words.
func (e *Example) StartNode(t testing.TB, program, until string, env ...string) *App {
	t.Helper()
	a := &App{log: openLog(t, program)}
	cmd := exec.Command(tools.Node, program) //nolint:noctx // ends with the test, by signal
	cmd.Dir, cmd.Env = e.Dir, environment(env...)
	cmd.Stdout, cmd.Stderr = a.log, a.log
	a.process = start(t, program, cmd)
	a.AwaitSaid(t, until)
	return a
}

// AwaitSaid waits until the program has printed the words.
func (a *App) AwaitSaid(t testing.TB, words string) {
	t.Helper()
	Eventually(t, Patience, fmt.Sprintf("%q", words), func() (bool, string) {
		text := a.Said(t)
		return strings.Contains(text, words), text
	})
}

// Said is what the program has printed so far.
func (a *App) Said(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(a.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// RunPages runs a program of checks that uses pages in a browser as a person does:
// test/browser/pages/PROGRAM.mjs. It finds the broker in STORY_ADDR, and in STORY_OUT
// a folder for pictures, which stay.
func RunPages(t *testing.T, program, addr string, env ...string) {
	t.Helper()
	cmd := exec.Command(tools.Node, filepath.Join("pages", program+".mjs")) //nolint:noctx // ends with the test, by signal
	cmd.Dir = tools.BrowserDir
	cmd.Env = environment(append(env, "STORY_ADDR="+addr, "STORY_OUT="+OutDir(t))...)
	runChecks(t, "pages-"+program, cmd)
}
