package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	"github.com/mayfly-broker/mayfly/rpc/convert"
)

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
		answerJSON(w, http.StatusOK, convert.UsedReportOf(answer, request.GetBy()))
	}
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
	by, ok := convert.UsedBy(cmp.Or(query.Get("by"), "cache"))
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
