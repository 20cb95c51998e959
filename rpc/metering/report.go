package metering

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Report is what was used in a Range, summed up.
type Report struct {
	// Rows are in the order of caches and names, or of hours.
	Rows []Row
	// Total is the sum of all rows.
	Total Counts
	// Months are the parts of Total, by month in UTC.
	Months []Month
}

// Month is what was used in a month, as far as it was asked for.
type Month struct {
	// Start is the first moment of the month, in UTC.
	Start time.Time
	Counts
}

// maxGroups bounds the rows of a report, which are in memory all together.
const maxGroups = 200_000

// ErrTooMuch says that a report would have more rows than there is room for.
var ErrTooMuch = errors.New("the report would have too many rows")

// Report sums up what was used.
func (r *Reader) Report(ctx context.Context, in Range, by By) (*Report, error) {
	groups := make(map[Row]*Counts) // by rows that have counted nothing
	var report Report
	err := r.Hourly(ctx, in, by, func(rows []Row) error {
		month := report.month(rows[0].Hour)
		for _, row := range rows {
			group := by.group(row)
			if groups[group] == nil {
				if len(groups) >= maxGroups {
					return fmt.Errorf("%w: over %d; ask about fewer hours, or one cache", ErrTooMuch, maxGroups)
				}
				groups[group] = new(Counts)
			}
			groups[group].Add(&row.Counts)
			report.Total.Add(&row.Counts)
			month.Add(&row.Counts)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	report.Rows = make([]Row, 0, len(groups))
	for group, used := range groups {
		group.Counts = *used
		report.Rows = append(report.Rows, group)
	}
	slices.SortFunc(report.Rows, Compare)
	return &report, nil
}

// group returns what a row is summed up under.
func (b By) group(row Row) Row {
	switch b {
	case ByCache:
		return Row{Cache: row.Cache, Other: row.Other}
	case ByPrefix:
		return Row{Cache: row.Cache, Name: row.Name, Other: row.Other}
	case ByHolder:
		return Row{Name: row.Name, Other: row.Other}
	default:
		return Row{Hour: row.Hour}
	}
}

// month returns the month of an hour, which is no earlier than those before it.
func (r *Report) month(hour Hour) *Month {
	at := hour.Start()
	start := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	if n := len(r.Months); n == 0 || !r.Months[n-1].Start.Equal(start) {
		r.Months = append(r.Months, Month{Start: start})
	}
	return &r.Months[len(r.Months)-1]
}
