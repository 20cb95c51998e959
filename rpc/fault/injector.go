package fault

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxRequests bounds the request ids that are remembered. Beyond it the counts begin
// anew, which no run of tests comes near.
const maxRequests = 100_000

// Injector decides which calls fail.
type Injector struct {
	chance *chance // nil: only calls that ask for it fail

	mu       sync.Mutex
	requests map[string]*counts
}

// counts is how often the calls of one request id have failed and been late.
type counts struct{ failed, delayed int }

// NewInjector makes an Injector that does what the headers of calls say and, when
// rate is above 0, lets that part of all other calls fail in a way that seed decides:
// the nth call of a method meets the same fate in every run. It fails when rate is not
// between 0 and 1.
func NewInjector(seed uint64, rate float64) (*Injector, error) {
	if !(rate >= 0 && rate <= 1) {
		return nil, fmt.Errorf("fault rate %v: want a part of all calls, from 0 to 1", rate)
	}
	in := &Injector{requests: make(map[string]*counts)}
	if rate > 0 {
		in.chance = newChance(seed, rate)
	}
	return in, nil
}

// Headers are the request headers that Call looks at, in lower case. The slice is the
// caller's.
func (in *Injector) Headers() []string { return slices.Clone(headerNames) }

// Call is asked when a call of a method, "/service/Method", begins. It returns when
// the call may go on, which may be late, or with the status that it is to end with.
// streams says that the call is answered with a stream; with broken set, the stream is to
// end with that status after it has sent so many messages, or where it would have ended
// well. header returns the first value of a request header, or "".
//
// The header error-rpcs lists calls, in kebab-case and with spaces between, that answer
// with return-error; delay-rpcs those that are late by delay-ms; stream-error-rpcs those
// whose streams end with stream-error after stream-error-message-limit messages. With
// error-count and delay-count it is only so many calls with the same request-id.
func (in *Injector) Call(ctx context.Context, method string, streams bool, header func(string) string) (messages int, broken, err error) {
	w, err := wishOf(method, header)
	if err != nil {
		return 0, nil, err
	}
	if in.chance != nil && w == (wish{request: w.request}) && !ofTheNode(method) {
		w = in.chance.draw(method, streams)
	}
	late, fails := in.count(w)
	if late && w.delay > 0 {
		timer := time.NewTimer(w.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
	if fails {
		return 0, nil, w.fail
	}
	return w.messages, w.broken, nil
}

// count says what of a wish applies to this call, and remembers that it did.
func (in *Injector) count(w wish) (late, fails bool) {
	late, fails = w.delay > 0, w.fail != nil
	if (!late || w.delayCount == always) && (!fails || w.failCount == always) {
		return late, fails
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	c, ok := in.requests[w.request]
	if !ok {
		if len(in.requests) >= maxRequests {
			clear(in.requests)
		}
		c = new(counts)
		in.requests[w.request] = c
	}
	if late = late && (w.delayCount == always || c.delayed < w.delayCount); late {
		c.delayed++
	}
	if fails = fails && (w.failCount == always || c.failed < w.failCount); fails {
		c.failed++
	}
	return late, fails
}
