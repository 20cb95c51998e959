package cli

import (
	"io"
	"log/slog"
	"time"

	"github.com/lmittmann/tint"

	"github.com/mayfly-broker/mayfly/cmd/config"
)

// logOptions are the settings of a command that logs.
type logOptions struct {
	level, format string
	// threshold is the level that the logger keeps to.
	threshold slog.LevelVar
}

func (o *logOptions) settings() []config.Setting {
	o.level, o.format = "info", "auto"
	return []config.Setting{
		{Name: "log-level", Help: "least severe log line to write", Value: config.Choice(&o.level, "debug", "info", "warn", "error"), Live: true},
		{Name: "log-format", Help: "form of log lines; auto is coloured text on a terminal and JSON elsewhere", Value: config.Choice(&o.format, "auto", "text", "json")},
	}
}

// logger writes to w in the chosen form.
func (o *logOptions) logger(w io.Writer, colour bool) *slog.Logger {
	o.keepTo(o.level)
	options := &slog.HandlerOptions{Level: &o.threshold}
	terminal := isTerminal(w)
	switch {
	case o.format == "json", o.format == "auto" && !terminal:
		return slog.New(slog.NewJSONHandler(w, options))
	case terminal:
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: &o.threshold, TimeFormat: time.TimeOnly, NoColor: !colour}))
	default:
		return slog.New(slog.NewTextHandler(w, options))
	}
}

// keepTo has the logger write lines of a level and of more severe ones, from now on.
func (o *logOptions) keepTo(word string) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(word)); err != nil {
		panic("log level " + word + " passed its check") // the setting takes four words, all known to slog
	}
	o.threshold.Set(level)
}
