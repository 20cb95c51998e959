package replica

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
)

// raftLog writes what raft logs to a slog.Logger. Raft talks about every step
// of an election and every snapshot: that is detail here. Its warnings become
// information, or detail while a replica starts, where standing for election
// after a silence is the plan.
//
// What concerns another node is detail, however loud raft is about it: every
// group repeats it many times a second while a node is away, and whoever owns
// the connections says it once.
type raftLog struct {
	out     *slog.Logger
	name    string
	implied []any
	calm    *atomic.Bool // set once the group has had a leader
}

var _ hclog.Logger = raftLog{}

func newRaftLog(out *slog.Logger) raftLog {
	return raftLog{out: out, name: "raft", calm: new(atomic.Bool)}
}

func (l raftLog) level(level hclog.Level) slog.Level {
	switch {
	case level >= hclog.Error:
		return slog.LevelError
	case level == hclog.Warn && l.calm.Load():
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}

// Log implements hclog.Logger.
func (l raftLog) Log(level hclog.Level, msg string, args ...any) {
	if level == hclog.Trace || level == hclog.Off {
		return
	}
	at := l.level(level)
	if l.aboutPeer(args) {
		at = slog.LevelDebug
	}
	if !l.out.Enabled(context.Background(), at) {
		return
	}
	attrs := append(append([]any{"part", l.name}, l.implied...), args...)
	for i, arg := range attrs {
		if f, ok := arg.(hclog.Format); ok {
			attrs[i] = formatted(f)
		}
	}
	l.out.Log(context.Background(), at, msg, attrs...)
}

// aboutPeer reports whether a line is about another replica or a connection to
// one.
func (l raftLog) aboutPeer(args []any) bool {
	if strings.HasSuffix(l.name, ".net") {
		return true
	}
	for i := 0; i < len(args); i += 2 {
		if key, _ := args[i].(string); key == "peer" || key == "target" || key == "server-id" {
			return true
		}
	}
	return false
}

// Trace implements hclog.Logger.
func (l raftLog) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }

// Debug implements hclog.Logger.
func (l raftLog) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }

// Info implements hclog.Logger.
func (l raftLog) Info(msg string, args ...any) { l.Log(hclog.Info, msg, args...) }

// Warn implements hclog.Logger.
func (l raftLog) Warn(msg string, args ...any) { l.Log(hclog.Warn, msg, args...) }

// Error implements hclog.Logger.
func (l raftLog) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l raftLog) enabled(level hclog.Level) bool {
	return l.out.Enabled(context.Background(), l.level(level))
}

// IsTrace implements hclog.Logger.
func (l raftLog) IsTrace() bool { return false }

// IsDebug implements hclog.Logger.
func (l raftLog) IsDebug() bool { return l.enabled(hclog.Debug) }

// IsInfo implements hclog.Logger.
func (l raftLog) IsInfo() bool { return l.enabled(hclog.Info) }

// IsWarn implements hclog.Logger.
func (l raftLog) IsWarn() bool { return l.enabled(hclog.Warn) }

// IsError implements hclog.Logger.
func (l raftLog) IsError() bool { return l.enabled(hclog.Error) }

// ImpliedArgs implements hclog.Logger.
func (l raftLog) ImpliedArgs() []any { return l.implied }

// With implements hclog.Logger.
func (l raftLog) With(args ...any) hclog.Logger {
	l.implied = append(append([]any(nil), l.implied...), args...)
	return l
}

// Name implements hclog.Logger.
func (l raftLog) Name() string { return l.name }

// Named implements hclog.Logger.
func (l raftLog) Named(name string) hclog.Logger { return l.ResetNamed(l.name + "." + name) }

// ResetNamed implements hclog.Logger.
func (l raftLog) ResetNamed(name string) hclog.Logger {
	l.name = name
	return l
}

// SetLevel implements hclog.Logger; the level is that of the slog.Logger.
func (l raftLog) SetLevel(hclog.Level) {}

// GetLevel implements hclog.Logger.
func (l raftLog) GetLevel() hclog.Level {
	if l.IsDebug() {
		return hclog.Debug
	}
	return hclog.Info
}

// StandardLogger implements hclog.Logger.
func (l raftLog) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.out.Handler(), slog.LevelDebug)
}

// StandardWriter implements hclog.Logger.
func (l raftLog) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return l.StandardLogger(nil).Writer()
}

// formatted renders hclog's deferred formats.
func formatted(f hclog.Format) string {
	if len(f) == 0 {
		return ""
	}
	layout, ok := f[0].(string)
	if !ok {
		return fmt.Sprint(f...)
	}
	return fmt.Sprintf(layout, f[1:]...)
}
