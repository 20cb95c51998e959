package doctor

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mayfly-broker/mayfly/cmd/endpoint"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

const (
	checkPages = "grpc-web"
	checkCORS  = "cors"
)

// What the Web SDK sends and reads.
const (
	pageType    = "application/grpc-web-text"
	pageHeaders = "authorization,cache,agent,runtime-version,content-type,x-grpc-web,x-user-agent,grpc-timeout"
)

var pageExposes = []string{"grpc-status", "grpc-message"}

// emptyFrame is the body of a call whose message is empty.
var emptyFrame = base64.StdEncoding.EncodeToString(make([]byte, 5))

// webHosts are the names that the Web SDK uses and that answer.
func (x *exam) webHosts() []*host {
	return slices.DeleteFunc(x.among(endpoint.WebCache, endpoint.WebControl, endpoint.WebToken), func(h *host) bool { return h.unusable != "" })
}

// page makes a call as the Web SDK does, from a page of the origin if there is one.
func (x *exam) page(ctx context.Context, h *host) (answer, error) {
	headers := []string{"Content-Type", pageType, "Accept", pageType, "X-Grpc-Web", "1", "X-User-Agent", "grpc-web-javascript/0.1"}
	if x.Origin != "" {
		headers = append(headers, "Origin", x.Origin)
	}
	return x.ask(ctx, h, http.MethodPost, cachepb.Ping_Ping_FullMethodName, emptyFrame, headers...)
}

// pages has every name of the Web SDK answer a call of its kind.
func (x *exam) pages(ctx context.Context) (all []Finding) {
	var good []string
	for _, h := range x.webHosts() {
		a, err := x.page(ctx, h)
		switch {
		case err != nil:
			all = append(all, x.bad(checkPages, h, fmt.Sprintf("calls in gRPC-Web fail at %s: %s", h.Host, reason(err)), "see what stands in front of the broker"))
		case a.isOpenMode():
			all = append(all, x.bad(checkPages, h, openMode(h), openModeEnds))
		case a.status == http.StatusForbidden && x.Origin != "":
			good = append(good, h.Host) // cors says it
		case a.status != http.StatusOK || !strings.HasPrefix(a.kind(), pageType) || !strings.Contains(plainText(a.body), "grpc-status:0"):
			all = append(all, x.bad(checkPages, h, fmt.Sprintf("calls in gRPC-Web are not answered at %s: status %d, %s", h.Host, a.status, a.kind()),
				"have the proxy in front pass them on as they are; a proxy that translates gRPC-Web must know its text form"))
		default:
			good = append(good, h.Host)
		}
	}
	if len(good) > 0 {
		all = append([]Finding{ok(checkPages, "calls in gRPC-Web are answered (%s)", listed(good))}, all...)
	}
	return all
}

// plainText decodes the text form, in which every frame is padded Base64 of its
// own. What is none is left out.
func plainText(body string) string {
	var text strings.Builder
	for len(body) >= 4 {
		raw, err := base64.StdEncoding.DecodeString(body[:4])
		if err != nil {
			return text.String()
		}
		text.Write(raw)
		body = body[4:]
	}
	return strings.ReplaceAll(text.String(), "grpc-status: ", "grpc-status:")
}

// cors sees whether a browser would let pages of the origin call.
func (x *exam) cors(ctx context.Context) (all []Finding) {
	hosts := x.webHosts()
	switch {
	case len(hosts) == 0:
		return nil // said before
	case x.Origin == "":
		return []Finding{skipped(checkCORS, "no page was named; give its origin with --origin https://chat.example")}
	}
	var good []string
	for _, h := range hosts {
		if bad := x.allowed(ctx, h); bad != "" {
			remedy := "start the broker with --allow-origins " + x.Origin + "; a proxy in front must pass OPTIONS requests on and add no such headers of its own"
			if bad == openMode(h) {
				remedy = openModeEnds
			}
			all = append(all, wrong(checkCORS, fmt.Sprintf("a browser keeps pages of %s from calling %s: %s", x.Origin, h.Host, bad), remedy))
			continue
		}
		good = append(good, h.Host)
	}
	if len(good) > 0 {
		all = append([]Finding{ok(checkCORS, "pages of %s may call (%s)", x.Origin, listed(good))}, all...)
	}
	return all
}

// allowed does what a browser does before and after a call, and says why it would
// keep the answer from the page; empty when it would not.
func (x *exam) allowed(ctx context.Context, h *host) string {
	a, err := x.ask(ctx, h, http.MethodOptions, cachepb.Ping_Ping_FullMethodName, "",
		"Origin", x.Origin, "Access-Control-Request-Method", http.MethodPost, "Access-Control-Request-Headers", pageHeaders)
	switch {
	case err != nil:
		return "the preflight fails: " + reason(err)
	case a.isOpenMode():
		return openMode(h)
	case a.status/100 != 2:
		return fmt.Sprintf("the preflight is answered with status %d", a.status)
	}
	if bad := x.admits(a); bad != "" {
		return bad + " to the preflight"
	}
	if !contains(a.header, "Access-Control-Allow-Methods", http.MethodPost) {
		return "POST is not among the methods that the preflight allows"
	}
	for name := range strings.SplitSeq(pageHeaders, ",") {
		// A * does not cover this one.
		if !contains(a.header, "Access-Control-Allow-Headers", name) && (name == "authorization" || !contains(a.header, "Access-Control-Allow-Headers", "*")) {
			return "the preflight does not allow the header " + name
		}
	}
	if a, err = x.page(ctx, h); err != nil {
		return reason(err)
	}
	if bad := x.admits(a); bad != "" {
		return bad + " to a call"
	}
	for _, name := range pageExposes {
		if !contains(a.header, "Access-Control-Expose-Headers", name) {
			return "the answer to a call does not expose " + name
		}
	}
	return ""
}

// admits says what is wrong with whom an answer is for.
func (x *exam) admits(a answer) string {
	values := a.header.Values("Access-Control-Allow-Origin")
	switch {
	case len(values) == 0:
		return "Access-Control-Allow-Origin is missing in the answer"
	case len(values) > 1:
		return "Access-Control-Allow-Origin is there more than once in the answer"
	case values[0] != x.Origin && values[0] != "*":
		return fmt.Sprintf("Access-Control-Allow-Origin is %q in the answer", values[0])
	default:
		return ""
	}
}

// contains reports whether a header that holds a list holds the word.
func contains(h http.Header, name, word string) bool {
	for _, line := range h.Values(name) {
		for one := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(one), word) {
				return true
			}
		}
	}
	return false
}
