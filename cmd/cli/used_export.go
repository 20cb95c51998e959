package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/cmd/config"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	"github.com/mayfly-broker/mayfly/rpc/convert"
)

const usageExportHelp = `Write every row of every hour to standard output as it comes: as CSV with a
header, or as JSON, one object on each line.

In CSV a name that a spreadsheet could take for a formula gets an apostrophe in
front.`

const usageExportExample = `  mayfly usage export --since 2026-11-01 --until 2026-12-01 --by token > november.csv
  mayfly usage export --format json --by topic-prefix --cache chat`

func (p *Program) usageExport() *cobra.Command {
	cmd := &cobra.Command{Use: "export", Short: "Write every row of every hour, as CSV or JSON", Long: usageExportHelp, Example: usageExportExample}
	var f usedFlags
	f.addFlags(cmd)
	format := "csv"
	cmd.Flags().Var(config.Choice(&format, "csv", "json"), "format", "form of the rows")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		in, err := f.asked(s.cmd, time.Now())
		if err != nil {
			return err
		}
		if f.by == "hour" { // every row has its hour
			f.by = "cache"
		}
		ask := &adminpb.ExportUsageRequest{Range: in, By: f.about()}
		if format == "json" || s.out.json {
			return s.export(ctx, ask, s.jsonRows(f.about()))
		}
		rows := csv.NewWriter(s.out.w)
		err = s.export(ctx, ask, csvRows(rows, f.by))
		rows.Flush()
		return errors.Join(err, rows.Error())
	})
}

// export writes what the server sends. Like every call it is made once more as by
// anybody if the server refuses a credential that was found.
func (s *session) export(ctx context.Context, ask *adminpb.ExportUsageRequest, write func(*adminpb.UsageRow) error) error {
	begin := func(credential string) (grpc.ServerStreamingClient[adminpb.ExportUsageResponse], *adminpb.ExportUsageResponse, error) {
		stream, err := adminpb.NewUsageClient(s.conn).ExportUsage(s.present(ctx, ask, credential), ask)
		if err != nil {
			return nil, nil, err
		}
		first, err := stream.Recv()
		return stream, first, err
	}
	stream, message, err := begin(s.credential.text)
	if status.Code(err) == codes.Unauthenticated && s.credential.found() {
		if again, first, failure := begin(""); failure == nil || errors.Is(failure, io.EOF) {
			stream, message, err = again, first, failure
		}
	}
	if err == nil || errors.Is(err, io.EOF) {
		if err := write(nil); err != nil {
			return err
		}
	}
	for ; err == nil; message, err = stream.Recv() {
		for _, row := range message.GetRows() {
			if err := write(row); err != nil {
				return err
			}
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return s.explain(adminpb.Usage_ExportUsage_FullMethodName, err)
}

// jsonRows writes rows as JSON; nil, which comes first, is none.
func (s *session) jsonRows(by adminpb.UsageBy) func(*adminpb.UsageRow) error {
	return func(row *adminpb.UsageRow) error {
		if row == nil {
			return nil
		}
		return s.out.line(convert.ExportedRow(row, by))
	}
}

// csvRows writes rows as CSV; nil, which comes first, is the header.
func csvRows(w *csv.Writer, by string) func(*adminpb.UsageRow) error {
	header := []string{"hour", "cache"}
	switch by {
	case "topic-prefix":
		header = append(header, "topic_prefix")
	case "token":
		header = append(header, "token")
	}
	header = append(header, "requests", "reads", "writes", "publishes", "subscriptions", "failed", "deliveries", "units", "bytes_in", "bytes_out")
	return func(r *adminpb.UsageRow) error {
		if r == nil {
			return w.Write(header)
		}
		cells := []string{moment(r.GetHour()).Format(time.RFC3339), cell(r.GetCache())}
		switch by {
		case "topic-prefix":
			cells = append(cells, cell(r.GetTopicPrefix()))
		case "token":
			cells = append(cells, cell(r.GetToken()))
		}
		c := convert.UsedCountsOf(r.GetCounts())
		for _, n := range []uint64{c.Requests, c.Reads, c.Writes, c.Publishes, c.Subscriptions, c.Failed, c.Deliveries, c.Units, c.BytesIn, c.BytesOut} {
			cells = append(cells, strconv.FormatUint(n, 10))
		}
		return w.Write(cells)
	}
}

// beginsFormulas is what formulas begin with, also in the width that spreadsheets of
// East Asian locales read.
const beginsFormulas = "=+-@＝＋－＠"

// cell is a name that no spreadsheet carries out: clients chose it. Blanks and what
// cannot be seen may be dropped on the way into one.
func cell(name string) string {
	seen := strings.TrimLeftFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	first, _ := utf8.DecodeRuneInString(seen)
	if seen != "" && strings.ContainsRune(beginsFormulas, first) || strings.IndexFunc(name, unicode.IsControl) == 0 {
		return "'" + name
	}
	return name
}
