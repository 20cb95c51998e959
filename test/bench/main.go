package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/mayfly-broker/mayfly/test/bench/echo"
	"github.com/mayfly-broker/mayfly/test/bench/load"
)

// The benchmark starts itself anew as its clients and as the echo server; the
// first argument says so.
const (
	roleClient = "client"
	roleEcho   = "echo"
)

func main() {
	err := run(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case roleClient:
			return load.Serve(os.Stdin, os.Stdout)
		case roleEcho:
			return serveEcho(args[1:])
		}
	}
	settings, err := parseSettings(args, os.Stderr)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return measure(ctx, settings, os.Stdout, os.Stderr)
}

// serveEcho is the echo server; its arguments are its address and the size of
// its answers.
func serveEcho(args []string) error {
	if len(args) != 2 {
		return errors.New("echo: want an address and a size")
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("echo: size: %w", err)
	}
	listener, err := net.Listen("tcp", args[0]) //nolint:noctx // answered at once
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return echo.Serve(ctx, listener, size)
}
