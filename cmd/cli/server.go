package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/node"
)

const serverHelp = `Run a broker that keeps its data.

With no configuration it listens on this machine only and stores its data in a
folder of the user who runs it. While no API key exists and only this machine
can reach it, calls need no credential; create the first key with
"mayfly key create" before listening on another address. On the same machine
that command finds the admin credential in the data folder by itself.

Limits, the numbers of connections and the log level may be changed in the file
of --config while it runs: it is read again when it has changed, and on SIGHUP.

The first SIGINT or SIGTERM stops gracefully, the second at once.`

const serverExample = `  mayfly server
  mayfly server --data-dir /srv/mayfly --listen 0.0.0.0:8080
  mayfly server --config /etc/mayfly.yaml`

// plan is what the settings of a server come to.
type plan struct {
	cfg  node.Config
	file string // with settings; empty for none
	logs logOptions

	settings []config.Setting
	set      *config.Set // of the settings, and of what only a file holds
}

// newPlan makes a plan of defaults, and the settings that change it.
func (p *Program) newPlan() *plan {
	s := &plan{cfg: node.DefaultConfig()}
	s.cfg.DataDir = p.defaultDataDir()
	if host, err := os.Hostname(); err == nil {
		s.cfg.NameHint = nodeName(host)
	}
	s.settings = append(serverSettings(&s.cfg), fileSetting(&s.file))
	s.settings = append(s.settings, s.logs.settings()...)
	s.settings = append(s.settings, limitSettings(&s.cfg.Limits)...)
	s.settings = append(s.settings, memorySetting(&s.cfg.Memory))
	s.set = p.settings.NewSet(s.settings...)
	s.set.AddSections(p.vendSection(&s.cfg.Vend), usageSection(&s.cfg.Usage))
	return s
}

func (p *Program) serverCommand() *cobra.Command {
	began := p.newPlan()
	cmd := &cobra.Command{Use: "server", Short: "Run a broker that keeps its data", Long: serverHelp, Example: serverExample}
	return p.leafOf(cmd, began.set, began.settings, func(ctx context.Context, cmd *cobra.Command, _, strangers []string) error {
		if began.cfg.DataDir == "" {
			return usagef(cmd, "--data-dir is empty; name a folder, or use `mayfly dev` to keep everything in memory")
		}
		began.cfg.Logger = p.nodeLogger(&began.logs, strangers)
		if err := began.cfg.Validate(); err != nil {
			return usageError{cmd, err}
		}
		r := &runner{cfg: began.cfg}
		defer p.follow(ctx, cmd.Flags(), began, r)()
		return p.runNode(ctx, cmd, r, func(string) {})
	})
}

// nodeLogger returns the logger of a node, after telling it what the
// environment holds that the node will not obey.
func (p *Program) nodeLogger(logs *logOptions, strangers []string) *slog.Logger {
	logger := logs.logger(p.Stderr, p.getenv("NO_COLOR") == "")
	for _, variable := range strangers {
		logger.Warn("ignoring an environment variable that is no setting", slog.String("variable", variable))
	}
	return logger
}

// runNode runs a broker until ctx ends. Once the broker can be
// reached, ready is told its client address.
func (p *Program) runNode(ctx context.Context, cmd *cobra.Command, r *runner, ready func(addr string)) error {
	cfg := r.config()
	if err := cfg.Validate(); err != nil {
		return usageError{cmd, err}
	}
	limitMemory(cfg.Memory)
	for {
		n, err := r.start(cmd.Context(), p.NewNode)
		switch {
		case errors.Is(err, context.Canceled) && ctx.Err() != nil:
			cfg.Logger.Info("stopped before it served")
			return nil //nolint:nilerr // it is the user who ended it
		case err != nil:
			return startError(err)
		}
		ready(n.Addr())
		err = n.Run(ctx)
		r.ended()
		switch {
		case errors.Is(err, node.ErrReborn):
			continue // as a member of the cluster it was told to join
		case errors.Is(err, node.ErrLeft):
			cfg.Logger.Info("this node has left its cluster, and ends")
			return nil
		case err != nil && !errors.Is(err, context.Canceled):
			return startError(err)
		default:
			return nil
		}
	}
}

// startError adds the way out to the two failures that every newcomer meets.
func startError(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; another program listens there, choose a free address with --listen, --peer-listen or --gossip-listen", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; choose a folder that you may write with --data-dir", err)
	default:
		return err
	}
}
