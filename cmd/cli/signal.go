package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// exitImpatient is what shells report for a program ended by SIGINT.
const exitImpatient = 128 + int(syscall.SIGINT)

// untilSignal returns a context that the first SIGINT or SIGTERM cancels. A
// second one ends the process on the spot, whatever it is doing: a stop that
// takes too long is the user's to cut short. The second signal is acted on here
// and not left to the system, since process 1 of a container ignores what it
// does not handle.
func untilSignal(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for cancelled := false; ; cancelled = true {
			select {
			case <-done:
				return
			case <-signals:
				if cancelled {
					os.Exit(exitImpatient)
				}
				cancel()
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
