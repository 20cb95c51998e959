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
}

func (o *logOptions) settings() []config.Setting {
	o.level, o.format = "info", "auto"
	return []config.Setting{
		{Name: "log-level", Help: "least severe log line to write", Value: config.Choice(&o.level, "debug", "info", "warn", "error")},
		{Name: "log-format", Help: "form of log lines; auto is coloured text on a terminal and JSON elsewhere", Value: config.Choice(&o.format, "auto", "text", "json")},
	}
}

// logger writes to w in the chosen form.
func (o *logOptions) logger(w io.Writer, colour bool) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.level)); err != nil {
		panic("log level " + o.level + " passed its check") // the setting takes four words, all known to slog
	}
	options := &slog.HandlerOptions{Level: level}
	terminal := isTerminal(w)
	switch {
	case o.format == "json", o.format == "auto" && !terminal:
		return slog.New(slog.NewJSONHandler(w, options))
	case terminal:
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !colour}))
	default:
		return slog.New(slog.NewTextHandler(w, options))
	}
}
