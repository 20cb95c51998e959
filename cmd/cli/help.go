package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mayfly-broker/mayfly/cmd/config"
)

// helpWidth is where the lines about flags wrap, in columns.
const helpWidth = 100

// usage writes what follows the description of a command: how to call it, the
// commands below it, its own flags, and apart from those its settings, which
// have other sources than the command line too.
func usage(cmd *cobra.Command) error {
	w := &strings.Builder{}
	fmt.Fprintf(w, "Usage:\n  %s\n", useLine(cmd))
	if cmd.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	for _, g := range cmd.Groups() {
		listCommands(w, cmd, g.ID, g.Title)
	}
	listCommands(w, cmd, "", "Commands:")
	own, settings := splitFlags(cmd)
	listFlags(w, "Flags:", own)
	listFlags(w, "Settings, also as MAYFLY_... variables and in the --config file:", settings)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nSee `%s COMMAND --help` for more about a command.\n", cmd.CommandPath())
	}
	_, err := io.WriteString(cmd.OutOrStderr(), w.String())
	return err
}

func useLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	return cmd.UseLine()
}

func listCommands(w *strings.Builder, cmd *cobra.Command, group, title string) {
	var rows []string
	for _, sub := range cmd.Commands() {
		if sub.GroupID == group && (sub.IsAvailableCommand() || sub.Name() == "help") {
			rows = append(rows, fmt.Sprintf("  %-*s  %s\n", cmd.Commands()[0].NamePadding(), sub.Name(), sub.Short))
		}
	}
	if len(rows) > 0 {
		fmt.Fprintf(w, "\n%s\n%s", title, strings.Join(rows, ""))
	}
}

func listFlags(w *strings.Builder, title string, flags *pflag.FlagSet) {
	if flags.HasAvailableFlags() {
		fmt.Fprintf(w, "\n%s\n%s", title, flags.FlagUsagesWrapped(helpWidth))
	}
}

// settingMark is the annotation of flags that come from settings.
const settingMark = "setting"

func splitFlags(cmd *cobra.Command) (own, settings *pflag.FlagSet) {
	own, settings = pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags, settings.SortFlags = false, false
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if _, ok := f.Annotations[settingMark]; ok {
			settings.AddFlag(f)
			return
		}
		own.AddFlag(f)
	})
	return own, settings
}

// markSettings annotates the flags of settings.
func markSettings(flags *pflag.FlagSet, settings []config.Setting) {
	for _, s := range settings {
		// Fails only for a flag that does not exist.
		_ = flags.SetAnnotation(s.Name, settingMark, nil)
	}
}

// helpCommand is "mayfly help topic publish", for those who type it that way.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND...]", Short: "Explain a command",
		RunE: func(cmd *cobra.Command, words []string) error {
			explained, rest, err := cmd.Root().Find(words)
			if err != nil {
				return usageError{cmd, err}
			}
			if len(rest) > 0 {
				return unknownCommand(explained, rest[0])
			}
			explained.InitDefaultHelpFlag()
			return explained.Help()
		},
	}
}

// flagNames lists the flags of a command that a user may know.
func flagNames(cmd *cobra.Command) []string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	slices.Sort(names)
	return names
}
