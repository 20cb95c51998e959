package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// FileSetting is the name of the setting that holds the path of the YAML file.
// It is the one setting a file cannot give.
const FileSetting = "config"

const envPrefix = "MAYFLY_"

// Setting is one thing a user can set. Its current value is the default until
// a layer changes it.
type Setting struct {
	// Name is the flag and the file key, in kebab case.
	Name string
	// Short is a one-letter flag, or empty.
	Short string
	// Help is one line that completes the sentence "this setting is ...".
	Help string
	// Value parses the text of all three sources. Values that also are
	// pflag.SliceValue take a YAML list.
	Value pflag.Value
	// Default replaces the value itself in help texts where it depends on the
	// machine.
	Default string
	// Secret keeps the value out of every message.
	Secret bool
	// Live: the program takes up another value in the file while it runs.
	Live bool
}

// Env is the environment variable of the setting.
func (s Setting) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Registry knows the settings of a whole program, so that one file or one
// environment may serve several commands: a command ignores what belongs to
// another, and refuses what belongs to none.
type Registry struct {
	known    map[string]Setting
	sections map[string]bool
}

// NewRegistry returns a registry that knows nothing yet.
func NewRegistry() *Registry {
	return &Registry{known: map[string]Setting{}, sections: map[string]bool{}}
}

// NewSet registers the settings of one command. Two commands may share a
// setting; sharing only its name is a mistake of the programmer and panics.
func (r *Registry) NewSet(settings ...Setting) *Set {
	for _, s := range settings {
		if other, ok := r.known[s.Name]; ok && (other.Help != s.Help || other.Value.Type() != s.Value.Type()) {
			panic(fmt.Sprintf("setting %q has two meanings", s.Name))
		}
		r.known[s.Name] = s
	}
	return &Set{registry: r, settings: settings}
}

// names lists every known setting in alphabetical order.
func (r *Registry) names() []string { return slices.Sorted(maps.Keys(r.known)) }

// keys lists all that a file may hold, in alphabetical order.
func (r *Registry) keys() []string {
	keys := slices.AppendSeq(r.names(), maps.Keys(r.sections))
	slices.Sort(keys)
	return keys
}

// Set is the settings of one command.
type Set struct {
	registry *Registry
	settings []Setting
	sections []Section
	file     *document // of the last Load, nil for none
}

// AddSections has the command read these parts of the file too.
func (s *Set) AddSections(sections ...Section) {
	for _, section := range sections {
		s.registry.sections[section.Name] = true
	}
	s.sections = append(s.sections, sections...)
}

// AddFlags gives every setting its flag.
func (s *Set) AddFlags(flags *pflag.FlagSet) {
	for _, setting := range s.settings {
		flag := flags.VarPF(setting.Value, setting.Name, setting.Short, setting.Help)
		if _, isSwitch := setting.Value.(*boolValue); isSwitch {
			flag.NoOptDefVal = "true"
		}
		if setting.Secret {
			flag.DefValue = ""
		}
		if setting.Default != "" {
			flag.Usage += fmt.Sprintf(" (default %s)", setting.Default)
			flag.DefValue = ""
		}
	}
}
