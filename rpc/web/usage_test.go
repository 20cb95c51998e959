package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

// used is a report with a row of that name.
func used(name string) *adminv1.ReportUsageResponse {
	hour, counts := uint64(1_793_527_200), &adminv1.UsageCounts{Reads: 1, Publishes: 2, Deliveries: 5, Units: 9, BytesIn: 70, BytesOut: 80}
	return &adminv1.ReportUsageResponse{
		Range: &adminv1.UsageRange{Since: hour, Until: hour + 3600},
		Rows:  []*adminv1.UsageRow{{Hour: &hour, Cache: "c", TopicPrefix: name, Token: name, Other: true, Counts: counts}},
		Next:  "next", Total: counts, CountedUntil: hour + 1800,
		Cost: &adminv1.UsageCost{
			Prices: &adminv1.UsagePrices{Example: true, Currency: "USD", PerGb: .5, FreeGb: 5, Rounded: true}, Total: 1.5,
			Months: []*adminv1.UsageCost_Month{{Start: hour, Counts: counts, Cost: 1.5}},
		},
	}
}

func TestUsage(t *testing.T) {
	b := &backend{end: status.New(codes.OK, ""), answers: []proto.Message{used("room-")}}
	w := ask(serverOf(t, b), "GET", "/usage?by=topic-prefix&cache=&since=2026-11-01&until=2026-11-02T01:00:00%2B01:00&limit=7&after=cursor")
	if w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	want := `{"since":"2026-11-01T10:00:00Z","until":"2026-11-01T11:00:00Z","counted_until":"2026-11-01T10:30:00Z","by":"topic-prefix","rows":[{"cache":"c","topic_prefix":"room-","other":true,` +
		`"requests":3,"reads":1,"writes":0,"publishes":2,"subscriptions":0,"failed":0,"deliveries":5,"units":9,"bytes_in":70,"bytes_out":80}],"next":"next",`
	if !strings.HasPrefix(w.Body.String(), want) {
		t.Errorf("answered %s, want %s...", w.Body, want)
	}
	none := ""
	if want := (&adminv1.ReportUsageRequest{
		Range: &adminv1.UsageRange{Since: 1_793_491_200, Until: 1_793_577_600, Cache: &none},
		By:    adminv1.UsageBy_USAGE_BY_TOPIC_PREFIX, Limit: 7, After: "cursor",
	}); !proto.Equal(b.got, want) {
		t.Errorf("asked for %v, want %v", b.got, want)
	}
}

func TestUsageAskedOfThisMonth(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 30, 0, 0, time.FixedZone("", 3600))
	got, err := usageAsked(nil, now)
	if err != nil || got.GetRange().GetSince() != 1_793_491_200 || got.GetRange().GetUntil() != uint64(now.Unix())+1 || got.GetRange().Cache != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestUsageRefuses(t *testing.T) {
	for _, query := range []string{
		"since=yesterday", "until=1", "since=1960-01-01", "by=day", "limit=0", "limit=-1", "limit=99999999999", "token=%zz",
		"foo=bar", "sincee=2026-11-20", "Since=2026-11-20", "since=2026-11-20&since=2026-11-21", "by=hour&by=hour", "=", "cache=c&cache=",
	} {
		w := ask(serverOf(t, noCalls{}), "GET", "/usage?"+query)
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusBadRequest || p.Code != "INVALID_ARGUMENT" {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}
