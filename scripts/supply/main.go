package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// lock is the console's lock file, seen from the root of the repository; notices are the
// licences that the build of its pages writes beside them.
const (
	lock         = "rpc/console/app/package-lock.json"
	pagesNotices = "rpc/console/app/dist/licenses.txt"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "supply:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "licences":
		return licences(out)
	case len(args) == 2 && args[0] == "sbom":
		return sbom(out, args[1])
	case len(args) == 2 && args[0] == "notices":
		return notices(out, args[1])
	default:
		return errors.New("want licences, sbom BINARY or notices BINARY")
	}
}

// licences fails for what must not be shipped.
func licences(out io.Writer) error {
	parts, err := allParts()
	if err != nil {
		return err
	}
	var wrong []string
	counts := make(map[string]int)
	for _, p := range parts {
		for _, l := range p.licences {
			counts[l]++
			if !slices.Contains(allowed, l) {
				wrong = append(wrong, fmt.Sprintf("%s %s is under %s, which is not among %s", p.name, p.version, l, strings.Join(allowed, ", ")))
			}
		}
		if len(p.licences) == 0 {
			wrong = append(wrong, fmt.Sprintf("%s %s has no licence that is known here", p.name, p.version))
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	var said []string
	for l, n := range counts {
		said = append(said, fmt.Sprintf("%s %d", l, n))
	}
	slices.Sort(said)
	_, err = fmt.Fprintf(out, "licences of %d parts: %s\n", len(parts), strings.Join(said, ", "))
	return err
}

// allParts are what a binary built from this tree would hold.
func allParts() ([]part, error) {
	modules, err := listed()
	if err != nil {
		return nil, err
	}
	packages, err := locked(lock)
	if err != nil {
		return nil, err
	}
	return append(modules, packages...), nil
}

// notices prints the licence text of each part of the binary.
func notices(out io.Writer, binary string) error {
	modules, err := inside(binary)
	if err != nil {
		return err
	}
	std, err := standardLibrary(modules.info.GoVersion)
	if err != nil {
		return err
	}
	for _, m := range append([]part{std}, modules.parts...) {
		for _, text := range m.texts {
			if _, err := fmt.Fprintf(out, "%s %s\n\n%s\n\n%s\n\n", m.name, m.version, strings.TrimSpace(text), strings.Repeat("-", 100)); err != nil {
				return err
			}
		}
	}
	pages, err := os.ReadFile(pagesNotices)
	if err != nil {
		return fmt.Errorf("the console's pages are not built, run make console: %w", err)
	}
	_, err = out.Write(pages)
	return err
}
