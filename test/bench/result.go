package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

// result is everything that a run has found, as it is written to a file.
type result struct {
	Time      time.Time
	GoVersion string
	CPUs      int
	Rounds    int
	Seconds   float64
	Tables    []table
	Measured  []measured
	Verdicts  []verdict
}

// measured are the samples of one server in one measurement, by round. Times
// are in nanoseconds, memory in bytes.
type measured struct {
	Name, Server string
	Samples      []sample
}

// verdict is a target and whether it was met.
type verdict struct {
	Name, Server, Against string
	// Ratio is what was measured, Limit the most that it may be. A ratio of 0
	// is unknown, since no round succeeded.
	Ratio, Limit float64
	Met          bool
}

func newResult(s settings) result {
	return result{Time: time.Now(), GoVersion: runtime.Version(), CPUs: runtime.NumCPU(), Rounds: s.rounds, Seconds: s.seconds}
}

func (r *result) add(name, server string, samples []sample) {
	r.Measured = append(r.Measured, measured{Name: name, Server: server, Samples: samples})
}

// show keeps a table and prints it at once: a run takes minutes.
func (r *result) show(out io.Writer, t table) {
	r.Tables = append(r.Tables, t)
	t.print(out)
}

func (r *result) judge(name, against, server string, measured ratio, limit float64) {
	r.Verdicts = append(r.Verdicts, verdict{
		Name: name, Server: server, Against: against, Ratio: float64(measured), Limit: limit,
		Met: measured > 0 && float64(measured) <= limit,
	})
}

// print writes the verdicts.
func (r *result) print(out io.Writer) {
	if len(r.Verdicts) == 0 {
		return
	}
	_, _ = fmt.Fprint(out, "\nTargets (server CPU per operation, as a multiple of the other's)\n\n")
	for _, v := range r.Verdicts {
		word := "NOT MET"
		if v.Met {
			word = "met"
		}
		_, _ = fmt.Fprintf(out, "  %-8s %s of %.1f  %s, %s beside %s\n", word, ratio(v.Ratio), v.Limit, v.Name, v.Server, v.Against)
	}
}

// write writes the result to a file as JSON.
func (r *result) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
