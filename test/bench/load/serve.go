package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// job is a task being done.
type job interface {
	// prepare does everything that is not to be measured.
	prepare(ctx context.Context) error
	// run is what is measured.
	run(ctx context.Context) (Report, error)
	// close ends connections and goroutines.
	close()
}

// line is what the client process tells its parent.
type line struct {
	Report *Report `json:",omitempty"`
	Err    string  `json:",omitempty"`
}

// Serve is the client process: it reads a task, prepares it, says so, runs it
// when told to and reports. What it holds it keeps until in ends, which is also
// what ends it early.
func Serve(in io.Reader, out io.Writer) error {
	asked := json.NewDecoder(in)
	var task Task
	if err := asked.Decode(&task); err != nil {
		return fmt.Errorf("task: %w", err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	start, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		if asked.Decode(new(struct{})) == nil {
			close(start)
		}
		_ = asked.Decode(new(struct{})) // there is no third line: in has ended
		cancel(io.EOF)
	}()
	j, err := task.job()
	if err != nil {
		return err
	}
	defer j.close()
	tell := json.NewEncoder(out)
	err = j.prepare(ctx)
	if err := tell.Encode(outcome(nil, err)); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	select {
	case <-start:
	case <-ctx.Done():
		return nil
	}
	report, err := j.run(ctx)
	if err := tell.Encode(outcome(&report, err)); err != nil {
		return err
	}
	<-gone
	return err
}

func outcome(r *Report, err error) line {
	if err != nil {
		return line{Err: err.Error()}
	}
	return line{Report: r}
}
