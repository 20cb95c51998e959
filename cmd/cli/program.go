package cli

import (
	"context"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/node"
)

// What a finished command tells the shell. A miss, such as popping from a list
// that does not exist, is an answer and not a failure.
const (
	ExitOK      = 0 // done; for what runs until it is ended, ended by the user
	ExitFailure = 1 // the command was understood and could not be done
	ExitUsage   = 2 // the command was not understood: flags, arguments, settings
)

// Node is a broker inside this process.
type Node interface {
	// Addr is the client address as host:port, with the port that was bound.
	Addr() string
	// Run serves until ctx is done and the graceful stop has finished.
	Run(ctx context.Context) error
	// Adjust has the broker keep to other settings, from when it is there until
	// Run has returned.
	Adjust(live node.Live) error
}

// Program is one invocation of the command and its surroundings. The zero value
// of an optional field means what the operating system offers.
type Program struct {
	// Name is how the user called the program, for commands to copy.
	Name string
	// Stdin, Stdout and Stderr are required.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Environ is the environment as in os.Environ.
	Environ []string
	// NewNode builds the broker of the server and dev commands.
	NewNode func(context.Context, node.Config) (Node, error)
	// Dial opens the connection of the client commands; nil is TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	settings *config.Registry
	args     []string
}

// Main runs the command line of this process and returns its exit code. The
// first SIGINT or SIGTERM ends the command gracefully, the second at once.
func Main(newNode func(context.Context, node.Config) (Node, error)) int {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	p := Program{
		Name:    os.Args[0],
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Environ: os.Environ(),
		NewNode: newNode,
	}
	return p.Run(ctx, os.Args[1:])
}

// Run executes one command line, without the program's name, and returns the
// exit code. It may be called once.
func (p *Program) Run(ctx context.Context, args []string) int {
	p.settings, p.args = config.NewRegistry(), args
	root := p.rootCommand() //nolint:contextcheck // cobra hands ctx to the commands, below
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		return p.report(err)
	}
	return ExitOK
}

// getenv returns the last value of a variable of the invocation.
func (p *Program) getenv(name string) string {
	value := ""
	for _, pair := range p.Environ {
		if key, v, ok := strings.Cut(pair, "="); ok && key == name {
			value = v
		}
	}
	return value
}

// isTerminal reports whether a person is at the other end of a stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
