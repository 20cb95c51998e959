package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// settings say what is measured and for how long.
type settings struct {
	mayfly, nats, redis string // programs
	json                string // where the results go as JSON; empty for nowhere
	rounds              int
	seconds             float64
	only                []string
	short               bool

	deliveries    float64 // per second, at most, that a fan-out is paced for
	perConnection int
}

// sections are the parts of the benchmark, in their order.
var sections = []struct {
	name string
	run  func(*bench) error
}{
	{"fanout", (*bench).fanout},
	{"unary", (*bench).unary},
	{"fair", (*bench).fair},
	{"memory", (*bench).memory},
	{"collections", (*bench).collections},
	{"sse", (*bench).sse},
	{"cluster", (*bench).cluster},
}

// parseSettings reads the command line.
func parseSettings(args []string, out io.Writer) (settings, error) {
	var s settings
	var only string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&s.mayfly, "mayfly", "bin/mayfly", "the broker to measure")
	flags.StringVar(&s.nats, "nats", "bin/bench-nats-server", "the nats-server to measure beside it")
	flags.StringVar(&s.redis, "redis", "redis-server", "the redis-server to measure beside it, if there is one")
	flags.StringVar(&s.json, "json", "", "file for the results as JSON")
	flags.IntVar(&s.rounds, "rounds", 5, "rounds of each measurement; medians are reported")
	flags.Float64Var(&s.seconds, "seconds", 1.5, "length of a fan-out round; calls take half of it")
	flags.StringVar(&only, "only", "", "comma-separated sections: fanout, unary, fair, memory, collections, sse, cluster")
	flags.BoolVar(&s.short, "short", false, "three short rounds of fewer cases, to see that it works")
	flags.Float64Var(&s.deliveries, "deliveries", 200_000, "most deliveries per second that a fan-out is paced for")
	flags.IntVar(&s.perConnection, "per-connection", 100, "subscriptions that share a connection, where they do")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("argument %q is not understood; flags only", flags.Arg(0))
	}
	if only != "" {
		s.only = strings.Split(only, ",")
	}
	if s.short {
		s.rounds, s.seconds = min(s.rounds, 3), min(s.seconds, 0.6)
	}
	return s, s.validate()
}

func (s settings) validate() error {
	for _, name := range s.only {
		if !slices.ContainsFunc(sections, func(section struct {
			name string
			run  func(*bench) error
		}) bool {
			return section.name == name
		}) {
			return fmt.Errorf("-only %s: there is no such section; want fanout, unary, fair, memory, collections, sse or cluster", name)
		}
	}
	if s.rounds < 1 || s.seconds <= 0 || s.deliveries <= 0 || s.perConnection < 1 {
		return errors.New("-rounds, -seconds, -deliveries and -per-connection must be positive")
	}
	return nil
}

func (s settings) wants(section string) bool {
	return len(s.only) == 0 || slices.Contains(s.only, section)
}

// callSeconds is how long a round of calls lasts.
func (s settings) callSeconds() time.Duration {
	return time.Duration(s.seconds / 2 * float64(time.Second))
}
