package config

import (
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Text is any text.
func Text(p *string) pflag.Value { return textValue{p} }

type textValue struct{ p *string }

func (v textValue) String() string        { return *v.p }
func (v textValue) Set(text string) error { *v.p = text; return nil }
func (v textValue) Type() string          { return "text" }

// Address is text of the form host:port; the host may be empty for every
// interface.
func Address(p *string) pflag.Value { return addressValue{textValue{p}} }

type addressValue struct{ textValue }

func (v addressValue) Type() string { return "host:port" }

func (v addressValue) Set(text string) error {
	if err := checkAddress(text); err != nil {
		return err
	}
	*v.p = text
	return nil
}

// Path is text that names a file or folder.
func Path(p *string) pflag.Value { return pathValue{textValue{p}} }

type pathValue struct{ textValue }

func (v pathValue) Type() string { return "path" }

// Choice is one of a few words.
func Choice(p *string, words ...string) pflag.Value { return choiceValue{p, words} }

type choiceValue struct {
	p     *string
	words []string
}

func (v choiceValue) String() string { return *v.p }
func (v choiceValue) Type() string   { return strings.Join(v.words, "|") }

func (v choiceValue) Set(text string) error {
	if !slices.Contains(v.words, text) {
		return fmt.Errorf("%q is not one of %s%s", text, strings.Join(v.words, ", "), DidYouMean(Nearest(text, v.words)))
	}
	*v.p = text
	return nil
}

// Words lists what a [Choice] can be, for completion; nil for another value.
func Words(v pflag.Value) []string {
	if choice, ok := v.(choiceValue); ok {
		return choice.words
	}
	return nil
}

// Switch is on or off; as a flag it needs no value.
func Switch(p *bool) pflag.Value { return &boolValue{p} }

type boolValue struct{ p *bool }

func (v *boolValue) String() string { return strconv.FormatBool(*v.p) }
func (v *boolValue) Type() string   { return "bool" }

func (v *boolValue) Set(text string) error {
	switch text {
	case "true", "yes", "on", "1":
		*v.p = true
	case "false", "no", "off", "0":
		*v.p = false
	default:
		return fmt.Errorf("%q is neither true nor false", text)
	}
	return nil
}

// Integer is a whole number from low to high, both included and below 2^63.
func Integer[T int | int32 | uint32 | uint64](p *T, low, high T) pflag.Value {
	return integerValue[T]{p, low, high}
}

type integerValue[T int | int32 | uint32 | uint64] struct {
	p         *T
	low, high T
}

func (v integerValue[T]) String() string { return strconv.FormatInt(int64(*v.p), 10) }
func (v integerValue[T]) Type() string   { return "number" }

func (v integerValue[T]) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < int64(v.low) || n > int64(v.high) {
		return fmt.Errorf("%q is not a whole number from %d to %d", text, v.low, v.high)
	}
	*v.p = T(n)
	return nil
}

// Duration is a positive time with units; see [ParseDuration].
func Duration(p *time.Duration) pflag.Value { return durationValue{p} }

type durationValue struct{ p *time.Duration }

func (v durationValue) String() string { return FormatDuration(*v.p) }
func (v durationValue) Type() string   { return "duration" }

func (v durationValue) Set(text string) error {
	d, err := ParseDuration(text)
	if err == nil {
		*v.p = d
	}
	return err
}

// Pause is a time as [Duration] reads it, or none: 0.
func Pause(p *time.Duration) pflag.Value { return pauseValue{durationValue{p}} }

type pauseValue struct{ durationValue }

func (v pauseValue) Set(text string) error {
	if text == "0" || text == "0s" {
		*v.p = 0
		return nil
	}
	return v.durationValue.Set(text)
}

// Size is a number of bytes; see [ParseSize].
func Size[T int | int64](p *T) pflag.Value { return sizeValue[T]{p} }

type sizeValue[T int | int64] struct{ p *T }

func (v sizeValue[T]) String() string { return FormatSize(int64(*v.p)) }
func (v sizeValue[T]) Type() string   { return "size" }

func (v sizeValue[T]) Set(text string) error {
	n, err := ParseSize(text)
	if err != nil {
		return err
	}
	if int64(T(n)) != n {
		return fmt.Errorf("%q is more than %d bytes", text, int64(math.MaxInt32))
	}
	*v.p = T(n)
	return nil
}

// List is texts with commas between them; one that holds a comma is put into
// double quotes. The first text replaces the default, a repeated flag adds.
func List(p *[]string) pflag.Value { return &listValue{p: p} }

type listValue struct {
	p     *[]string
	given bool
}

func (v *listValue) String() string { return strings.Join(*v.p, ",") }
func (v *listValue) Type() string   { return "a,b,..." }

func (v *listValue) Set(text string) error {
	reader := csv.NewReader(strings.NewReader(text))
	reader.TrimLeadingSpace = true
	words, err := reader.Read()
	if err != nil || strings.Contains(text, "\n") {
		return fmt.Errorf("%q is not a list; want texts with commas between them", text)
	}
	if v.given {
		words = append(*v.p, words...)
	}
	return v.Replace(words)
}

// Append, Replace and GetSlice make it a pflag.SliceValue.
func (v *listValue) Append(text string) error { return v.Replace(append(*v.p, text)) }

func (v *listValue) Replace(texts []string) error {
	*v.p, v.given = texts, true
	return nil
}

func (v *listValue) GetSlice() []string { return *v.p }
