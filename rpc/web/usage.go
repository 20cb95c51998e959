package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

// usedCounts is what was used, as JSON.
type usedCounts struct {
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

// usedRow is one row of a report. What it is not about is left out.
type usedRow struct {
	Hour   *time.Time `json:"hour,omitempty"`
	Cache  *string    `json:"cache,omitempty"`
	Prefix *string    `json:"topic_prefix,omitempty"`
	Token  *string    `json:"token,omitempty"`
	Other  bool       `json:"other,omitempty"`
	usedCounts
}

// usedMonth is what a month would have cost.
type usedMonth struct {
	Month string  `json:"month"`
	Cost  float64 `json:"cost"`
}

// usedCost is what it would have cost, and by which prices.
type usedCost struct {
	Example              bool        `json:"example"`
	Currency             string      `json:"currency"`
	Total                float64     `json:"total"`
	Months               []usedMonth `json:"months"`
	PerGB                float64     `json:"per_gb"`
	FreeGB               float64     `json:"free_gb"`
	Rounded              bool        `json:"rounded"`
	PerMillionUnits      float64     `json:"per_million_units"`
	FreeMillionUnits     float64     `json:"free_million_units"`
	PerMillionRequests   float64     `json:"per_million_requests"`
	PerMillionDeliveries float64     `json:"per_million_deliveries"`
}

// usedReport is a page of a report.
type usedReport struct {
	Since time.Time  `json:"since"`
	Until time.Time  `json:"until"`
	Rows  []usedRow  `json:"rows"`
	Next  string     `json:"next,omitempty"`
	Total usedCounts `json:"total"`
	Cost  usedCost   `json:"cost"`
}

// usage answers with what was used.
func (s *Server) usage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	request, err := usageAsked(query, time.Now())
	if err != nil {
		badRequest(w, "%v", err)
		return
	}
	md, ok := caller(w, r)
	if !ok {
		return
	}
	answer := new(adminv1.ReportUsageResponse)
	if s.do(w, r, adminv1.Usage_ReportUsage_FullMethodName, md, &plainCall{just(request), answer}) {
		answerJSON(w, http.StatusOK, usageOf(answer, request.GetBy()))
	}
}

// usageBy are what rows can be about, in the words of a query.
var usageBy = map[string]adminv1.UsageBy{
	"": adminv1.UsageBy_USAGE_BY_CACHE, "cache": adminv1.UsageBy_USAGE_BY_CACHE, "topic-prefix": adminv1.UsageBy_USAGE_BY_TOPIC_PREFIX,
	"token": adminv1.UsageBy_USAGE_BY_TOKEN, "hour": adminv1.UsageBy_USAGE_BY_HOUR,
}

// usageMembers are what a query can hold. What is misspelt would ask about all.
var usageMembers = []string{"since", "until", "by", "cache", "limit", "after"}

// usageAsked reads the query: without times, this month in UTC until now.
func usageAsked(query url.Values, now time.Time) (*adminv1.ReportUsageRequest, error) {
	for name, values := range query {
		if !slices.Contains(usageMembers, name) {
			return nil, fmt.Errorf("the query holds %.40q, it can only hold %s", name, strings.Join(usageMembers, ", "))
		}
		if len(values) > 1 {
			return nil, errors.New(name + " is in the query more than once")
		}
	}
	now = now.UTC()
	since, until := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC), now.Add(time.Second)
	for name, moment := range map[string]*time.Time{"since": &since, "until": &until} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		var err error
		if *moment, err = time.Parse(time.RFC3339, text); err != nil {
			*moment, err = time.Parse(time.DateOnly, text)
		}
		if err != nil || moment.Unix() < 0 {
			return nil, errors.New(name + " is neither a day such as 2026-11-01 nor a time such as 2026-11-01T15:00:00Z")
		}
	}
	by, ok := usageBy[query.Get("by")]
	if !ok {
		return nil, errors.New("by is none of cache, topic-prefix, token and hour")
	}
	request := &adminv1.ReportUsageRequest{
		Range: &adminv1.UsageRange{Since: uint64(since.Unix()), Until: uint64(until.Unix())}, By: by, After: query.Get("after"),
	}
	if query.Has("cache") {
		cache := query.Get("cache")
		request.Range.Cache = &cache
	}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || n == 0 {
			return nil, errors.New("limit is not a whole number above zero")
		}
		request.Limit = uint32(n)
	}
	return request, nil
}

// usageOf is a report as JSON.
func usageOf(answer *adminv1.ReportUsageResponse, by adminv1.UsageBy) *usedReport {
	report := &usedReport{
		Since: utc(answer.GetRange().GetSince()), Until: utc(answer.GetRange().GetUntil()),
		Rows: []usedRow{}, Next: answer.GetNext(), Total: countsOf(answer.GetTotal()),
	}
	for _, r := range answer.GetRows() {
		row := usedRow{Other: r.GetOther(), usedCounts: countsOf(r.GetCounts())}
		cache, prefix, token := r.GetCache(), r.GetTopicPrefix(), r.GetToken()
		switch by {
		case adminv1.UsageBy_USAGE_BY_TOPIC_PREFIX:
			row.Cache, row.Prefix = &cache, &prefix
		case adminv1.UsageBy_USAGE_BY_TOKEN:
			row.Token = &token
		case adminv1.UsageBy_USAGE_BY_HOUR:
			hour := utc(r.GetHour())
			row.Hour = &hour
		default:
			row.Cache = &cache
		}
		report.Rows = append(report.Rows, row)
	}
	p := answer.GetCost().GetPrices()
	report.Cost = usedCost{
		Example: p.GetExample(), Currency: p.GetCurrency(), Total: answer.GetCost().GetTotal(), Months: []usedMonth{},
		PerGB: p.GetPerGb(), FreeGB: p.GetFreeGb(), Rounded: p.GetRounded(),
		PerMillionUnits: p.GetPerMillionUnits(), FreeMillionUnits: p.GetFreeMillionUnits(),
		PerMillionRequests: p.GetPerMillionRequests(), PerMillionDeliveries: p.GetPerMillionDeliveries(),
	}
	for _, m := range answer.GetCost().GetMonths() {
		report.Cost.Months = append(report.Cost.Months, usedMonth{utc(m.GetStart()).Format("2006-01"), m.GetCost()})
	}
	return report
}

func countsOf(c *adminv1.UsageCounts) usedCounts {
	return usedCounts{
		Requests: c.GetReads() + c.GetWrites() + c.GetPublishes() + c.GetSubscriptions(),
		Reads:    c.GetReads(), Writes: c.GetWrites(), Publishes: c.GetPublishes(), Subscriptions: c.GetSubscriptions(),
		Failed: c.GetFailed(), Deliveries: c.GetDeliveries(), Units: c.GetUnits(), BytesIn: c.GetBytesIn(), BytesOut: c.GetBytesOut(),
	}
}

// utc is a time of a message.
func utc(seconds uint64) time.Time { return time.Unix(int64(seconds), 0).UTC() }
