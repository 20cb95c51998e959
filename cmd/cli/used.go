package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	"github.com/mayfly-broker/mayfly/rpc/convert"
)

const usedHelp = `Show what clients used: requests, deliveries and bytes of every cache, by topic
prefix and by credential, hour by hour and for the whole cluster. What the last
seconds have brought, at most a minute, may not be there yet; a report says up to
when it was counted.

docs/metering.md says what exactly is counted.`

func (p *Program) usageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "usage", Short: "Show what clients used, and what it would have cost", Long: usedHelp}
	cmd.AddCommand(p.usageReport(), p.usageExport())
	return cmd
}

// usedFlags say what is asked about.
type usedFlags struct{ since, until, by, cache string }

// about is what the rows are about. The flag takes no other words.
func (f *usedFlags) about() adminpb.UsageBy {
	by, _ := convert.UsedBy(f.by)
	return by
}

func (f *usedFlags) addFlags(cmd *cobra.Command) {
	f.by = "cache"
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "`time` to begin with: a day such as 2026-11-01 or a time such as 2026-11-01T15:00, in UTC, or how long ago, such as 7d (default the beginning of this month)")
	flags.StringVar(&f.until, "until", "", "`time` to end before, likewise (default now)")
	flags.Var(config.Choice(&f.by, convert.UsedByWords()...), "by", "what the rows are about")
	flags.StringVar(&f.cache, "cache", "", "this `cache` alone")
}

// asked is what the flags ask about.
func (f *usedFlags) asked(cmd *cobra.Command, now time.Time) (*adminpb.UsageRange, error) {
	now = now.UTC()
	since, err := momentOf("since", f.since, now, time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		return nil, usageError{cmd, err}
	}
	until, err := momentOf("until", f.until, now, now.Add(time.Second))
	if err != nil {
		return nil, usageError{cmd, err}
	}
	in := &adminpb.UsageRange{Since: uint64(since.Unix()), Until: uint64(until.Unix())}
	if cmd.Flags().Changed("cache") {
		in.Cache = &f.cache
	}
	return in, nil
}

// momentOf reads a time of a flag.
func momentOf(flag, text string, now, standard time.Time) (time.Time, error) {
	if text == "" {
		return standard, nil
	}
	for _, form := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02 15:04", time.RFC3339} {
		if at, err := time.Parse(form, text); err == nil && at.Unix() >= 0 {
			return at, nil
		}
	}
	if ago, err := config.ParseDuration(text); err == nil && now.Add(-ago).Unix() >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("--%s: %q is neither a day such as 2026-11-01, nor a time such as 2026-11-01T15:00, nor how long ago, such as 7d", flag, text)
}

const usageReportHelp = `Sum up what clients used, and say what such traffic would have cost by the price
list of the broker's settings, or by an example if it has none.`

const usageReportExample = `  mayfly usage report
  mayfly usage report --since 2026-11-01 --by topic-prefix --cache chat
  mayfly usage report --since 24h --by token -o json`

func (p *Program) usageReport() *cobra.Command {
	cmd := &cobra.Command{Use: "report", Short: "Sum up what clients used", Long: usageReportHelp, Example: usageReportExample}
	var f usedFlags
	f.addFlags(cmd)
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		in, err := f.asked(s.cmd, time.Now())
		if err != nil {
			return err
		}
		report, err := s.report(ctx, &adminpb.ReportUsageRequest{Range: in, By: f.about(), Limit: 10_000})
		if err != nil {
			return err
		}
		if f.by != "hour" { // what matters most comes first
			slices.SortStableFunc(report.GetRows(), func(a, b *adminpb.UsageRow) int {
				return cmp.Compare(b.GetCounts().GetUnits(), a.GetCounts().GetUnits())
			})
		}
		return s.out.answer(convert.UsedReportOf(report, f.about()), func(w *strings.Builder) { printUsed(w, report, f.by) })
	})
}

// report asks for all pages of a report.
func (s *session) report(ctx context.Context, ask *adminpb.ReportUsageRequest) (*adminpb.ReportUsageResponse, error) {
	client, rows := adminpb.NewUsageClient(s.conn), []*adminpb.UsageRow(nil)
	for counted := uint64(0); ; {
		page, err := client.ReportUsage(ctx, ask)
		if err != nil {
			return nil, err
		}
		if rows = append(rows, page.GetRows()...); ask.GetAfter() == "" {
			counted = page.GetCountedUntil() // which is the earliest of all pages
		}
		if page.GetNext() == "" {
			page.Rows, page.CountedUntil = rows, counted
			return page, nil
		}
		ask.After = page.GetNext()
	}
}

// printUsed writes a report for people.
func printUsed(w *strings.Builder, report *adminpb.ReportUsageResponse, by string) {
	headers := map[string][]string{"cache": {"CACHE"}, "topic-prefix": {"CACHE", "TOPIC PREFIX"}, "token": {"TOKEN"}, "hour": {"HOUR (UTC)"}}
	header := append(slices.Clone(headers[by]), "REQUESTS", "FAILED", "DELIVERIES", "UNITS", "BYTES IN", "BYTES OUT")
	rows := make([][]string, 0, len(report.GetRows())+1)
	for _, r := range report.GetRows() {
		rows = append(rows, append(namesOf(r, by), cellsOf(r.GetCounts())...))
	}
	total := append([]string{"total"}, make([]string, len(headers[by])-1)...)
	rows = append(rows, append(total, cellsOf(report.GetTotal())...))
	printSpan(w, report)
	table(w, header, rows)
	cost := report.GetCost()
	fmt.Fprintf(w, "\nWhat such traffic would have cost, %s: %s\n", pricesOf(cost.GetPrices()), money(cost.GetTotal(), cost.GetPrices()))
	if len(cost.GetMonths()) > 1 {
		for _, m := range cost.GetMonths() {
			fmt.Fprintf(w, "  %s  %s\n", moment(m.GetStart()).Format("2006-01"), money(m.GetCost(), cost.GetPrices()))
		}
	}
}

// printSpan says what time a report is about, and how much of it was counted by now.
func printSpan(w *strings.Builder, report *adminpb.ReportUsageResponse) {
	const minute = "2006-01-02 15:04"
	fmt.Fprintf(w, "From %s to %s UTC\n", moment(report.GetRange().GetSince()).Format(minute), moment(report.GetRange().GetUntil()).Format(minute))
	if until := moment(report.GetCountedUntil()); until != nil {
		fmt.Fprintf(w, "Counted up to %s UTC; what came later is not in it yet\n", until.Format(time.DateTime))
	}
	w.WriteString("\n")
}

// namesOf are the cells that say what a row is about.
func namesOf(r *adminpb.UsageRow, by string) []string {
	name := func(text string) string {
		if text == "" {
			return "-"
		}
		return printable(text)
	}
	switch by {
	case "topic-prefix":
		return []string{name(r.GetCache()), name(r.GetTopicPrefix())}
	case "token":
		return []string{name(r.GetToken())}
	case "hour":
		return []string{moment(r.GetHour()).Format("2006-01-02 15:04")}
	default:
		return []string{name(r.GetCache())}
	}
}

func cellsOf(c *adminpb.UsageCounts) []string {
	all := convert.UsedCountsOf(c)
	var cells []string
	for _, n := range []uint64{all.Requests, all.Failed, all.Deliveries, all.Units, all.BytesIn, all.BytesOut} {
		cells = append(cells, strconv.FormatUint(n, 10))
	}
	return cells
}

// pricesOf names the prices that are not zero.
func pricesOf(p *adminpb.UsagePrices) string {
	var parts []string
	add := func(price, free float64, of string) {
		if price == 0 {
			return
		}
		part := money(price, p) + " per " + of
		if free > 0 {
			part += fmt.Sprintf(", %s free each month", strconv.FormatFloat(free, 'f', -1, 64))
		}
		parts = append(parts, part)
	}
	add(p.GetPerGb(), p.GetFreeGb(), "GB")
	add(p.GetPerMillionUnits(), p.GetFreeMillionUnits(), "million units")
	add(p.GetPerMillionRequests(), 0, "million requests")
	add(p.GetPerMillionDeliveries(), 0, "million deliveries")
	whose := "by your prices"
	if p.GetExample() {
		whose = "by example prices"
	}
	if len(parts) == 0 {
		return whose
	}
	return whose + " (" + strings.Join(parts, "; ") + ")"
}

// money writes an amount: in hundredths, or with two digits more when it has no whole.
func money(amount float64, p *adminpb.UsagePrices) string {
	text := strconv.FormatFloat(amount, 'f', 4, 64)
	if whole := strings.TrimSuffix(text, "00"); whole != text || amount >= 1 {
		text = strconv.FormatFloat(amount, 'f', 2, 64)
	}
	if p.GetCurrency() == "" {
		return text
	}
	return text + " " + printable(p.GetCurrency())
}
