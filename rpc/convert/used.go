package convert

import (
	"cmp"
	"maps"
	"slices"
	"time"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

// usedBy are what rows of usage can be about, in the words of flags, queries and
// answers.
var usedBy = twoWays(map[string]adminv1.UsageBy{
	"cache": adminv1.UsageBy_USAGE_BY_CACHE, "topic-prefix": adminv1.UsageBy_USAGE_BY_TOPIC_PREFIX,
	"token": adminv1.UsageBy_USAGE_BY_TOKEN, "hour": adminv1.UsageBy_USAGE_BY_HOUR,
})

// UsedBy reads the word for what rows of usage are about; false for any other.
func UsedBy(word string) (by adminv1.UsageBy, ok bool) {
	by, ok = usedBy.to[word]
	return by, ok
}

// UsedByWords are the words that UsedBy reads, in the order of what they stand for.
func UsedByWords() []string {
	return slices.SortedFunc(maps.Keys(usedBy.to), func(a, b string) int { return cmp.Compare(usedBy.to[a], usedBy.to[b]) })
}

// UsedCounts is what was used, in JSON.
type UsedCounts struct {
	Requests      uint64 `json:"requests"`
	Reads         uint64 `json:"reads"`
	Writes        uint64 `json:"writes"`
	Publishes     uint64 `json:"publishes"`
	Subscriptions uint64 `json:"subscriptions"`
	Failed        uint64 `json:"failed"`
	Deliveries    uint64 `json:"deliveries"`
	Units         uint64 `json:"units"`
	BytesIn       uint64 `json:"bytes_in"`
	BytesOut      uint64 `json:"bytes_out"`
}

// UsedCountsOf adds up the requests.
func UsedCountsOf(c *adminv1.UsageCounts) UsedCounts {
	return UsedCounts{
		Requests: c.GetReads() + c.GetWrites() + c.GetPublishes() + c.GetSubscriptions(),
		Reads:    c.GetReads(), Writes: c.GetWrites(), Publishes: c.GetPublishes(), Subscriptions: c.GetSubscriptions(),
		Failed: c.GetFailed(), Deliveries: c.GetDeliveries(), Units: c.GetUnits(), BytesIn: c.GetBytesIn(), BytesOut: c.GetBytesOut(),
	}
}

// UsedRow is one row in JSON. What it is not about is left out.
type UsedRow struct {
	Hour   *time.Time `json:"hour,omitempty"`
	Cache  *string    `json:"cache,omitempty"`
	Prefix *string    `json:"topic_prefix,omitempty"`
	Token  *string    `json:"token,omitempty"`
	Other  bool       `json:"other,omitempty"`
	UsedCounts
}

// ExportedRow is a row of one hour, which has its cache, too.
func ExportedRow(r *adminv1.UsageRow, by adminv1.UsageBy) UsedRow {
	row := ReportedRow(r, by)
	hour, cache := second(r.GetHour()), r.GetCache()
	row.Hour, row.Cache = &hour, &cache
	return row
}

// ReportedRow is a row that sums up hours.
func ReportedRow(r *adminv1.UsageRow, by adminv1.UsageBy) UsedRow {
	row := UsedRow{Other: r.GetOther(), UsedCounts: UsedCountsOf(r.GetCounts())}
	hour, cache, prefix, token := second(r.GetHour()), r.GetCache(), r.GetTopicPrefix(), r.GetToken()
	switch by {
	case adminv1.UsageBy_USAGE_BY_TOPIC_PREFIX:
		row.Cache, row.Prefix = &cache, &prefix
	case adminv1.UsageBy_USAGE_BY_TOKEN:
		row.Token = &token
	case adminv1.UsageBy_USAGE_BY_HOUR:
		row.Hour = &hour
	default:
		row.Cache = &cache
	}
	return row
}

// UsedReport is a report, or a page of one, in JSON.
type UsedReport struct {
	Since        time.Time  `json:"since"`
	Until        time.Time  `json:"until"`
	CountedUntil *time.Time `json:"counted_until,omitempty"`
	By           string     `json:"by"`
	Rows         []UsedRow  `json:"rows"`
	Next         string     `json:"next,omitempty"`
	Total        UsedCounts `json:"total"`
	Cost         UsedCost   `json:"cost"`
}

// UsedCost is what it would have cost, and by which prices, in JSON.
type UsedCost struct {
	Example              bool        `json:"example"`
	Currency             string      `json:"currency"`
	Total                float64     `json:"total"`
	Months               []UsedMonth `json:"months"`
	PerGB                float64     `json:"per_gb"`
	FreeGB               float64     `json:"free_gb"`
	Rounded              bool        `json:"rounded"`
	PerMillionUnits      float64     `json:"per_million_units"`
	FreeMillionUnits     float64     `json:"free_million_units"`
	PerMillionRequests   float64     `json:"per_million_requests"`
	PerMillionDeliveries float64     `json:"per_million_deliveries"`
}

// UsedMonth is what a month would have cost, in JSON.
type UsedMonth struct {
	Month string  `json:"month"`
	Cost  float64 `json:"cost"`
}

// UsedReportOf is the JSON of a report whose rows are about that; unspecified is the
// same as by cache.
func UsedReportOf(answer *adminv1.ReportUsageResponse, by adminv1.UsageBy) *UsedReport {
	if by == adminv1.UsageBy_USAGE_BY_UNSPECIFIED {
		by = adminv1.UsageBy_USAGE_BY_CACHE
	}
	report := &UsedReport{
		Since: second(answer.GetRange().GetSince()), Until: second(answer.GetRange().GetUntil()), By: usedBy.from[by],
		Rows: []UsedRow{}, Next: answer.GetNext(), Total: UsedCountsOf(answer.GetTotal()), Cost: usedCost(answer.GetCost()),
	}
	if until := answer.GetCountedUntil(); until != 0 {
		at := second(until)
		report.CountedUntil = &at
	}
	for _, r := range answer.GetRows() {
		report.Rows = append(report.Rows, ReportedRow(r, by))
	}
	return report
}

func usedCost(c *adminv1.UsageCost) UsedCost {
	p := c.GetPrices()
	cost := UsedCost{
		Example: p.GetExample(), Currency: p.GetCurrency(), Total: c.GetTotal(), Months: []UsedMonth{},
		PerGB: p.GetPerGb(), FreeGB: p.GetFreeGb(), Rounded: p.GetRounded(),
		PerMillionUnits: p.GetPerMillionUnits(), FreeMillionUnits: p.GetFreeMillionUnits(),
		PerMillionRequests: p.GetPerMillionRequests(), PerMillionDeliveries: p.GetPerMillionDeliveries(),
	}
	for _, m := range c.GetMonths() {
		cost.Months = append(cost.Months, UsedMonth{second(m.GetStart()).Format("2006-01"), m.GetCost()})
	}
	return cost
}

// lastSecond is the end of the year 9999, the last that RFC 3339 can write.
const lastSecond = 253_402_300_799

// second is a time in seconds since the Unix epoch, in UTC.
func second(seconds uint64) time.Time { return time.Unix(int64(min(seconds, lastSecond)), 0).UTC() }
