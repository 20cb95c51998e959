package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/mayfly-broker/mayfly/test/bench/load"
)

const (
	// outstanding is how many writes the noisy client has under way, on so many
	// connections that no limit of one of them holds it back.
	outstanding, perConnection = 10_240, 40
	// growing is how long the noisy client is at it before the other is measured.
	growing = 3 * time.Second
)

// fair measures how long the writes of one caller take beside those of another
// that has ten thousand of them outstanding, each with an API key of its own.
func (b *bench) fair() error {
	f, err := b.raise(mayflyServer)
	if err != nil {
		return err
	}
	defer f.stop()
	s := f[0]
	noisyKey, err := b.createKey(s, "", "--superuser")
	if err != nil {
		return err
	}
	quietKey, err := b.createKey(s, noisyKey, "--allow", "cache:readwrite:"+load.Cache)
	if err != nil {
		return err
	}
	lasting := 8 * b.callSeconds() // the one caller makes few calls
	task := func(key string, call load.Call, callers int, lasting time.Duration) load.Task {
		return load.Task{System: s.system, Addr: s.addr, Unary: &load.Unary{
			Call: call, Callers: callers, PerConnection: perConnection, Key: key, Payload: echoSize, Lasting: lasting,
		}}
	}
	noise := task(noisyKey, load.Set, outstanding, lasting+2*growing)
	t := table{
		Title:   fmt.Sprintf("One caller beside %s outstanding writes of another API key, values of %d bytes", number(outstanding), echoSize),
		Columns: []string{"call", "server", "calls/s", "p50", "p99", "p99.9"},
		Note:    "all on this machine: what the noisy client itself needs of the processors is in the figures",
	}
	for _, call := range []load.Call{load.Get, load.Set} {
		var alone, beside, noisy []sample
		for round := range b.rounds {
			_, _ = fmt.Fprintf(b.log, "measuring fairness of %s, round %d\n", call, round+1)
			one, err := b.round(s, task(quietKey, call, 1, lasting))
			if err != nil {
				return err
			}
			alone = append(alone, one)
			one, many, err := b.besideNoise(task(quietKey, call, 1, lasting), noise)
			if err != nil {
				return err
			}
			beside, noisy = append(beside, one), append(noisy, many)
		}
		for _, row := range []struct {
			what    string
			samples []sample
		}{{"alone", alone}, {"beside", beside}, {"the noise", noisy}} {
			name := fmt.Sprintf("%s, %s", call, row.what)
			b.result.add("fairness, "+name, s.Name, row.samples)
			t.Rows = append(t.Rows, append([]string{name, s.Name, number(medianOf(row.samples, sample.perSecond))}, latencies(row.samples)...))
		}
	}
	b.result.show(b.out, t)
	return nil
}

// besideNoise does a task while another, which lasts longer, is under way.
func (b *bench) besideNoise(task, noise load.Task) (quiet, noisy sample, err error) {
	one, err := b.client(task)
	if err != nil {
		return sample{}, sample{}, err
	}
	defer one.Close()
	many, err := b.client(noise)
	if err != nil {
		return sample{}, sample{}, err
	}
	defer many.Close()
	type outcome struct {
		load.Report
		error
	}
	ended := make(chan outcome, 1)
	go func() {
		report, err := many.Run()
		ended <- outcome{report, err}
	}()
	early := errors.New("the noisy client ended early")
	select {
	case <-time.After(growing):
	case o := <-ended:
		return sample{}, sample{}, errors.Join(early, o.error)
	}
	report, err := one.Run()
	select {
	case o := <-ended:
		return sample{}, sample{}, errors.Join(early, o.error, err)
	default:
	}
	o := <-ended
	return sample{Report: report}, sample{Report: o.Report}, errors.Join(err, o.error)
}

// createKey makes an API key, with another one that may do so, if there is one.
func (b *bench) createKey(s *server, with string, permissions ...string) (string, error) {
	cmd := exec.CommandContext(b.ctx, b.mayfly, append([]string{"key", "create", "--server", s.addr, "-o", "json"}, permissions...)...)
	cmd.Env = append(environment(), "MAYFLY_API_KEY="+with)
	cmd.Stderr = b.log
	answer, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("create an API key: %w", err)
	}
	var made struct {
		APIKey string `json:"api_key"`
	}
	err = json.Unmarshal(answer, &made)
	return made.APIKey, err
}
