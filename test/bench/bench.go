package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mayfly-broker/mayfly/test/bench/load"
	"github.com/mayfly-broker/mayfly/test/bench/proc"
)

// bench is one run of the benchmark.
type bench struct {
	settings
	ctx    context.Context
	out    io.Writer // for results
	log    io.Writer // for what is going on
	dir    string    // temporary, for data and logs
	self   string    // this program
	result result
	failed int // rounds that lost something
}

var errInterrupted = errors.New("interrupted")

// measure runs the sections that are wanted, writes what they found to out and
// what is going on to log. Its children and its files are gone when it returns.
func measure(ctx context.Context, s settings, out, log io.Writer) (err error) {
	b := &bench{settings: s, ctx: ctx, out: out, log: log, result: newResult(s)}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "mayfly-bench-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	for _, section := range sections {
		if !s.wants(section.name) {
			continue
		}
		err := section.run(b)
		if ctx.Err() != nil {
			return errInterrupted
		}
		if err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
	}
	b.result.print(out)
	if s.json != "" {
		if err := b.result.write(s.json); err != nil {
			return err
		}
	}
	if b.failed > 0 {
		return fmt.Errorf("%d rounds failed", b.failed)
	}
	return nil
}

// server is a server under test.
type server struct {
	*proc.Child // the process that clients talk to
	// Name is what tables call it.
	Name   string
	system load.System
	addr   string
	// mates are the other processes of its cluster, whose cost counts too.
	mates []*proc.Child
}

// CPU is the processor time that the server has used, on all its nodes.
func (s *server) CPU() (time.Duration, error) {
	sum, err := s.Child.CPU()
	for _, mate := range s.mates {
		used, failure := mate.CPU()
		sum, err = sum+used, errors.Join(err, failure)
	}
	return sum, err
}

// RSS is the server's resident memory in bytes, on all its nodes.
func (s *server) RSS() (int64, error) {
	sum, err := s.Child.RSS()
	for _, mate := range s.mates {
		used, failure := mate.RSS()
		sum, err = sum+used, errors.Join(err, failure)
	}
	return sum, err
}

// Ended describes how the first process that should not have ended did; it is
// nil while all run.
func (s *server) Ended() error {
	err := s.Child.Ended()
	for _, mate := range s.mates {
		err = errors.Join(err, mate.Ended())
	}
	return err
}

// startPatience bounds how long a server may take to listen.
const startPatience = 30 * time.Second

// start starts a program with the arguments and waits until it listens.
func (b *bench) start(name string, system load.System, addr, path string, args ...string) (*server, error) {
	child, err := proc.Start(proc.Spec{Name: name, Path: path, Args: args, Env: environment(), Dir: b.dir})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(b.ctx, startPatience)
	defer cancel()
	if err := child.Await(ctx, addr); err != nil {
		child.Stop()
		return nil, err
	}
	return &server{Child: child, Name: name, system: system, addr: addr}, nil
}

// environment is ours without what would configure a broker.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MAYFLY_") {
			env = append(env, v)
		}
	}
	return env
}

// client starts a client process for the task and waits until it is ready.
func (b *bench) client(task load.Task) (*load.Client, error) {
	return load.Start(b.ctx, proc.Spec{Name: "client", Path: b.self, Args: []string{roleClient}, Env: environment(), Dir: b.dir}, task)
}
