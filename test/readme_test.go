package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// A program in the README is a fenced block under a comment that says so. What it
// prints may follow in a block that is marked the same way:
//
//	<!-- test: node -->            or  <!-- test: go -->
//	```js
//	...
//	```
//
//	<!-- prints -->
//	```
//	...
//	```
var programInReadme = regexp.MustCompile("(?s)<!-- test: (node|go) -->\\s*```\\w+\n(.*?)\n```(?:\\s*<!-- prints -->\\s*```\\w*\n(.*?)```)?")

// Every program in the README runs as it is printed there, against a broker
// started as the README says, prints what the README says, and ends with code 0.
// The one difference is the port, which the programs take from MAYFLY_PORT when it is
// set.
func TestReadmePrograms(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for i, program := range programInReadme.FindAllStringSubmatch(string(readme), -1) {
		language, source, prints := program[1], program[2], program[3]
		found[language] = true
		t.Run(fmt.Sprintf("%d %s", i+1, language), func(t *testing.T) {
			t.Parallel()
			if lines := strings.Count(source, "\n") + 1; lines > 30 {
				t.Errorf("%d lines; nobody reads such a first program", lines)
			}
			server := harness.StartDev(t)
			got := harness.RunSource(t, harness.Language(language), server, source)
			switch {
			case strings.TrimSpace(got) == "":
				t.Error("it printed nothing")
			case prints != "" && strings.TrimSpace(got) != strings.TrimSpace(prints):
				t.Errorf("it printed\n%s\nthe README says\n%s", got, prints)
			}
			t.Logf("%s", got)
		})
	}
	for _, language := range []string{"node", "go"} {
		if !found[language] {
			t.Errorf("the README has no program for %s", language)
		}
	}
}

// Every file that the README points to is there.
func TestReadmeLinks(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`).FindAllSubmatch(readme, -1) {
		if bytes.Contains(link[1], []byte("://")) {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", string(link[1]))); err != nil {
			t.Errorf("the README points to %s: %v", link[1], err)
		}
	}
	for _, target := range regexp.MustCompile("(?m)(?:`|^)make ([a-z]+)").FindAllSubmatch(readme, -1) {
		if out, err := exec.Command("make", "-C", "..", "-n", string(target[1])).CombinedOutput(); err != nil {
			t.Errorf("the README says make %s: %s", target[1], out)
		}
	}
}
