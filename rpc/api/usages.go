package api

import (
	"context"
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	"github.com/mayfly-broker/mayfly/rpc/metering"
)

// usages serves what was used.
type usages struct {
	adminv1.UnimplementedUsageServer
	kept   Usage // nil for a node that keeps none
	prices metering.Prices
}

// Rows of a page: how many when nobody says, and how many at most. An export sends so
// many in a message.
const (
	usagePage    = 1_000
	maxUsagePage = 10_000
	usageBatch   = 500
)

func (s *usages) ReportUsage(ctx context.Context, r *adminv1.ReportUsageRequest) (*adminv1.ReportUsageResponse, error) {
	in, by, err := s.asked(r.GetRange(), r.GetBy())
	if err != nil {
		return nil, err
	}
	limit := int(r.GetLimit())
	if limit > maxUsagePage {
		return nil, invalid("the limit is %d rows, the most is %d", limit, maxUsagePage)
	}
	if limit == 0 {
		limit = usagePage
	}
	counted := s.kept.Counted(ctx) // before it is read, so that all of that is in it
	report, err := s.kept.Report(ctx, in, by)
	if err != nil {
		return nil, usageRefusal(err)
	}
	rows, err := rowsAfter(report.Rows, by, r.GetAfter())
	if err != nil {
		return nil, err
	}
	answer := &adminv1.ReportUsageResponse{
		Range: &adminv1.UsageRange{Since: uint64(in.First.Start().Unix()), Until: uint64(in.End.Start().Unix()), Cache: r.GetRange().Cache},
		Total: wireCounts(&report.Total), Cost: s.cost(report.Months),
	}
	if !counted.IsZero() {
		answer.CountedUntil = uint64(max(0, counted.Unix()))
	}
	if len(rows) > limit {
		rows = rows[:limit]
		answer.Next = cursorOf(wireRow(&rows[limit-1], by))
	}
	for i := range rows {
		answer.Rows = append(answer.Rows, wireRow(&rows[i], by))
	}
	return answer, nil
}

func (s *usages) ExportUsage(r *adminv1.ExportUsageRequest, to grpc.ServerStreamingServer[adminv1.ExportUsageResponse]) error {
	in, by, err := s.asked(r.GetRange(), r.GetBy())
	if err != nil {
		return err
	}
	return usageRefusal(s.kept.Hourly(to.Context(), in, by, func(rows []metering.Row) error {
		for some := range slices.Chunk(rows, usageBatch) {
			message := new(adminv1.ExportUsageResponse)
			for i := range some {
				row := wireRow(&some[i], by)
				hour := uint64(some[i].Hour.Start().Unix())
				row.Hour, row.Cache = &hour, plain(some[i].Cache)
				message.Rows = append(message.Rows, row)
			}
			if err := to.Send(message); err != nil {
				return err
			}
		}
		return nil
	}))
}

// asked reads what is asked about.
func (s *usages) asked(r *adminv1.UsageRange, by adminv1.UsageBy) (metering.Range, metering.By, error) {
	if s.kept == nil {
		return metering.Range{}, 0, &refusal{code: codes.Unimplemented, text: "this node keeps no usage"}
	}
	known := map[adminv1.UsageBy]metering.By{
		adminv1.UsageBy_USAGE_BY_UNSPECIFIED: metering.ByCache, adminv1.UsageBy_USAGE_BY_CACHE: metering.ByCache,
		adminv1.UsageBy_USAGE_BY_TOPIC_PREFIX: metering.ByPrefix, adminv1.UsageBy_USAGE_BY_TOKEN: metering.ByHolder,
		adminv1.UsageBy_USAGE_BY_HOUR: metering.ByHour,
	}
	if known[by] == 0 {
		return metering.Range{}, 0, invalid("rows are by cache, topic prefix, token or hour, and nothing else")
	}
	if r.GetSince() > math.MaxInt64 || r.GetUntil() > math.MaxInt64 {
		return metering.Range{}, 0, invalid("the time lies too far away")
	}
	in, err := metering.RangeOf(time.Unix(int64(r.GetSince()), 0), time.Unix(int64(r.GetUntil()), 0))
	if err != nil {
		return metering.Range{}, 0, invalid("%v", err)
	}
	in.Only, in.Cache = r != nil && r.Cache != nil, r.GetCache()
	return in, known[by], nil
}

// usageRefusal is what a failed reading is for a client.
func usageRefusal(err error) error {
	if errors.Is(err, metering.ErrTooMuch) {
		return invalid("%v", err)
	}
	return err
}

// cost is what the months would have cost.
func (s *usages) cost(months []metering.Month) *adminv1.UsageCost {
	p := &s.prices
	c := &adminv1.UsageCost{Prices: &adminv1.UsagePrices{
		Example: p.Example, Currency: p.Currency, PerGb: p.PerGB, FreeGb: p.FreeGB, Rounded: p.Rounded,
		PerMillionUnits: p.PerMillionUnits, FreeMillionUnits: p.FreeMillionUnits,
		PerMillionRequests: p.PerMillionRequests, PerMillionDeliveries: p.PerMillionDeliveries,
	}}
	for i := range months {
		m := &months[i]
		cost := p.Cost(&m.Counts)
		c.Total += cost
		c.Months = append(c.Months, &adminv1.UsageCost_Month{Start: uint64(m.Start.Unix()), Counts: wireCounts(&m.Counts), Cost: cost})
	}
	return c
}

func wireCounts(c *metering.Counts) *adminv1.UsageCounts {
	return &adminv1.UsageCounts{
		Reads: c.Reads, Writes: c.Writes, Publishes: c.Publishes, Subscriptions: c.Subscriptions, Failed: c.Failed,
		Deliveries: c.Deliveries, Units: c.Units, BytesIn: c.BytesIn, BytesOut: c.BytesOut,
	}
}

// wireRow is a row as it is about what was asked.
func wireRow(r *metering.Row, by metering.By) *adminv1.UsageRow {
	row := &adminv1.UsageRow{Cache: plain(r.Cache), Other: r.Other, Counts: wireCounts(&r.Counts)}
	switch by {
	case metering.ByPrefix:
		row.TopicPrefix = plain(r.Name)
	case metering.ByHolder:
		row.Token = plain(r.Name)
	case metering.ByHour:
		hour := uint64(r.Hour.Start().Unix())
		row.Hour = &hour
	}
	return row
}

// plain is a name as a message can carry it.
func plain(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

// cursorOf names a row, so that the page behind it can be asked for.
func cursorOf(row *adminv1.UsageRow) string {
	row.Counts = nil
	raw, err := proto.Marshal(row)
	if err != nil {
		return "" // names are plain, so this cannot be
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// rowsAfter returns the rows behind the one that a cursor names. A row that is gone
// still has a place.
func rowsAfter(rows []metering.Row, by metering.By, cursor string) ([]metering.Row, error) {
	if cursor == "" {
		return rows, nil
	}
	last := new(adminv1.UsageRow)
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = proto.Unmarshal(raw, last)
	}
	if err != nil {
		return nil, invalid("after is nothing that an answer has said; leave it out for the first page")
	}
	place := metering.Row{
		Hour:  metering.HourOf(time.Unix(int64(min(last.GetHour(), math.MaxInt64)), 0)),
		Cache: last.GetCache(), Name: last.GetTopicPrefix() + last.GetToken(), Other: last.GetOther(),
	}
	i, there := slices.BinarySearchFunc(rows, place, metering.Compare)
	if there {
		i++
	}
	return rows[i:], nil
}
