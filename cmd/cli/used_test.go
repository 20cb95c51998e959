package cli

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

func TestMoney(t *testing.T) {
	for amount, want := range map[float64]string{0: "0.00 EUR", 0.5: "0.50 EUR", 0.0012: "0.0012 EUR", 0.25: "0.25 EUR", 1.005: "1.00 EUR", 1234.5: "1234.50 EUR", 0.00001: "0.00 EUR"} {
		if got := money(amount, &adminpb.UsagePrices{Currency: "EUR"}); got != want {
			t.Errorf("%v is %q, want %q", amount, got, want)
		}
	}
	if got := money(2, nil); got != "2.00" {
		t.Errorf("without a currency %q", got)
	}
}

func TestMomentOf(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"": "2026-11-21T12:30:00Z", "2026-11-01": "2026-11-01T00:00:00Z", "2026-11-01T15:00": "2026-11-01T15:00:00Z", "2026-11-01 15:00": "2026-11-01T15:00:00Z",
		"2026-11-01T15:00:00+09:00": "2026-11-01T06:00:00Z", "24h": "2026-11-20T12:30:00Z", "7d": "2026-11-14T12:30:00Z",
	} {
		if got, err := momentOf("since", text, now, now); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q is %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "1960-01-01", "-1h", "99999d", "2026-13-01"} {
		if _, err := momentOf("since", text, now, now); err == nil || !strings.HasPrefix(err.Error(), "--since: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What clients choose is exact in CSV, unless a spreadsheet would carry it out.
func TestCSVRows(t *testing.T) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	write := csvRows(w, "topic-prefix")
	hour := uint64(1_793_527_200)
	for _, row := range []*adminpb.UsageRow{
		nil,
		{Hour: &hour, Cache: "c", TopicPrefix: "=cmd|'/c calc'!A1", Counts: &adminpb.UsageCounts{Reads: 1, BytesOut: 7}},
		{Hour: &hour, Cache: "-c", TopicPrefix: "a,\"b\"\n", Counts: &adminpb.UsageCounts{}},
	} {
		if err := write(row); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	want := "hour,cache,topic_prefix,requests,reads,writes,publishes,subscriptions,failed,deliveries,units,bytes_in,bytes_out\n" +
		"2026-11-01T10:00:00Z,c,'=cmd|'/c calc'!A1,1,1,0,0,0,0,0,0,0,7\n" +
		"2026-11-01T10:00:00Z,'-c,\"a,\"\"b\"\"\n\",0,0,0,0,0,0,0,0,0,0\n"
	if b.String() != want {
		t.Errorf("wrote\n%s\nwant\n%s", b.String(), want)
	}
}

// Names steer no terminal, what is empty can be seen, and prices say whose they are.
func TestPrintUsed(t *testing.T) {
	var w strings.Builder
	report := &adminpb.ReportUsageResponse{
		Range: &adminpb.UsageRange{Since: 1_793_491_200, Until: 1_793_577_600}, CountedUntil: 1_793_534_461,
		Rows: []*adminpb.UsageRow{
			{Cache: "chat", TopicPrefix: "\x1b[2J", Counts: &adminpb.UsageCounts{Publishes: 2, Deliveries: 9, Units: 11, BytesIn: 70, BytesOut: 800}},
			{Counts: &adminpb.UsageCounts{Reads: 1, Failed: 1, Units: 1}},
		},
		Total: &adminpb.UsageCounts{Reads: 1, Publishes: 2, Failed: 1, Deliveries: 9, Units: 12, BytesIn: 70, BytesOut: 800},
		Cost: &adminpb.UsageCost{
			Prices: &adminpb.UsagePrices{Example: true, Currency: "USD", PerGb: 0.5, FreeGb: 5}, Total: 3,
			Months: []*adminpb.UsageCost_Month{{Start: 1_793_491_200, Cost: 1}, {Start: 1_796_083_200, Cost: 2}},
		},
	}
	printUsed(&w, report, "topic-prefix")
	want := `From 2026-11-01 00:00 to 2026-11-02 00:00 UTC
Counted up to 2026-11-01 12:01:01 UTC; what came later is not in it yet

CACHE   TOPIC PREFIX   REQUESTS   FAILED   DELIVERIES   UNITS   BYTES IN   BYTES OUT
chat    "\x1b[2J"      2          0        9            11      70         800
-       -              1          1        0            1       0          0
total                  3          1        9            12      70         800

What such traffic would have cost, by example prices (0.50 USD per GB, 5 free each month): 3.00 USD
  2026-11  1.00 USD
  2026-12  2.00 USD
`
	if w.String() != want {
		t.Errorf("wrote\n%s\nwant\n%s", w.String(), want)
	}
	if got := pricesOf(&adminpb.UsagePrices{PerMillionUnits: 0.2, PerMillionRequests: 1, PerMillionDeliveries: 3}); got !=
		"by your prices (0.20 per million units; 1.00 per million requests; 3.00 per million deliveries)" {
		t.Error(got)
	}
}

func TestCellsAreNoFormulas(t *testing.T) {
	for _, name := range []string{
		"=1", "+1", "-1", "@a", "\t=1", "\r", "\n1", "\x001", " =lead", "  -1", "＝full-", "＋1", "－1", "＠a", "\u3000＝1", "\u00a0=1", "\u200b=1", "\ufeff@a",
	} {
		if got := cell(name); got != "'"+name {
			t.Errorf("%q became %q", name, got)
		}
	}
	for _, name := range []string{"", " ", "room-", " a=1", "1-1", "日本", "'=1", "\u200b", "�"} {
		if got := cell(name); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
}
