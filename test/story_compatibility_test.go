package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/mayfly-broker/mayfly/test/harness"
)

const compatibilityPath = "../docs/compatibility.md"

// Every call of every SDK answers as documented when all is as it should be, with an
// empty input, with nothing of the name there and with an item of another type, on
// one node and on three. docs/compatibility.md says what was tried and passed here, and
// no more; COMPATIBILITY=write in the environment, as `make conformance` has it, writes it.
func TestCompatibility(t *testing.T) {
	t.Parallel()
	passed := &compatibility{cells: map[string]map[harness.Language]map[string]int{}}
	t.Run("brokers", func(t *testing.T) {
		one, three := harness.Start(t, harness.Options{}), harness.StartCluster(t, harness.ClusterOptions{})
		for _, server := range []*harness.Server{one, three.Nodes[0].Server} {
			server.Secure(t) // making keys is among the calls
			server.CreateCache(t, "story")
		}
		for brokers, client := range map[string]harness.Client{
			"one node": {Addr: one.Addr, Key: one.AdminKey(t)}, "three nodes": {Addr: three.Addr(), Key: three.Nodes[0].AdminKey(t)},
		} {
			client.Cache = "story"
			for _, language := range []harness.Language{harness.NodeJS, harness.Web, harness.Go} {
				t.Run(brokers+"/"+string(language), func(t *testing.T) {
					t.Parallel()
					passed.add(language, harness.RunChecks(t, language, "conformance", client))
				})
			}
		}
	})
	if t.Failed() {
		return
	}
	want := passed.document(t)
	if os.Getenv("COMPATIBILITY") == "write" {
		if err := os.WriteFile(compatibilityPath, []byte(want), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(compatibilityPath); err != nil || string(got) != want {
		t.Errorf("docs/compatibility.md is not what these runs showed (%v); `make conformance` writes it anew", err)
	}
}

// compatibility is what passed: by call, by SDK and by situation, on how many brokers.
type compatibility struct {
	sync.Mutex // guards cells
	cells      map[string]map[harness.Language]map[string]int
}

// add adds the checks that passed, which are called "client.call: situation".
func (c *compatibility) add(language harness.Language, checks []string) {
	c.Lock()
	defer c.Unlock()
	for _, check := range checks {
		call, situation, ok := strings.Cut(check, ": ")
		if !ok {
			continue
		}
		client, method, _ := strings.Cut(call, ".")
		call = client + "." + string(unicode.ToLower(rune(method[0]))) + method[1:]
		if c.cells[call] == nil {
			c.cells[call] = map[harness.Language]map[string]int{}
		}
		if c.cells[call][language] == nil {
			c.cells[call][language] = map[string]int{}
		}
		c.cells[call][language][situation]++
	}
}

const compatibilityIntro = `# Compatibility

The official SDKs, as they were released, call every method they have against one node and against three. This table is
made from those runs by ` + "`make conformance`" + `, and the tests fail when it is not what they showed. A letter is a situation
that was tried and answered as documented:

| letter | the call was made |
|---|---|
| n | with everything as it should be |
| e | with an empty input: an empty name, value or list of values |
| m | with no item, cache or other thing of that name there |
| t | with an item of another type under that name |

Where a letter is missing there is no such situation, or the SDK itself cannot be called that way. A dash means that the SDK has
no such call. What the calls do beyond that, such as slices, times to live, orders and limits, is covered by the tests of each type.
`

// document is the table.
func (c *compatibility) document(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(compatibilityIntro)
	fmt.Fprintf(&b, "\n| SDK | version |\n|---|---|\n| Node.js, `@gomomento/sdk` | %s |\n| Web, `@gomomento/sdk-web` in Chromium | %s |\n| Go, `client-sdk-go` | %s |\n",
		npmVersion(t, "node", "@gomomento/sdk"), npmVersion(t, "browser", "@gomomento/sdk-web"), goVersion(t))
	before := ""
	for _, call := range slices.Sorted(maps.Keys(c.cells)) {
		client, method, _ := strings.Cut(call, ".")
		if client != before {
			fmt.Fprintf(&b, "\n## %s\n\n| call | Node.js | Web | Go |\n|---|---|---|---|\n", client)
			before = client
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", method,
			cell(c.cells[call][harness.NodeJS]), cell(c.cells[call][harness.Web]), cell(c.cells[call][harness.Go]))
	}
	return b.String()
}

// cell is the letters of the situations that passed on both brokers.
func cell(situations map[string]int) string {
	var letters []string
	for _, s := range []struct{ name, letter string }{{"normal", "n"}, {"empty", "e"}, {"missing", "m"}, {"wrong type", "t"}} {
		if situations[s.name] == 2 {
			letters = append(letters, s.letter)
		}
	}
	if len(letters) == 0 {
		return "-"
	}
	return strings.Join(letters, " ")
}

// npmVersion is the version of a package that is installed in a folder of this one.
func npmVersion(t *testing.T, folder, name string) string {
	t.Helper()
	var p struct{ Version string }
	text, err := os.ReadFile(folder + "/node_modules/" + name + "/package.json")
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p.Version
}

func goVersion(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("gosdk/go.mod")
	found := regexp.MustCompile(`client-sdk-go v(\S+)`).FindSubmatch(text)
	if err != nil || found == nil {
		t.Fatalf("gosdk/go.mod does not name the SDK: %v", err)
	}
	return string(found[1])
}
