package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/mayfly-broker/mayfly/cmd/config"
)

// reloadPoll is how often the settings file is looked at. What it holds counts when it
// was the same twice: who writes a file in place may be half way.
const reloadPoll = 2 * time.Second

// reloader takes up what changes in the settings file of a server that runs. One
// goroutine uses it.
type reloader struct {
	file   string // empty for none
	read   func() (*plan, error)
	adjust func(*plan) error
	logger *slog.Logger

	began   *config.Set // what takes effect at a start only is compared with it
	inForce *config.Set
	// seen is what the file held when it was last looked at, and taken what it held
	// when it was last taken up or refused.
	seen, taken string
}

// follow takes up what changes in the settings file, when it has changed and on
// SIGHUP, until it is stopped. Given are the flags of the command line, and began what
// they and all else came to.
func (p *Program) follow(ctx context.Context, given *pflag.FlagSet, began *plan, r *runner) (stop func()) {
	l := newReloader(began, func() (*plan, error) { return p.planAgain(given) }, func(next *plan) error {
		if err := r.adjust(next.cfg.Live()); err != nil {
			return err
		}
		began.logs.keepTo(next.logs.level)
		return nil
	})
	ctx, cancel := context.WithCancel(ctx)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(reloadPoll)
		defer tick.Stop()
		l.run(ctx, tick.C, hangups)
	})
	return func() {
		cancel()
		running.Wait()
		signal.Stop(hangups)
	}
}

// planAgain makes a plan as the first one was made, with the file as it is now.
func (p *Program) planAgain(given *pflag.FlagSet) (*plan, error) {
	next := p.newPlan()
	flags := pflag.NewFlagSet("again", pflag.ContinueOnError)
	next.set.AddFlags(flags)
	if err := config.Repeat(given, flags); err != nil {
		return nil, err
	}
	if _, err := next.set.Load(flags, p.Environ); err != nil {
		return nil, err
	}
	return next, next.cfg.Validate()
}

func newReloader(began *plan, read func() (*plan, error), adjust func(*plan) error) *reloader {
	l := &reloader{file: began.file, read: read, adjust: adjust, logger: began.cfg.Logger, began: began.set, inForce: began.set}
	l.seen = l.content()
	l.taken = l.seen
	return l
}

// run looks whenever it is time to, until ctx ends.
func (l *reloader) run(ctx context.Context, ticks <-chan time.Time, hangups <-chan os.Signal) {
	for {
		select {
		case <-ticks:
			l.look()
		case <-hangups:
			l.hangUp()
		case <-ctx.Done():
			return
		}
	}
}

// look takes up what the file holds if that is new, and has been there for a while.
func (l *reloader) look() {
	if l.file == "" {
		return
	}
	found := l.content()
	settled := found == l.seen
	l.seen = found
	if settled && found != l.taken {
		l.take()
	}
}

// hangUp takes up what the file holds now.
func (l *reloader) hangUp() {
	if l.file == "" {
		l.logger.Info("SIGHUP: there is no settings file to read again; name one with --config at the next start")
		return
	}
	l.seen = l.content()
	l.take()
}

// content is what the file holds, or why that is not known.
func (l *reloader) content() string {
	if l.file == "" {
		return ""
	}
	text, err := readSome(l.file, config.MaxFile)
	if err != nil {
		return "unreadable: " + err.Error()
	}
	return "file: " + string(text)
}

// take puts into force what may change, and names what may not. A file with anything
// wrong in it changes nothing.
func (l *reloader) take() {
	l.taken = l.seen
	next, err := l.read()
	var news []string
	if err == nil {
		for _, d := range config.Differences(l.inForce, next.set) {
			if d.Live {
				news = append(news, d.Text)
			}
		}
		err = l.adjust(next)
	}
	if err != nil {
		l.logger.Warn("the settings file was not taken up; the settings in force stay", slog.String("file", l.file), slog.Any("err", err))
		return
	}
	l.inForce = next.set
	if len(news) > 0 {
		l.logger.Info("settings taken up", slog.String("file", l.file), slog.String("now", strings.Join(news, "; ")))
	} else {
		l.logger.Info("the settings file was read again; nothing of it changes what runs", slog.String("file", l.file))
	}
	for _, d := range config.Differences(l.began, next.set) {
		if !d.Live {
			l.logger.Warn(fmt.Sprintf("%s takes effect at the next start", d.Name), slog.String("file", l.file), slog.String("setting", d.Text))
		}
	}
}
