package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// A program in a document is a fenced block under a comment that says so. What it
// prints may follow in a block that is marked the same way:
//
//	<!-- test: node -->            or  <!-- test: go -->, <!-- test: shell -->
//	```js
//	...
//	```
//
//	<!-- prints -->
//	```
//	...
//	```
var programInDocument = regexp.MustCompile("(?s)<!-- test: (\\w+) -->\\s*```\\w+\n(.*?)\n```(?:\\s*<!-- prints -->\\s*```\\w*\n(.*?)```)?")

// documents are the README and everything below docs, by their paths from the top.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"../README.md", "../docs/*.md", "../docs/*/*.md"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 && pattern != "../docs/*/*.md" {
			t.Fatalf("no documents at %s: %v", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found[strings.TrimPrefix(path, "../")] = string(text)
		}
	}
	return found
}

// Every program in the documents runs as it is printed there, against a broker
// started as the README says, prints what the document says, and ends with code 0.
// The one difference is the port, which the programs take from MAYFLY_PORT when it is
// set, and commands from MAYFLY_SERVER.
func TestDocumentedPrograms(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for path, text := range documents(t) {
		for i, program := range programInDocument.FindAllStringSubmatch(text, -1) {
			language, source, prints := program[1], program[2], program[3]
			found[language] = true
			t.Run(fmt.Sprintf("%s %d %s", path, i+1, language), func(t *testing.T) {
				t.Parallel()
				if lines := strings.Count(source, "\n") + 1; lines > 36 {
					t.Errorf("%d lines; nobody reads such a first program", lines)
				}
				server := harness.StartDev(t)
				got := harness.RunSource(t, harness.Language(language), server, source)
				switch {
				case strings.TrimSpace(got) == "":
					t.Error("it printed nothing")
				case prints != "" && strings.TrimSpace(got) != strings.TrimSpace(prints):
					t.Errorf("it printed\n%s\nthe document says\n%s", got, prints)
				}
				t.Logf("%s", got)
			})
		}
	}
	for _, language := range []harness.Language{harness.NodeJS, harness.Go, harness.Shell} {
		if !found[string(language)] {
			t.Errorf("no document has a program for %s", language)
		}
	}
}

var (
	link   = regexp.MustCompile(`\]\(([^)#]*)(#[^)]*)?\)`)
	target = regexp.MustCompile("(?m)(?:`|^)make ([a-z]+)")
)

// Every file and every section that a document points to is there, and so is every target
// of the Makefile that it names.
func TestDocumentedLinks(t *testing.T) {
	t.Parallel()
	all := documents(t)
	for path, text := range all {
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			file, section := l[1], strings.TrimPrefix(l[2], "#")
			if strings.Contains(file, "://") {
				continue
			}
			to := path
			if file != "" {
				to = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(filepath.Join("..", to)); err != nil {
				t.Errorf("%s points to %s: %v", path, file, err)
			} else if section != "" && !sections(all[to])[section] {
				t.Errorf("%s points to the section %q of %s, which has none", path, section, to)
			}
		}
		for _, name := range target.FindAllStringSubmatch(text, -1) {
			if out, err := exec.Command("make", "-C", "..", "-n", name[1]).CombinedOutput(); err != nil {
				t.Errorf("%s says make %s: %s", path, name[1], out)
			}
		}
	}
}

var (
	heading = regexp.MustCompile(`(?m)^(#+) (.+)$`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
)

// sections are the names under which the headings of a document are linked to.
func sections(text string) map[string]bool {
	names := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(h[2]), "")
		names[strings.ReplaceAll(name, " ", "-")] = true
	}
	return names
}
