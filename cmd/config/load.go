package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// ErrUnknown is wrapped by errors about a key or variable that does not exist;
// its text begins theirs.
var ErrUnknown = errors.New("unknown")

// Load fills the settings whose flag was not given from environ (pairs as in
// os.Environ), else from the file that the config setting names, if any. An
// empty variable counts as absent, since compose files and shells cannot always
// leave one out.
//
// A MAYFLY_ variable that names no setting is an error when a setting is near.
// Any other is returned in strangers, to be mentioned and not obeyed: an
// environment is shared with whoever else uses the prefix.
func (s *Set) Load(flags *pflag.FlagSet, environ []string) (strangers []string, err error) {
	env := ours(environ)
	strangers, err = s.registry.checkEnv(env)
	if err != nil {
		return nil, err
	}
	file, err := s.openFile(flags, env)
	if err != nil {
		return nil, err
	}
	s.file = file
	for _, setting := range s.settings {
		if flags.Changed(setting.Name) || setting.Name == FileSetting {
			continue
		}
		given, err := setting.fromEnv(env)
		if !given {
			err = setting.fromFile(file)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, section := range s.sections {
		if err := file.readSection(section); err != nil {
			return nil, err
		}
	}
	return strangers, nil
}

// openFile reads the file the settings name; without one it returns nil.
func (s *Set) openFile(flags *pflag.FlagSet, env map[string]string) (*document, error) {
	for _, setting := range s.settings {
		if setting.Name != FileSetting {
			continue
		}
		if !flags.Changed(setting.Name) {
			if _, err := setting.fromEnv(env); err != nil {
				return nil, err
			}
		}
		return readFile(setting.Value.String(), s.registry)
	}
	return nil, nil
}

// fromEnv applies the variable of the setting and reports whether there was one.
func (s Setting) fromEnv(env map[string]string) (bool, error) {
	text, ok := env[s.Env()]
	if !ok {
		return false, nil
	}
	if err := s.Value.Set(text); err != nil {
		return true, fmt.Errorf("environment variable %s: %w", s.Env(), s.discreet(err))
	}
	return true, nil
}

// fromFile applies the key of the setting, if the file has it.
func (s Setting) fromFile(file *document) error {
	entry, ok := file.lookup(s.Name)
	if !ok {
		return nil
	}
	if err := entry.apply(s.Value); err != nil {
		return fmt.Errorf("%s: %s: %w", entry.place, s.Name, s.discreet(err))
	}
	return nil
}

// discreet replaces an error that may quote a secret.
func (s Setting) discreet(err error) error {
	if s.Secret {
		return errors.New("the value is malformed")
	}
	return err
}

// ours keeps the variables that carry our prefix and hold something; the last of
// a repeated one counts.
func ours(environ []string) map[string]string {
	env := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, envPrefix) {
			env[name] = value
		}
	}
	maps.DeleteFunc(env, func(_, value string) bool { return value == "" })
	return env
}

// serviceLink matches the variables Kubernetes puts into every container for a
// service called mayfly or mayfly-something.
var serviceLink = regexp.MustCompile(`_SERVICE_(HOST|PORT)(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

// checkEnv refuses slips of the pen and returns the other unknown variables.
func (r *Registry) checkEnv(env map[string]string) (strangers []string, err error) {
	names := r.names()
	for _, variable := range slices.Sorted(maps.Keys(env)) {
		name := settingOf(variable)
		if _, ok := r.known[name]; ok && variable == strings.ToUpper(variable) || serviceLink.MatchString(variable) {
			continue
		}
		if r.sections[name] {
			return nil, fmt.Errorf("environment variable %s: %w", variable, errOnlyInFile)
		}
		near := Nearest(name, names)
		if near != "" {
			return nil, fmt.Errorf("%w environment variable %s%s", ErrUnknown, variable, DidYouMean(Setting{Name: near}.Env()))
		}
		strangers = append(strangers, variable)
	}
	return strangers, nil
}

// settingOf is the inverse of Setting.Env.
func settingOf(variable string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, envPrefix), "_", "-"))
}
