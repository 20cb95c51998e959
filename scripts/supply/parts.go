package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
)

// part is something that others wrote, and that is in the binary.
type part struct {
	name, version string
	purl          string
	sum           string // of a Go module, as go.sum has it
	sha512        string // of an npm package, in base64
	licences      []string
	texts         []string // of the licences, where they are at hand
}

// command is what is shipped.
const command = "./cmd/mayfly"

// listed are the modules that a build of this tree compiles in, by name.
func listed() (parts []part, err error) {
	cmd := exec.Command("go", "list", "-deps", "-json=Module", command) //nolint:noctx // as long as it takes
	cmd.Stderr = os.Stderr
	// What is shipped runs on Linux, and holds no C.
	cmd.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	seen := make(map[string]bool)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Module *struct {
				Path, Version, Dir, Sum string
				Main                    bool
				Replace                 *struct{ Path string }
			}
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		m := p.Module
		if m == nil || m.Main || seen[m.Path] {
			continue
		}
		seen[m.Path] = true
		if m.Replace != nil {
			return nil, fmt.Errorf("%s is replaced by %s, so nobody could get what is shipped", m.Path, m.Replace.Path)
		}
		names, texts, err := licencesIn(m.Dir)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{name: m.Path, version: m.Version, purl: "pkg:golang/" + m.Path + "@" + m.Version, sum: m.Sum, licences: names, texts: texts})
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.name, b.name) })
	return parts, nil
}

// contents are what a binary says of itself.
type contents struct {
	info  *debug.BuildInfo
	parts []part
}

// inside are the modules that are in a binary. It fails for one that was built from
// another tree than this.
func inside(binary string) (contents, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return contents{}, err
	}
	here, err := listed()
	if err != nil {
		return contents{}, err
	}
	known := make(map[string]part)
	for _, p := range here {
		known[p.name+"@"+p.version] = p
	}
	var parts []part
	for _, d := range info.Deps {
		p, ok := known[d.Path+"@"+d.Version]
		if !ok || d.Replace != nil {
			return contents{}, fmt.Errorf("%s holds %s %s, which a build of this tree would not: build it anew", binary, d.Path, d.Version)
		}
		p.sum = d.Sum
		parts = append(parts, p)
	}
	return contents{info, parts}, nil
}

// standardLibrary is the part that came with Go itself.
func standardLibrary(version string) (part, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output() //nolint:noctx // it takes no time
	if err != nil {
		return part{}, fmt.Errorf("go env: %w", err)
	}
	names, texts, err := licencesIn(strings.TrimSpace(string(root)))
	return part{name: "std", version: version, purl: "pkg:golang/std@" + version, licences: names, texts: texts}, err
}

// locked are the packages of a lock file that become part of the pages: all but those
// that only build them.
func locked(file string) (parts []part, err error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var document struct {
		Packages map[string]struct {
			Version, Integrity string
			License            string
			Dev, DevOptional   bool
		}
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for path, p := range document.Packages {
		at := strings.LastIndex(path, "node_modules/")
		if at < 0 || p.Dev || p.DevOptional {
			continue
		}
		name := path[at+len("node_modules/"):]
		sha512, ok := strings.CutPrefix(p.Integrity, "sha512-")
		if !ok {
			return nil, fmt.Errorf("%s: %s has no digest, so nobody knows what is installed", file, name)
		}
		one := part{name: name, version: p.Version, purl: "pkg:npm/" + strings.Replace(name, "@", "%40", 1) + "@" + p.Version, sha512: sha512}
		if p.License != "" { // several are all binding; where one may choose, somebody has to
			one.licences = strings.Split(strings.Trim(p.License, "()"), " AND ")
		}
		parts = append(parts, one)
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.purl, b.purl) })
	return slices.CompactFunc(parts, func(a, b part) bool { return a.purl == b.purl }), nil
}
