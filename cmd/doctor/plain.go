package doctor

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mayfly-broker/mayfly/cmd/endpoint"
)

const (
	checkHTTP  = "http"
	checkReady = "ready"
	checkClock = "clock"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 256 << 10

// answer is what came of a request over HTTP.
type answer struct {
	status int
	header http.Header
	body   string
	// sent and got are when it was asked, and when the header was there.
	sent, got time.Time
}

// client speaks HTTP to a host, over HTTP/2 where that is offered. Whoever made
// it closes its idle connections.
func (x *exam) client(h *host) *http.Client {
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return x.dial(ctx, h.Host) },
		ForceAttemptHTTP2: true,
	}
	if x.TLS {
		transport.TLSClientConfig = x.settings(h, "h2", "http/1.1")
	}
	return &http.Client{
		Transport: transport,
		// Where an answer leads elsewhere a credential is not taken along, nor
		// would SDKs follow.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask makes one request. Headers are names and values in turn.
func (x *exam) ask(ctx context.Context, h *host, method, path, body string, headers ...string) (answer, error) {
	ctx, cancel := x.step(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, x.url(h, path), strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	client := x.client(h)
	defer client.CloseIdleConnections()
	a := answer{sent: x.Now()}
	response, err := client.Do(request)
	a.got = x.Now()
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	a.status, a.header, a.body = response.StatusCode, response.Header, string(text)
	return a, err
}

// kind is the type of an answer, without its parameters.
func (a answer) kind() string {
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	return kind
}

// isOpenMode reports whether a broker without an API key was asked by a name of which
// it cannot know that it is its own.
func (a answer) isOpenMode() bool { return a.status == http.StatusMisdirectedRequest }

// openMode is what is found then, and openModeEnds what ends it.
func openMode(h *host) string {
	return h.Host + " is refused: the broker has no API key yet, and answers to this machine's own names only"
}

const openModeEnds = "make a key on its machine, with `mayfly key create --superuser`"

// plain sees whether the HTTP API is there, and whether the broker says that it
// can serve.
func (x *exam) plain(ctx context.Context) (all []Finding) {
	for _, h := range x.among(endpoint.API, endpoint.Base) {
		if h.unusable != "" {
			continue // said before
		}
		a, err := x.ask(ctx, h, http.MethodGet, "/openapi.json", "")
		elsewhere := "is it a Mayfly broker that answers there? A proxy in front must pass every path on as it is"
		switch {
		case err != nil:
			all = append(all, x.bad(checkHTTP, h, fmt.Sprintf("HTTP fails at %s: %s", h.Host, reason(err)), elsewhere))
			continue
		case a.isOpenMode():
			all = append(all, x.bad(checkHTTP, h, openMode(h), openModeEnds))
			continue
		case a.status != http.StatusOK || a.kind() != "application/json" || !strings.Contains(a.body, `"/topics/{cache}/{topic}"`):
			all = append(all, x.bad(checkHTTP, h, fmt.Sprintf("something else than the HTTP API answers at %s: status %d, %s", h.Host, a.status, a.kind()), elsewhere))
			continue
		}
		all = append(all, ok(checkHTTP, "the HTTP API answers (%s)", h.Host))
	}
	return append(all, x.ready(ctx)...)
}

// ready asks the broker whether it can serve.
func (x *exam) ready(ctx context.Context) []Finding {
	h := x.speaking()
	if h == nil {
		return nil
	}
	a, err := x.ask(ctx, h, http.MethodGet, "/readyz", "")
	switch {
	case err != nil, a.status != http.StatusOK && a.status != http.StatusServiceUnavailable:
		return nil // said by plain
	case a.status == http.StatusServiceUnavailable:
		return []Finding{warning(checkReady, "the broker cannot serve at this moment: "+strings.Join(strings.Fields(a.body), " "),
			"docs/operations.md says what each reason means")}
	default:
		return []Finding{ok(checkReady, "the broker says that it can serve")}
	}
}

// speaking is a host over which HTTP can be spoken, any of them; nil for none.
func (x *exam) speaking() *host {
	for _, h := range x.usable() {
		return h
	}
	return nil
}

// What a clock may be wrong by: what is below soonClock no token notices, what is
// above lateClock ends tokens that live a minute.
const (
	soonClock = 5 * time.Second
	lateClock = time.Minute
)

// clock compares the server's clock with ours, as far as its answers tell.
func (x *exam) clock(ctx context.Context) []Finding {
	h := x.speaking()
	if h == nil {
		return nil
	}
	a, err := x.ask(ctx, h, http.MethodGet, "/livez", "")
	if err != nil {
		return nil // said by plain
	}
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return []Finding{skipped(checkClock, "the server does not say what time it is")}
	}
	// The header has whole seconds, cut off, and is from between the two moments.
	middle := a.sent.Add(a.got.Sub(a.sent) / 2)
	ahead := date.Add(time.Second / 2).Sub(middle)
	off, direction := ahead, "ahead of"
	if off < 0 {
		off, direction = -ahead, "behind"
	}
	found := fmt.Sprintf("the server's clock is %s %s this machine's", off.Round(time.Second), direction)
	remedy := "have both set their clocks by the network (NTP): tokens end by the broker's clock"
	switch {
	case off > lateClock:
		return []Finding{wrong(checkClock, found, remedy)}
	case off > soonClock+a.got.Sub(a.sent):
		return []Finding{warning(checkClock, found, remedy)}
	default:
		return []Finding{ok(checkClock, "the clocks agree")}
	}
}
