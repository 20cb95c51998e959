package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// attemptTime is how long a receiver has to answer (protocol.md 9.2).
	attemptTime = 5 * time.Second
	// maxAnswer is the largest answer that is read, which nobody looks at: as much
	// as a connection that is to be used again may be worth.
	maxAnswer = 4 << 10
	// maxAnswerHeaders bounds the headers of an answer, in bytes.
	maxAnswerHeaders = 16 << 10
	// idleConnections is how many connections are kept for the next deliveries, to
	// all receivers together and to one.
	idleConnections    = 256
	idleConnectionsOne = 2
	idleTime           = 30 * time.Second

	userAgent = "Mayfly-Webhooks/1.0"
)

// fate is what became of an attempt.
type fate uint8

const (
	taken     fate = iota // the receiver has it
	postponed             // it may work later
	refused               // the receiver does not want it, or says nothing that makes sense
	forbidden             // the receiver is where webhooks may not lead
)

// outcome is fate with its details, for people and for the next attempt.
type outcome struct {
	fate
	why   string        // in few words that name neither URL nor payload
	pause time.Duration // how long the receiver wants to be left alone; 0 if it does not say
	sent  bool          // all of it has left this node, or the receiver has answered
}

// poster makes single attempts. It is safe for concurrent use.
type poster struct {
	client *http.Client
}

// newPoster makes a poster whose connections go where the guard lets them. The
// environment's proxies are not asked: the guard could not see behind them.
func newPoster(g *Guard) *poster {
	return &poster{&http.Client{
		Transport: &http.Transport{
			DialContext:            g.DialContext,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			TLSHandshakeTimeout:    attemptTime,
			MaxResponseHeaderBytes: maxAnswerHeaders,
			MaxIdleConns:           idleConnections,
			MaxIdleConnsPerHost:    idleConnectionsOne,
			IdleConnTimeout:        idleTime,
		},
		// A redirect is an answer like any other, and none that says "taken".
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// close lets go of the connections that wait for more.
func (p *poster) close() { p.client.CloseIdleConnections() }

// post makes one attempt. It returns within attemptTime, or soon after ctx is done.
func (p *poster) post(ctx context.Context, url, secret string, body []byte) outcome {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err == nil {
			sent.Store(true)
		}
	}})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return outcome{fate: refused, why: "the URL is none"}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set(SignatureHeader, Sign(secret, body))
	answer, err := p.client.Do(request)
	if err != nil {
		o := failed(err)
		o.sent = sent.Load()
		return o
	}
	if answer.ContentLength >= 0 && answer.ContentLength <= maxAnswer {
		_, _ = io.Copy(io.Discard, answer.Body) // what counts was said before
	}
	_ = answer.Body.Close()
	o := judge(answer)
	o.sent = true // an answer may come before the word that all was written
	return o
}

// failed judges an attempt that brought no answer.
func failed(err error) outcome {
	switch {
	case errors.Is(err, ErrForbidden):
		return outcome{fate: forbidden, why: "its address is one that webhooks may not reach"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return outcome{fate: postponed, why: fmt.Sprintf("no answer within %v", attemptTime)}
	default:
		return outcome{fate: postponed, why: "no connection, or one that broke"}
	}
}

// judge judges an answer. That a receiver does not want an event is its last
// word, unless it says that it is only busy.
func judge(answer *http.Response) outcome {
	why := "status " + strconv.Itoa(answer.StatusCode)
	switch code := answer.StatusCode; {
	case code >= 200 && code < 300:
		return outcome{fate: taken}
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		return outcome{fate: postponed, why: why, pause: retryAfter(answer)}
	default:
		return outcome{fate: refused, why: why}
	}
}

// retryAfter is the pause a receiver asks for, in the header's form of seconds.
func retryAfter(answer *http.Response) time.Duration {
	seconds, err := strconv.ParseUint(answer.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
