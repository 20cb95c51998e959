package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// printer writes the answers of a command: JSON with names that stay, or text
// for people.
type printer struct {
	w    io.Writer
	json bool
}

// remark tells people something beside the answer, on a line of standard error.
// If that is closed there is nobody left to tell.
func (p *Program) remark(format string, args ...any) {
	_, _ = fmt.Fprintf(p.Stderr, format+"\n", args...)
}

// answer writes document as indented JSON, or else what human writes.
func (o printer) answer(document any, human func(w *strings.Builder)) error {
	if !o.json {
		text := &strings.Builder{}
		human(text)
		_, err := io.WriteString(o.w, text.String())
		return err
	}
	e := json.NewEncoder(o.w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}

// line writes document as one line of JSON.
func (o printer) line(document any) error {
	e := json.NewEncoder(o.w)
	e.SetEscapeHTML(false)
	return e.Encode(document)
}

// table aligns rows under a header. Cells hold no tabs and no line breaks.
func table(w *strings.Builder, header []string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		_, _ = fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // what is below is memory and cannot fail
}

// pairs aligns names and values, one pair per line.
func pairs(w *strings.Builder, rows [][2]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintf(t, "%s:\t%s\n", row[0], row[1])
	}
	_ = t.Flush()
}

// printable returns a value as it is when it is text that a terminal shows and
// nothing else, and quoted like a Go string otherwise: what somebody published
// must not steer the terminal of who looks at it.
func printable[T string | []byte](value T) string {
	text := string(value)
	if text == "" || text[0] == '"' || !utf8.ValidString(text) {
		return strconv.Quote(text)
	}
	for _, r := range text {
		if !strconv.IsPrint(r) {
			return strconv.Quote(text)
		}
	}
	return text
}

// value is a payload in JSON: text where it is text, base64 where it is not.
type value struct {
	Text   *string `json:"text,omitempty"`
	Base64 []byte  `json:"base64,omitempty"`
}

func asText(text string) value { return value{Text: &text} }

func asValue(raw []byte) value {
	if utf8.Valid(raw) {
		return asText(string(raw))
	}
	return value{Base64: raw}
}

func asValues(raws [][]byte) []value {
	values := make([]value, len(raws))
	for i, raw := range raws {
		values[i] = asValue(raw)
	}
	return values
}

// moment is a time in JSON, null for none.
func moment(epochSeconds uint64) *time.Time {
	if epochSeconds == 0 {
		return nil
	}
	t := time.Unix(int64(min(epochSeconds, maxEpoch)), 0).UTC()
	return &t
}

// maxEpoch is the end of the year 9999, the last that RFC 3339 can write.
const maxEpoch = 253402300799

// when is the time for people, in their zone.
func when(epochSeconds uint64, none string) string {
	if epochSeconds == 0 {
		return none
	}
	return moment(epochSeconds).Local().Format("2006-01-02 15:04:05")
}

// count writes "1 value" and "2 values".
func count(n uint32, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
