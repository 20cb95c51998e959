package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Section is a key of the file that holds more than a value fits. Neither a flag
// nor the environment can give it.
type Section struct {
	// Name is the file key, in kebab case.
	Name string
	// Read takes what is below the key. It is not called when the key is absent.
	Read func(*Block) error
}

// Block is a mapping below a section. What it reads and what it finds wrong has a
// place: the file and the line.
type Block struct {
	path string
	node ast.Node // of the key that the block is under
	body *ast.MappingNode
}

// blockOf takes the value of a key as a block; one that is missing is empty.
func blockOf(path string, pair *ast.MappingValueNode) (*Block, error) {
	b := &Block{path: path, node: pair.Key}
	switch body := pair.Value.(type) {
	case *ast.MappingNode:
		b.body = body
	case *ast.NullNode:
		b.body = &ast.MappingNode{}
	default:
		return nil, fmt.Errorf("%s: %s: want lines of the form \"key: value\" below it", at(path, pair.Key), nameOf(pair))
	}
	return b, nil
}

func nameOf(pair *ast.MappingValueNode) string { return pair.Key.GetToken().Value }

// readSection gives a section what the file holds of it, if anything.
func (d *document) readSection(section Section) error {
	if d == nil || d.blocks[section.Name] == nil {
		return nil
	}
	return section.Read(d.blocks[section.Name])
}

// Each reads a block whose keys are names that the user chose.
func (b *Block) Each(read func(name string, below *Block) error) error {
	for _, pair := range b.body.Values {
		below, err := blockOf(b.path, pair)
		if err != nil {
			return err
		}
		if err := read(nameOf(pair), below); err != nil {
			return err
		}
	}
	return nil
}

// Read reads a block whose keys are known: settings, which take a value each, and
// sections, which are blocks themselves. A setting that is absent keeps its value.
func (b *Block) Read(settings []Setting, sections ...Section) error {
	for _, pair := range b.body.Values {
		name := nameOf(pair)
		if i := slices.IndexFunc(sections, func(s Section) bool { return s.Name == name }); i >= 0 {
			below, err := blockOf(b.path, pair)
			if err != nil {
				return err
			}
			if err := sections[i].Read(below); err != nil {
				return err
			}
			continue
		}
		i := slices.IndexFunc(settings, func(s Setting) bool { return s.Name == name })
		if i < 0 {
			return b.unknown(pair, settings, sections)
		}
		e, err := valueOf(pair.Value)
		if err == nil {
			err = e.apply(settings[i].Value)
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", at(b.path, pair.Key), name, settings[i].discreet(err))
		}
	}
	return nil
}

func (b *Block) unknown(pair *ast.MappingValueNode, settings []Setting, sections []Section) error {
	var names []string
	for _, s := range settings {
		names = append(names, s.Name)
	}
	for _, s := range sections {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	name := nameOf(pair)
	if near := Nearest(name, names); near != "" {
		return fmt.Errorf("%w key `%s` at %s%s", ErrUnknown, name, at(b.path, pair.Key), DidYouMean(near))
	}
	return fmt.Errorf("%w key `%s` at %s; there are %s", ErrUnknown, name, at(b.path, pair.Key), strings.Join(names, ", "))
}

// Wrong is an error about the value that keys lead to from the block, with the
// place of the last of them that is there.
func (b *Block) Wrong(err error, keys ...string) error {
	place := b.node
	for body := b.body; len(keys) > 0; keys = keys[1:] {
		i := slices.IndexFunc(body.Values, func(pair *ast.MappingValueNode) bool { return nameOf(pair) == keys[0] })
		if i < 0 {
			break
		}
		place = body.Values[i].Key
		below, ok := body.Values[i].Value.(*ast.MappingNode)
		if !ok {
			break
		}
		body = below
	}
	return fmt.Errorf("%s: %w", at(b.path, place), err)
}

// errOnlyInFile says how a section can be given.
var errOnlyInFile = errors.New("only the file given with --config can hold it")
