package main

import (
	"fmt"
	"time"

	"github.com/mayfly-broker/mayfly/test/bench/load"
)

// sample is what one round of one server gave.
type sample struct {
	load.Report
	// CPU is the processor time that the server used.
	CPU time.Duration
	// RSS is the server's resident memory after the round, in bytes.
	RSS int64
}

// perMillion is the processor time in seconds for a million operations.
func (s sample) perMillion() float64 { return s.CPU.Seconds() / float64(s.Operations) * 1e6 }

// perSecond is how many operations were done per second.
func (s sample) perSecond() float64 { return float64(s.Operations) / s.Elapsed.Seconds() }

// contest lets the servers do the same task in turns, and returns the samples
// of each, round by round. A round in which one of them fails is told and left
// out for all.
func (b *bench) contest(name string, f fleet, task func(*server, int) load.Task) ([][]sample, error) {
	_, _ = fmt.Fprintf(b.log, "measuring %s\n", name)
	samples := make([][]sample, len(f))
	for round := range b.rounds {
		got := make([]sample, len(f))
		var failure error
		for turn := range f {
			place := turn
			if round%2 == 1 { // back and forth: nobody always comes first
				place = len(f) - 1 - turn
			}
			s, err := b.round(f[place], task(f[place], round))
			if err := b.ctx.Err(); err != nil {
				return nil, err
			}
			if err != nil {
				failure = fmt.Errorf("%s, round %d: %w", f[place].Name, round+1, err)
				break
			}
			got[place] = s
		}
		if failure != nil {
			b.failed++
			_, _ = fmt.Fprintf(b.out, "FAILED: %s: %v\n", name, failure)
			continue
		}
		for i := range f {
			samples[i] = append(samples[i], got[i])
		}
	}
	return samples, nil
}

// round lets a client do the task and measures what it costs the server.
func (b *bench) round(s *server, task load.Task) (sample, error) {
	if err := s.Ended(); err != nil {
		return sample{}, err
	}
	client, err := b.client(task)
	if err != nil {
		return sample{}, err
	}
	defer client.Close()
	before, err := s.CPU()
	if err != nil {
		return sample{}, err
	}
	report, err := client.Run()
	if err != nil {
		return sample{}, err
	}
	after, err := s.CPU()
	if err != nil {
		return sample{}, err
	}
	rss, err := s.RSS()
	return sample{Report: report, CPU: after - before, RSS: rss}, err
}
