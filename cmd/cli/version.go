package cli

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

// version is set by the linker: -X github.com/mayfly-broker/mayfly/cmd/cli.version=v1.2.3
var version string

// build says what a binary was built from.
type build struct {
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	GoVersion string `json:"go_version"`
	Platform  string `json:"platform,omitempty"`
}

// thisBuild is the build of this program, from the linker's version where it
// was given, else from what the Go tool recorded.
func thisBuild() build {
	b := build{Version: version, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	modified := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "-modified"
		}
	}
	if b.Commit != "" {
		b.Commit += modified
	}
	return b
}

// rows has a line for everything that is known.
func (b build) rows() [][2]string {
	rows := [][2]string{{"Version", printable(cmp.Or(b.Version, "unknown"))}}
	for _, row := range [][2]string{{"Commit", b.Commit}, {"Go", b.GoVersion}, {"Platform", b.Platform}} {
		if row[1] != "" {
			rows = append(rows, [2]string{row[0], printable(row[1])})
		}
	}
	return rows
}

func (p *Program) versionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print the version of this program, and on request of the server"}
	remote := cmd.Flags().Bool("remote", false, "ask the server for its version too")
	opts := p.newClientOptions()
	return p.leaf(cmd, opts.settings(), func(ctx context.Context, cmd *cobra.Command, _, _ []string) error {
		document := struct {
			Client build  `json:"client"`
			Server *build `json:"server,omitempty"`
		}{Client: thisBuild()}
		if *remote {
			server, err := p.remoteBuild(ctx, cmd, opts)
			if err != nil {
				return err
			}
			document.Server = server
		}
		return printer{p.Stdout, opts.output == "json"}.answer(document, func(w *strings.Builder) {
			pairs(w, document.Client.rows())
			if document.Server != nil {
				fmt.Fprintf(w, "\nServer at %s\n", opts.server)
				pairs(w, document.Server.rows())
			}
		})
	})
}

func (p *Program) remoteBuild(ctx context.Context, cmd *cobra.Command, opts *clientOptions) (*build, error) {
	s, err := p.newSession(cmd, opts, asAdmin)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.conn.Close() }()
	return s.serverBuild(ctx)
}

func (s *session) serverBuild(ctx context.Context) (*build, error) {
	answer, err := adminpb.NewAdminClient(s.conn).Version(ctx, &adminpb.VersionRequest{})
	if err != nil {
		return nil, err
	}
	return &build{Version: answer.GetVersion(), Commit: answer.GetCommit(), GoVersion: answer.GetGoVersion()}, nil
}
