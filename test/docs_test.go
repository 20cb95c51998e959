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

// Every document that is there in Japanese has the sections, the examples and the rows of tables of
// the English one, in the same order, and the same code but for its comments. What a
// program made is English alone.
func TestDocumentsInJapanese(t *testing.T) {
	t.Parallel()
	all := documents(t)
	made := map[string]bool{"docs/compatibility.md": true}
	for path, english := range all {
		dir, name := filepath.Split(path)
		if dir != "docs/" || made[path] {
			continue
		}
		japanese, ok := all["docs/ja/"+name]
		if !ok {
			t.Errorf("%s is not there in Japanese", path)
			continue
		}
		want, got := skeleton(english), skeleton(japanese)
		for i := range max(len(want), len(got)) {
			if i >= len(want) || i >= len(got) || want[i] != got[i] {
				t.Errorf("docs/ja/%s: part %d is %q, in English it is %q", name, i+1, at(got, i), at(want, i))
				break
			}
		}
	}
}

func at(parts []string, i int) string {
	if i < len(parts) {
		return parts[i]
	}
	return "the end"
}

var comment = regexp.MustCompile(`(?m)\s*(//|# ).*$`)

// skeleton is what does not change when a document is translated.
func skeleton(text string) (parts []string) {
	code := ""
	for line := range strings.Lines(text) {
		switch fenced := strings.HasPrefix(line, "```"); {
		case fenced && code == "":
			code = line
		case fenced:
			parts = append(parts, comment.ReplaceAllString(code, ""))
			code = ""
		case code != "":
			code += line
		case strings.HasPrefix(line, "#"):
			parts = append(parts, "heading "+line[:strings.Index(line, " ")])
		case strings.HasPrefix(line, "|"):
			parts = append(parts, fmt.Sprintf("row of %d", strings.Count(line, "|")))
		}
	}
	return parts
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
