package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/cli/starter"
)

const initChatHelp = `Write a chat into a new folder: a static page with the official Web SDK, and the
settings of a broker that vends its tokens. Its README.md says how it works, and
how to put it on the web.

Nothing is overwritten: a folder that is there must be empty.`

func (p *Program) initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "init", Short: "Begin an app in a new folder",
		Long: "Begin an app in a new folder, with all that it needs to run.",
	}
	cmd.AddCommand(p.initChat())
	return cmd
}

func (p *Program) initChat() *cobra.Command {
	cmd := &cobra.Command{
		Use: "chat", Short: "Write a chat in a static page", Long: initChatHelp,
		Example: "  mayfly init chat\n  mayfly init chat --dir team-chat",
	}
	dir := cmd.Flags().String("dir", starter.Chat, "`folder` to write it into")
	return p.leaf(cmd, nil, func(_ context.Context, cmd *cobra.Command, _, _ []string) error {
		if *dir == "" {
			return usagef(cmd, "--dir is empty; name a folder")
		}
		err := starter.Write(starter.Chat, *dir)
		switch {
		case errors.Is(err, starter.ErrNotEmpty):
			return fmt.Errorf("%w; name another one with --dir", err)
		case err != nil:
			return err
		}
		_, err = fmt.Fprintf(p.Stdout, `A chat is in %[2]s. Run it:

  cd %[2]s && %[1]s server --config mayfly.yaml

and from another terminal:

  cd %[2]s && npm install && npm start

Then open http://127.0.0.1:5173 twice, and talk.
`, p.fromAnywhere(), printable(*dir))
		return err
	})
}

// fromAnywhere is the name of the program as it works in other folders too.
func (p *Program) fromAnywhere() string {
	if !strings.ContainsRune(p.Name, filepath.Separator) {
		return p.Name
	}
	if path, err := filepath.Abs(p.Name); err == nil {
		return path
	}
	return p.Name
}
