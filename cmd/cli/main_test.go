package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/mayfly-broker/mayfly/cmd/node"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // tables show times in the zone of the reader
	testscript.Main(leakChecked{m}, map[string]func(){
		"mayfly": func() { os.Exit(Main(tellingNode)) },
	})
}

// leakChecked fails a run of the tests that left a goroutine behind.
type leakChecked struct{ m *testing.M }

func (c leakChecked) Run() int {
	code := c.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// told is a node that tells how it was configured, on standard output.
type told struct {
	config node.Config
}

func (n told) Addr() string { return n.config.Listen }

func (n told) Adjust(node.Live) error { return nil }

// Run returns at once, or waits to be asked to stop, or does not even then.
func (n told) Run(ctx context.Context) error {
	switch os.Getenv("TEST_NODE") {
	case "waits":
		fmt.Println("running")
		<-ctx.Done()
		fmt.Println("stopped")
	case "hangs":
		fmt.Println("running")
		<-ctx.Done()
		fmt.Println("stopping")
		select {}
	}
	return nil
}

func tellingNode(ctx context.Context, config node.Config) (Node, error) {
	if os.Getenv("TEST_NODE") == "starts" {
		fmt.Println("starting")
		<-ctx.Done()
		return nil, fmt.Errorf("waiting for the others: %w", ctx.Err())
	}
	config.Logger.Debug("configured")
	config.Logger = nil
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, err
	}
	fmt.Printf("%s\n", text)
	return told{config: config}, nil
}
