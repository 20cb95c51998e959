package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/pflag"
)

// MaxFile bounds a settings file, in bytes; a real one has a few hundred.
const MaxFile = 1 << 20

// document is a settings file: a mapping of settings, which are flat, and of
// sections.
type document struct {
	entries map[string]entry
	blocks  map[string]*Block
}

// entry is the value of one key, as text, and where it stands.
type entry struct {
	place  string // file:line
	scalar string
	list   []string
	isList bool
}

func (d *document) lookup(name string) (entry, bool) {
	if d == nil {
		return entry{}, false
	}
	e, ok := d.entries[name]
	return e, ok
}

// apply gives the entry's text to the value.
func (e entry) apply(v pflag.Value) error {
	if !e.isList {
		return v.Set(e.scalar)
	}
	list, ok := v.(pflag.SliceValue)
	if !ok {
		return fmt.Errorf("a list does not fit; want one %s", v.Type())
	}
	return list.Replace(e.list)
}

// readFile returns nil when no file is named.
func readFile(path string, known *Registry) (*document, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config file: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("config file: %w", err)
	}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("config file %s: larger than %d bytes; this is not a settings file", path, MaxFile)
	}
	return parse(path, text, known)
}

// parse reads text as a mapping of known keys to plain values.
func parse(path string, text []byte, known *Registry) (*document, error) {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, syntaxError(path, err)
	}
	doc := &document{entries: map[string]entry{}, blocks: map[string]*Block{}}
	for i, part := range tree.Docs {
		switch body := part.Body.(type) {
		case nil, *ast.NullNode, *ast.CommentGroupNode:
		case *ast.MappingNode:
			if i > 0 {
				return nil, fmt.Errorf("%s: a second document; settings go into one", at(path, body))
			}
			if err := doc.read(path, body, known); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("%s: want lines of the form \"key: value\"", at(path, body))
		}
	}
	return doc, nil
}

func (d *document) read(path string, mapping *ast.MappingNode, known *Registry) error {
	for _, pair := range mapping.Values {
		place := at(path, pair.Key)
		name := pair.Key.GetToken().Value
		if name == FileSetting {
			return fmt.Errorf("%s: %s: a file cannot name another file", place, name)
		}
		if known.sections[name] {
			b, err := blockOf(path, pair)
			if err != nil {
				return err
			}
			d.blocks[name] = b
			continue
		}
		if _, ok := known.known[name]; !ok {
			return fmt.Errorf("%w key `%s` at %s%s", ErrUnknown, name, place, DidYouMean(Nearest(name, known.keys())))
		}
		e, err := valueOf(pair.Value)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", place, name, err)
		}
		e.place = place
		d.entries[name] = e
	}
	return nil
}

var errNotPlain = errors.New("want a plain value or a list of plain values")

// valueOf takes scalars as they are typed: 01 stays 01 and yes stays yes, since
// the setting knows its type and YAML would guess.
func valueOf(node ast.Node) (entry, error) {
	if sequence, ok := node.(*ast.SequenceNode); ok {
		e := entry{isList: true, list: []string{}}
		for _, item := range sequence.Values {
			text, err := scalarText(item)
			if err != nil {
				return entry{}, err
			}
			e.list = append(e.list, text)
		}
		return e, nil
	}
	text, err := scalarText(node)
	return entry{scalar: text}, err
}

func scalarText(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.NullNode:
		return "", errors.New("the value is missing")
	case *ast.LiteralNode:
		return strings.TrimSuffix(n.Value.Value, "\n"), nil
	case *ast.StringNode:
		return n.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	default:
		return "", errNotPlain
	}
}

func at(path string, node ast.Node) string {
	return fmt.Sprintf("%s:%d", path, node.GetToken().Position.Line)
}

// syntaxError keeps the parser's finding and its line, without the excerpt it
// would print: the file may hold a key.
func syntaxError(path string, err error) error {
	if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok && syntax.GetToken() != nil {
		return fmt.Errorf("%s:%d: %s", path, syntax.GetToken().Position.Line, syntax.GetMessage())
	}
	return fmt.Errorf("%s: not a YAML file", path)
}
