package main

import (
	"context"
	"os"

	"github.com/mayfly-broker/mayfly/cmd/cli"
	"github.com/mayfly-broker/mayfly/cmd/node"
)

func main() { os.Exit(cli.Main(newNode)) }

func newNode(ctx context.Context, config node.Config) (cli.Node, error) {
	n, err := node.New(ctx, config)
	if err != nil {
		return nil, err // not n: a nil *node.Node is not a nil cli.Node
	}
	return n, nil
}
