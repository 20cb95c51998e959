package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// table is what a section prints. The first columns up to "server" are words,
// the others numbers.
type table struct {
	Title   string
	Columns []string
	Rows    [][]string
	Note    string
}

// print writes the table with columns just wide enough.
func (t table) print(out io.Writer) {
	width := make([]int, len(t.Columns))
	for _, row := range append([][]string{t.Columns}, t.Rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	words := 1
	for i, column := range t.Columns {
		if column == "server" {
			words = i + 1
		}
	}
	_, _ = fmt.Fprintf(out, "\n%s\n\n", t.Title)
	for _, row := range append([][]string{t.Columns}, t.Rows...) {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i < words {
				line.WriteString("  " + cell + pad)
			} else {
				line.WriteString("  " + pad + cell)
			}
		}
		_, _ = fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
	_, _ = fmt.Fprintf(out, "\n  %s\n", t.Note)
}

// number writes a count with commas between thousands.
func number(f float64) string {
	digits := strconv.FormatInt(int64(f+0.5), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// latencies are the cells of a distribution: the medians of the rounds'
// quantiles.
func latencies(samples []sample) []string {
	cell := func(of func(sample) time.Duration) string {
		d := medianOf(samples, func(s sample) float64 { return float64(of(s)) })
		return brief(time.Duration(d))
	}
	return []string{
		cell(func(s sample) time.Duration { return s.Latency.P50 }),
		cell(func(s sample) time.Duration { return s.Latency.P99 }),
		cell(func(s sample) time.Duration { return s.Latency.P999 }),
	}
}

// brief writes a time with three digits.
func brief(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(100 * time.Microsecond).String()
	}
}

func rssOf(samples []sample) string {
	return mebibytes(int64(medianOf(samples, func(s sample) float64 { return float64(s.RSS) })))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }
