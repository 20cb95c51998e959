package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mayfly-broker/mayfly/cmd/config"
)

// usageError is a command line or a setting that makes no sense.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return usageError{cmd, fmt.Errorf(format, args...)}
}

// report tells the user what went wrong and returns the exit code.
func (p *Program) report(err error) int {
	p.remark("mayfly: %v", err)
	usage, ok := errors.AsType[usageError](err)
	if !ok {
		return ExitFailure
	}
	p.remark("See `%s --help`.", usage.cmd.CommandPath())
	return ExitUsage
}

// flagError rewords what the flag library found, and looks for a mistyped
// command first: in "mayfly cache lst --json" the flag is not the problem.
func (p *Program) flagError(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() {
		if _, rest, findErr := cmd.Root().Find(p.args); findErr == nil && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
			return unknownCommand(cmd, rest[0])
		}
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() == "" {
		name := unknown.GetSpecifiedName()
		near := config.Nearest(name, flagNames(cmd))
		if near != "" {
			near = "--" + near
		}
		return usagef(cmd, "unknown flag --%s%s", name, config.DidYouMean(near))
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return usagef(cmd, "--%s: %w", invalid.GetFlag().Name, invalid.Unwrap())
	}
	return usageError{cmd, err}
}
