package vend

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DefaultPattern is what a value looks like when nothing else was declared: it can
// be part of any name and of no other.
const DefaultPattern = `[A-Za-z0-9_-]+`

// Lengths of values, in characters.
const (
	// DefaultMax is the longest value when nothing else was declared; a token id
	// cannot be longer.
	DefaultMax = 64
	// MaxMax is the most that can be declared: no name of a cache or a topic is
	// longer.
	MaxMax = 255
)

// Bound is what a value must look like.
type Bound struct {
	// Pattern is a regular expression for the whole value, in the syntax of
	// package regexp; empty = DefaultPattern.
	Pattern string
	// Max is the most characters; 0 = DefaultMax.
	Max int
}

// bound is a Bound, ready for use.
type bound struct {
	pattern *regexp.Regexp
	max     int
	// separators are the characters that follow the value in names.
	separators []rune
}

// compile checks the bound.
func (b Bound) compile() (*bound, error) {
	text := cmp.Or(b.Pattern, DefaultPattern)
	if _, err := regexp.Compile(text); err != nil {
		return nil, misfit(fmt.Errorf("%w; want a regular expression such as %s", err, DefaultPattern), "pattern")
	}
	// The group makes it the whole value, whatever alternatives are inside; a sound
	// pattern cannot close it.
	pattern, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return nil, misfit(err, "pattern")
	}
	if b.Max < 0 || b.Max > MaxMax {
		return nil, misfit(fmt.Errorf("%d characters are out of range; want 1 to %d", b.Max, MaxMax), "max")
	}
	return &bound{pattern: pattern, max: cmp.Or(b.Max, DefaultMax)}, nil
}

// check says what is wrong with a value, in words for its sender and without the
// value.
func (b *bound) check(name, value string) error {
	switch {
	case value == "":
		return invalid("%s is empty", name)
	case !utf8.ValidString(value):
		return invalid("%s is not UTF-8", name)
	case utf8.RuneCountInString(value) > b.max:
		return invalid("%s is too long, the most is %d characters", name, b.max)
	case strings.ContainsAny(value, "*{}"):
		return invalid("%s holds one of * { }", name)
	case !b.pattern.MatchString(value):
		return invalid("%s does not match the pattern of this endpoint", name)
	}
	for _, r := range value {
		if !unicode.IsPrint(r) {
			return invalid("%s holds a character that cannot be seen", name)
		}
		for _, separator := range b.separators {
			if r == separator {
				return invalid("%s holds %q, which separates it from what follows", name, separator)
			}
		}
	}
	return nil
}
