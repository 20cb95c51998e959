package house

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mayfly-broker/mayfly/"

// rule says what the packages under a folder may import.
type rule struct {
	// ours are the folders of this module that may be imported.
	ours []string
	// others are the modules from outside that may be imported; nil means
	// that any may.
	others []string
	// never are packages of the standard library that must not be imported.
	never []string
}

var (
	impure = []string{"time", "os", "net", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "runtime"}
	none   = []string{}
)

// rules are tried from top to bottom; the first folder that fits decides.
var rules = []struct {
	folder string
	rule
}{
	{"proto", rule{ours: []string{"proto"}, others: []string{"google.golang.org/"}}},
	{"store", rule{
		ours:   []string{"proto/store/v1"},
		others: []string{"google.golang.org/protobuf/", "github.com/tidwall/btree"},
		never:  impure,
	}},
	{"fanout", rule{ours: none, others: none, never: []string{"os", "net", "log", "log/slog", "math/rand", "math/rand/v2"}}},
	{"cluster/replica", rule{ours: []string{"cluster"}}},
	{"cluster/gossip", rule{ours: []string{"cluster"}}},
	{"cluster/steward", rule{ours: []string{"cluster", "cluster/replica"}}},
	{"cluster", rule{ours: none, others: []string{"github.com/cespare/xxhash/v2"}, never: impure}},
	{"rpc/auth", rule{ours: []string{"proto/permission"}}},
	{"rpc/route/nodetest", rule{ours: []string{"rpc/route", "cluster", "fanout", "store", "proto/store/v1"}}},
	{"rpc/route", rule{ours: []string{"cluster", "fanout", "store", "proto/store/v1"}}},
	{"rpc/convert", rule{ours: []string{"cluster", "proto/admin/v1", "proto/cluster/v1"}}},
	{"rpc/share", rule{ours: none, others: none}},
	{"rpc/address", rule{ours: none, others: none}},
	{"rpc/h2", rule{ours: []string{"rpc/share"}, others: []string{"golang.org/x/net/http2", "google.golang.org/grpc"}}},
	{"rpc/api", rule{ours: []string{"rpc/h2", "rpc/metering", "rpc/share", "rpc/route", "rpc/auth", "rpc/convert", "rpc/quota", "rpc/admit", "cluster", "fanout", "store", "proto"}}},
	{"rpc/peer", rule{ours: []string{"rpc/address", "rpc/route", "rpc/convert", "rpc/usage", "rpc/quota", "cluster", "fanout", "store", "proto"}}},
	{"rpc/metering", rule{ours: []string{"rpc/route", "store", "proto/store/v1"}}},
	{"rpc/hook", rule{ours: []string{"rpc/route", "cluster", "fanout", "proto/store/v1"}}},
	{"rpc/usage", rule{ours: none, others: none}},
	{"rpc/quota", rule{ours: none, others: none}},
	{"rpc/admit", rule{ours: none, others: none}},
	{"rpc/metrics", rule{ours: []string{"rpc/usage", "cluster", "fanout"}}},
	{"rpc/vend", rule{ours: []string{"rpc/address", "rpc/auth", "proto/permission"}}},
	{"rpc/web", rule{ours: []string{"rpc/address", "rpc/api", "rpc/convert", "rpc/share", "rpc/auth", "rpc/vend", "proto/admin/v1", "proto/cache", "proto/pubsub"}}},
	{"rpc/fault", rule{ours: none}},
	{"rpc/certify", rule{ours: none, others: []string{"golang.org/x/crypto/acme"}}},
	{"rpc/console", rule{ours: []string{"rpc/api", "rpc/auth", "rpc/usage", "rpc/web", "cluster", "proto"}}},
	{"rpc", rule{ours: none, others: none}}, // its doc.go alone
	{"cmd/endpoint", rule{ours: none, others: none}},
	{"cmd/node", rule{ours: []string{"rpc", "cluster", "fanout", "store", "proto", "cmd/endpoint"}}},
	{"cmd/recovery", rule{ours: []string{"rpc/route", "cluster"}}},
	{"cmd", rule{ours: []string{"cmd", "rpc/address", "rpc/auth", "rpc/convert", "rpc/fault", "proto"}}},
	{"test", rule{ours: []string{"cmd", "rpc/auth", "proto", "test"}}},
	{"scripts", rule{ours: []string{"proto"}}},
}

// owners are the libraries that one folder alone may import, so that each
// stays a detail behind a thin adapter.
var owners = map[string]string{
	"github.com/hashicorp/raft":       "cluster/replica",
	"github.com/hashicorp/memberlist": "cluster/gossip",
	"go.etcd.io/bbolt":                "cluster/replica",
	"github.com/spf13/cobra":          "cmd",
	"github.com/prometheus":           "rpc/metrics",
	"github.com/coder/websocket":      "rpc/web",
	"golang.org/x/crypto/acme":        "rpc/certify",
}

type pkg struct {
	ImportPath, Dir, Name, Doc    string
	Imports, GoFiles, TestGoFiles []string
}

func TestImportsPointDownwards(t *testing.T) {
	for _, p := range packages(t) {
		folder := strings.TrimPrefix(p.ImportPath, module)
		i := slices.IndexFunc(rules, func(r struct {
			folder string
			rule
		}) bool {
			return within(folder, r.folder)
		})
		if i < 0 {
			t.Errorf("%s: no rule says what this folder may import", folder)
			continue
		}
		for _, imported := range p.Imports {
			if why := rules[i].forbids(folder, imported); why != "" {
				t.Errorf("%s imports %s: %s", folder, imported, why)
			}
		}
	}
}

func (r rule) forbids(folder, imported string) string {
	if ours, ok := strings.CutPrefix(imported, module); ok {
		if within(ours, folder) || slices.ContainsFunc(r.ours, func(f string) bool { return within(ours, f) }) {
			return ""
		}
		return "the house lets it import only " + strings.Join(r.ours, ", ")
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		if slices.Contains(r.never, imported) {
			return "this pillar must not know that there is such a thing"
		}
		return ""
	}
	for library, owner := range owners {
		if within(imported, library) && !within(folder, owner) {
			return "only " + owner + " may know this library"
		}
	}
	if r.others != nil && !slices.ContainsFunc(r.others, func(o string) bool { return strings.HasPrefix(imported, o) }) {
		return "not among the libraries that this folder may use"
	}
	return ""
}

func TestEveryFolderSaysItsJob(t *testing.T) {
	for _, p := range packages(t) {
		if strings.Contains(p.ImportPath, "/proto/") {
			continue // generated; the .proto file says it
		}
		if _, err := os.Stat(filepath.Join(p.Dir, "doc.go")); err != nil {
			t.Errorf("%s has no doc.go", p.ImportPath)
		}
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// The pure pillars start nothing, and read no clock even where they may use
// the time package for its types.
func TestPureFoldersStayPure(t *testing.T) {
	for _, p := range packages(t) {
		folder := strings.TrimPrefix(p.ImportPath, module)
		if folder != "store" && folder != "fanout" && folder != "cluster" {
			continue
		}
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine", path.Join(folder, name))
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "Tick"}, n.Sel.Name) {
						t.Errorf("%s calls time.%s", path.Join(folder, name), n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

func TestTopLevelIsTheAgreedOne(t *testing.T) {
	agreed := []string{
		"cmd", "cluster", "fanout", "store", "rpc", "proto", "test", "scripts", "go.mod", "go.sum", "Makefile",
		"README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "docs", "deploy",
	}
	out, err := exec.Command("git", "-C", "../..", "ls-files").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for _, file := range strings.Fields(string(out)) {
		top, _, _ := strings.Cut(file, "/")
		if !slices.Contains(agreed, top) && !strings.HasPrefix(top, ".") {
			t.Errorf("%s is not part of the agreed top level", top)
		}
	}
}

// SECURITY.md names the fuzz targets that there are, and all of those at the doors.
func TestSecurityNamesTheFuzzTargets(t *testing.T) {
	text, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	named, found := make(map[string]bool), make(map[string]string)
	for _, name := range regexp.MustCompile("`(Fuzz[A-Za-z0-9]+)`").FindAllSubmatch(text, -1) {
		named[string(name[1])] = true
	}
	for _, p := range packages(t) {
		folder := strings.TrimPrefix(p.ImportPath, module)
		for _, name := range p.TestGoFiles {
			source, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, target := range regexp.MustCompile(`(?m)^func (Fuzz\w+)`).FindAllSubmatch(source, -1) {
				name := string(target[1])
				if twice := found[name]; twice != "" && within(folder, "rpc") {
					t.Errorf("%s and %s both have a %s", twice, folder, name)
				}
				if found[name] = folder; within(folder, "rpc") && !named[name] {
					t.Errorf("%s of %s is not in SECURITY.md", name, folder)
				}
			}
		}
	}
	for name := range named {
		if found[name] == "" {
			t.Errorf("SECURITY.md names %s, which is no fuzz target", name)
		}
	}
}

// within reports whether name is folder or lies below it.
func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Name,Doc,Imports,GoFiles,TestGoFiles", "./...")
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
