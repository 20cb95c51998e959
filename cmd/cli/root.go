package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
)

const rootHelp = `Mayfly is a self-hosted broker for real-time apps: topics to publish and
subscribe, caches to keep lists and values. The Momento SDKs are its clients.

Start one now with "mayfly dev", or one that keeps its data with
"mayfly server". The other commands talk to a running broker.

A setting, such as --data-dir or --server, is also an environment variable
(MAYFLY_DATA_DIR) and a key of the YAML file given with --config
(data-dir: /srv/mayfly). A flag wins over the environment, the environment over
the file. What vends tokens to pages is in the file alone, under vend.

Exit codes: 0 done, 1 failed, 2 wrong usage.`

// rootCommand builds the whole tree of commands for one invocation.
func (p *Program) rootCommand() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "mayfly",
		Short: "A broker for real-time apps",
		Long:  rootHelp,
	})
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.SetFlagErrorFunc(p.flagError)
	root.SetUsageFunc(usage)
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run a broker:"}, &cobra.Group{ID: "use", Title: "Use a broker:"},
		&cobra.Group{ID: "operate", Title: "Run a cluster of brokers:"})
	for _, cmd := range []*cobra.Command{p.serverCommand(), p.devCommand(), p.initCommand(), p.vendCommand(), p.certsCommand()} {
		cmd.GroupID = "run"
		root.AddCommand(cmd)
	}
	for _, cmd := range p.clientCommands() {
		cmd.GroupID = "use"
		root.AddCommand(cmd)
	}
	for _, cmd := range []*cobra.Command{p.nodeCommand(), p.clusterCommand(), p.usageCommand(), p.signingKeyCommand(), p.auditCommand()} {
		cmd.GroupID = "operate"
		root.AddCommand(cmd)
	}
	root.AddCommand(p.versionCommand())
	root.SetHelpCommand(helpCommand())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.HasSubCommands() {
			group(cmd)
		}
	}
	return root
}

// group makes a command that only holds others name what it holds, and refuse
// what it does not.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknownCommand(cmd, args[0])
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return usagef(cmd, "%s needs one of: %s", cmd.CommandPath(), strings.Join(subcommands(cmd), ", "))
	}
	return cmd
}

func subcommands(cmd *cobra.Command) []string {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}

func unknownCommand(cmd *cobra.Command, word string) error {
	near := config.Nearest(word, subcommands(cmd))
	return usagef(cmd, "unknown command %q for %s%s", word, cmd.CommandPath(), config.DidYouMean(near))
}

// leaf finishes a command that does something: settings, arguments as its Use
// line names them, and run. Run sees settings from all layers.
func (p *Program) leaf(cmd *cobra.Command, settings []config.Setting, run func(ctx context.Context, cmd *cobra.Command, args, strangers []string) error, sections ...config.Section) *cobra.Command {
	set := p.settings.NewSet(settings...)
	set.AddSections(sections...)
	return p.leafOf(cmd, set, settings, run)
}

// leafOf is leaf for who has a set of the settings.
func (p *Program) leafOf(cmd *cobra.Command, set *config.Set, settings []config.Setting, run func(ctx context.Context, cmd *cobra.Command, args, strangers []string) error) *cobra.Command {
	set.AddFlags(cmd.Flags())
	markSettings(cmd.Flags(), settings)
	for _, s := range settings {
		if words := config.Words(s.Value); words != nil {
			// Fails only for a flag that does not exist or has one already.
			_ = cmd.RegisterFlagCompletionFunc(s.Name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	cmd.Flags().SortFlags = false
	cmd.Args = checkArgs
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		strangers, err := set.Load(cmd.Flags(), p.Environ)
		if err != nil {
			return usageError{cmd, err}
		}
		return run(cmd.Context(), cmd, args, strangers)
	}
	return cmd
}

// exclude makes two flags of a command exclude each other.
func exclude(cmd *cobra.Command, one, other string) {
	cmd.MarkFlagsMutuallyExclusive(one, other) // so that completion offers one of them
	earlier := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed(one) && cmd.Flags().Changed(other) {
			return usagef(cmd, "--%s and --%s exclude each other", one, other)
		}
		if earlier != nil {
			return earlier(cmd, args)
		}
		return nil
	}
}

// checkArgs compares the arguments with the Use line: NAME is required, [NAME]
// optional, and ... takes any number.
func checkArgs(cmd *cobra.Command, args []string) error {
	wanted := strings.Fields(cmd.Use)[1:]
	for i, word := range wanted {
		if strings.HasPrefix(word, "[") {
			if strings.HasSuffix(word, "...]") {
				return nil
			}
			continue
		}
		if i >= len(args) {
			return usagef(cmd, "%s is missing; usage: %s", word, cmd.UseLine())
		}
	}
	if len(args) > len(wanted) {
		return usagef(cmd, "unexpected argument %q; usage: %s", args[len(wanted)], cmd.UseLine())
	}
	return nil
}

// clientCommands are the groups that talk to a running broker.
func (p *Program) clientCommands() []*cobra.Command {
	return []*cobra.Command{p.cacheCommand(), p.topicCommand(), p.listCommand(), p.webhookCommand(), p.keyCommand(), p.tokenCommand(), p.doctorCommand()}
}
