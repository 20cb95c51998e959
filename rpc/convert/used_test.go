package convert

import (
	"encoding/json"
	"testing"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

// Rows have what they are about, and those of an export their hour and cache as well.
func TestUsedRows(t *testing.T) {
	hour := uint64(1_793_527_200)
	wire := &adminv1.UsageRow{
		Hour: &hour, Cache: "c", TopicPrefix: "room-", Token: "key:k",
		Counts: &adminv1.UsageCounts{Reads: 1, Writes: 2, Publishes: 3, Subscriptions: 4, Failed: 5, Deliveries: 6, Units: 7, BytesIn: 8, BytesOut: 9},
	}
	const counts = `"requests":10,"reads":1,"writes":2,"publishes":3,"subscriptions":4,"failed":5,"deliveries":6,"units":7,"bytes_in":8,"bytes_out":9}`
	const at = `"hour":"2026-11-01T10:00:00Z",`
	for word, row := range map[string]struct{ reported, exported string }{
		"cache":        {`{"cache":"c",`, `{` + at + `"cache":"c",`},
		"topic-prefix": {`{"cache":"c","topic_prefix":"room-",`, `{` + at + `"cache":"c","topic_prefix":"room-",`},
		"token":        {`{"token":"key:k",`, `{` + at + `"cache":"c","token":"key:k",`},
		"hour":         {`{` + at, `{` + at + `"cache":"c",`},
	} {
		by, ok := UsedBy(word)
		reported, err := json.Marshal(ReportedRow(wire, by))
		if !ok || err != nil || string(reported) != row.reported+counts {
			t.Errorf("by %s a report has %s, %v", word, reported, err)
		}
		exported, err := json.Marshal(ExportedRow(wire, by))
		if err != nil || string(exported) != row.exported+counts {
			t.Errorf("by %s an export has %s, %v", word, exported, err)
		}
	}
	if _, ok := UsedBy("planet"); ok || len(UsedByWords()) != 4 {
		t.Errorf("words: %q", UsedByWords())
	}
}

// A report says how it is meant, and leaves out what nobody knows. Times that no JSON
// can have become the last one that it can.
func TestUsedReports(t *testing.T) {
	report := UsedReportOf(&adminv1.ReportUsageResponse{Range: &adminv1.UsageRange{Until: 1 << 63}}, adminv1.UsageBy_USAGE_BY_UNSPECIFIED)
	got, err := json.Marshal(report)
	want := `{"since":"1970-01-01T00:00:00Z","until":"9999-12-31T23:59:59Z","by":"cache","rows":[],"total":{"requests":0,`
	if err != nil || len(got) < len(want) || string(got[:len(want)]) != want {
		t.Errorf("%s, %v, want %s...", got, err, want)
	}
}
