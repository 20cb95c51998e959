package vend

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// placeholder is what a value may be called between braces.
var placeholder = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// template is a text with placeholders: literals and the names of values in turns,
// beginning and ending with a literal, which may be empty.
type template struct {
	literals []string
	values   []string
}

// parse reads a template.
func parse(text string) (template, error) {
	var t template
	for {
		literal, rest, found := strings.Cut(text, "{")
		if strings.Contains(literal, "}") {
			return template{}, errors.New("a } that nothing opens")
		}
		t.literals = append(t.literals, literal)
		if !found {
			return t, nil
		}
		name, after, closed := strings.Cut(rest, "}")
		switch {
		case !closed:
			return template{}, errors.New("a { that nothing closes")
		case !placeholder.MatchString(name):
			return template{}, fmt.Errorf("{%s} is no placeholder; want a name such as {room}", name)
		case len(t.values) > 0 && literal == "":
			return template{}, fmt.Errorf("{%s} follows {%s} with nothing in between, so a name could be read in two ways; separate them, as in {a}/{b}", name, t.values[len(t.values)-1])
		}
		t.values = append(t.values, name)
		text = after
	}
}

// openEnd reports whether the template ends with a placeholder.
func (t template) openEnd() bool {
	return len(t.values) > 0 && t.literals[len(t.literals)-1] == ""
}

// separators adds, for each value, the characters that it must not hold.
func (t template) separators(add func(value string, separator rune)) {
	for i, value := range t.values {
		if next := t.literals[i+1]; next != "" {
			r, _ := utf8.DecodeRuneInString(next)
			add(value, r)
		}
	}
}

// fill puts the values, which were checked, into the places of their names.
func (t template) fill(values map[string]string) (string, error) {
	var b strings.Builder
	for i, literal := range t.literals {
		b.WriteString(literal)
		if i == len(t.values) {
			break
		}
		value, ok := values[t.values[i]]
		if !ok {
			return "", invalid("there is no %s", t.values[i])
		}
		b.WriteString(value)
	}
	return b.String(), nil
}
