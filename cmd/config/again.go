package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/spf13/pflag"
)

// Repeat gives flags the values of those that were given on the command line, as far
// as they have the same names. So a second Set can be loaded as the first one was.
func Repeat(given, flags *pflag.FlagSet) (err error) {
	given.Visit(func(from *pflag.Flag) {
		to := flags.Lookup(from.Name)
		if to == nil || err != nil {
			return
		}
		list, ok := from.Value.(pflag.SliceValue)
		if !ok {
			err = flags.Set(from.Name, from.Value.String())
			return
		}
		err, to.Changed = to.Value.(pflag.SliceValue).Replace(list.GetSlice()), true
	})
	return err
}

// Difference is a setting or a section that has another value in one set than in
// another.
type Difference struct {
	// Name is that of the setting or section.
	Name string
	// Live is what the setting says of itself; a section is not.
	Live bool
	// Text says what was and what is; only the name for what is secret, and for
	// sections.
	Text string
}

// Differences compares two sets that were made of equal settings and loaded, in the
// order of their settings, sections last.
func Differences(before, after *Set) (all []Difference) {
	for i, now := range after.settings {
		was := before.settings[i]
		if was.Value.String() == now.Value.String() {
			continue
		}
		d := Difference{Name: now.Name, Live: now.Live, Text: now.Name}
		if !now.Secret {
			d.Text = fmt.Sprintf("%s: %s, was %s", now.Name, now.shown(), was.shown())
		}
		all = append(all, d)
	}
	for _, section := range after.sections {
		if before.file.section(section.Name) != after.file.section(section.Name) {
			all = append(all, Difference{Name: section.Name, Text: section.Name})
		}
	}
	return all
}

// shown is the value in words. Nothing at all, where that is the default, has words
// of its own.
func (s Setting) shown() string {
	text := s.Value.String()
	if (text == "" || text == "0") && s.Default != "" {
		return s.Default
	}
	return text
}

// section is what the file holds of a section, however it is laid out.
func (d *document) section(name string) string {
	if d == nil || d.blocks[name] == nil {
		return ""
	}
	return meaning(d.blocks[name].body)
}

// meaning is what a value says, in one line.
func meaning(value ast.Node) string {
	switch v := value.(type) {
	case *ast.MappingNode:
		var lines []string
		for _, pair := range v.Values {
			lines = append(lines, fmt.Sprintf("%q: %s", nameOf(pair), meaning(pair.Value)))
		}
		return "{" + strings.Join(lines, ", ") + "}"
	case *ast.SequenceNode:
		var items []string
		for _, item := range v.Values {
			items = append(items, meaning(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	default:
		text, _ := scalarText(value) // which was read before
		return strconv.Quote(text)
	}
}
