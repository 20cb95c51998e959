package gossip

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxLogText is where text that others had a hand in is cut, in bytes.
	maxLogText = 256
	// maxLine is as much of a line of the library as is looked at, in bytes: the
	// longest label of a stranger, quoted, and what stands around it.
	maxLine = 2048
	// Per logWindow a journal writes logAlike lines that begin alike, one of each
	// stranger, and logLines in all; the rest is counted. Strangers can cause lines
	// at will.
	logWindow = time.Minute
	logAlike  = 5
	logLines  = 60
	// alikeBytes is how much of a line decides what it is like: in this package
	// and in the library that is mostly fixed text.
	alikeBytes = 32
)

// journal writes to the log, within bounds. The library and this package have
// one each, so that the first cannot drown the second.
type journal struct {
	log *slog.Logger
	// strangers counts what came from who is not of the cluster, whether or not a line
	// of it is written.
	strangers *atomic.Uint64

	mu      sync.Mutex
	since   time.Time // begin of the window
	alike   map[string]int
	lines   int
	leftOut int
}

func newJournal(log *slog.Logger) *journal {
	return &journal{log: log, strangers: new(atomic.Uint64), alike: make(map[string]int)}
}

func (j *journal) warn(msg string, args ...any) { j.put(slog.LevelWarn, "", msg, args...) }

func (j *journal) info(msg string, args ...any) { j.put(slog.LevelInfo, "", msg, args...) }

// stranger counts one who is not of the cluster, and warns of it.
func (j *journal) stranger(from, msg string, args ...any) {
	j.strangers.Add(1)
	j.put(slog.LevelWarn, hostOf(from), msg, append(args, "from", from)...)
}

// put writes a line. who is the stranger that has caused it, empty for none.
func (j *journal) put(level slog.Level, who, msg string, args ...any) {
	ctx := context.Background()
	if !j.log.Enabled(ctx, level) {
		return
	}
	leftOut, ok := j.admit(msg[:min(len(msg), alikeBytes)], who, time.Now())
	if !ok {
		return
	}
	if leftOut > 0 {
		args = append(args, "lines_left_out", leftOut)
	}
	j.log.Log(ctx, level, msg, args...)
}

// admit tells whether a line may be written, and how many the last window left
// out if this is the first of a new one.
func (j *journal) admit(like, who string, now time.Time) (leftOut int, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if now.Sub(j.since) >= logWindow {
		leftOut, j.leftOut = j.leftOut, 0
		j.since, j.lines = now, 0
		clear(j.alike)
	}
	ofWho := like + "\n" + who // no line begins so
	if j.lines >= logLines || j.alike[like] >= logAlike || who != "" && j.alike[ofWho] > 0 {
		j.leftOut++
		return 0, false
	}
	j.lines++
	j.alike[like]++
	if who != "" {
		j.alike[ofWho]++
	}
	return leftOut, true
}

// Write takes one line of the library's own log, which tells the level in
// brackets. Whatever it calls an error concerns a peer or a stranger, never
// this node's data, so it is a warning at most.
func (j *journal) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line[:min(len(line), maxLine)]))
	level := slog.LevelWarn
	if strings.HasPrefix(text, "[") {
		name, rest, _ := strings.Cut(text[1:], "]")
		text = strings.TrimSpace(rest)
		switch name {
		case "DEBUG":
			level = slog.LevelDebug
		case "INFO":
			level = slog.LevelInfo
		}
	}
	text = strings.TrimPrefix(text, "memberlist: ")
	who := ""
	if strange(text) {
		j.strangers.Add(1)
		who = sender(text)
	}
	text = clip(text)
	if hint := explain(text); hint != "" {
		j.put(level, who, "gossip: "+text, "hint", hint)
	} else {
		j.put(level, who, "gossip: "+text)
	}
	return len(line), nil
}

// strangeWords are what the library says, in lower case, of packets and streams that
// are not of the cluster: under another label, or another key, or of no gossip at all.
var strangeWords = []string{
	undecipherable, "with unacceptable label", "cannot decode label", "label header cannot be empty", "double packet label", "double stream label",
	"remote state is not encrypted", "unsupported encryption version", "too small to decrypt", errCipher.Error(), "cannot decrypt empty", "udp packet too short",
}

// strange reports whether a line of the library is about a stranger.
func strange(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(strangeWords, func(words string) bool { return strings.Contains(text, words) })
}

// sender is the machine that a line of the library is about, which it names last;
// empty if it names none.
func sender(text string) string {
	at := strings.LastIndex(text, "from=")
	if at < 0 {
		return ""
	}
	return hostOf(text[at+len("from="):])
}

// hostOf leaves the port of an address out.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// clip cuts text of others to maxLogText bytes.
func clip(s string) string {
	if len(s) <= maxLogText {
		return s
	}
	return strings.ToValidUTF8(s[:maxLogText], "") + "…"
}

const hintHungUp = "the other side hung up: it may belong to another cluster, hold another secret, or not be a gossip port"

// undecipherable is what the library says of a packet or stream of another secret.
const undecipherable = "no installed keys"

// hints say what a message of the library may mean.
var hints = []struct{ part, means string }{
	{"unacceptable label", "a node of another cluster talks to this address, see its cluster id"},
	{undecipherable, "one of the two nodes holds another gossip secret"},
	{"not encrypted", "the other side gossips without a secret, or is no node"},
	{"EOF", hintHungUp},
	{"connection reset", hintHungUp},
	{"closed pipe", hintHungUp},
}

// explain gives the hint for a message, or nothing.
func explain(msg string) string {
	for _, h := range hints {
		if strings.Contains(msg, h.part) {
			return h.means
		}
	}
	return ""
}
