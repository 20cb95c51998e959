package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/momentohq/client-sdk-go/momento"
)

// patience bounds every wait of a check.
const patience = 20 * time.Second

// output takes one JSON line per check or event.
var output = struct {
	sync.Mutex
	*json.Encoder
}{Encoder: json.NewEncoder(os.Stdout)}

func tell(line any) {
	output.Lock()
	defer output.Unlock()
	if err := output.Encode(line); err != nil {
		os.Exit(1) // nobody listens any more
	}
}

// checks counts the promises tried by this program.
type checks struct{ made int }

// failure is how a check that is over leaves its function.
type failure struct{ text string }

// run tries one promise and prints the outcome; a failure, or even a panic
// inside the SDK, does not stop the checks after it.
func (c *checks) run(name string, body func(ctx context.Context)) {
	c.made++
	line := map[string]string{"check": name}
	func() {
		defer func() {
			switch r := recover().(type) {
			case nil:
			case failure:
				line["error"] = r.text
			default:
				line["error"] = fmt.Sprintf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		defer cancel()
		body(ctx)
	}()
	tell(line)
}

// finish ends the program's report.
func (c *checks) finish() { tell(map[string]int{"done": c.made}) }

// fail ends the check that is running.
func fail(format string, args ...any) {
	stack := strings.Split(string(debug.Stack()), "\n")
	where := ""
	for _, line := range stack {
		if strings.Contains(line, "/gosdk/") && !strings.Contains(line, "check.go") {
			where = strings.TrimSpace(line)
			break
		}
	}
	panic(failure{fmt.Sprintf(format, args...) + "\n" + where})
}

// want demands a response of the given type.
func want[T any](response any, err error) T {
	if err != nil {
		fail("%T wanted, got %v", *new(T), err)
	}
	got, ok := response.(T)
	if !ok {
		fail("%T wanted, got %T", *new(T), response)
	}
	return got
}

// refused demands an error with the given code, and with the words in its text
// when there are any.
func refused(code string, words ...string) func(response any, err error) {
	return func(response any, err error) {
		var svc momento.MomentoError
		if !errors.As(err, &svc) {
			fail("%s wanted, got %T, %v", code, response, err)
		}
		// Minting a token, the SDK wraps the broker's error in one of its own.
		for errors.As(svc.OriginalErr(), &svc) {
		}
		if svc.Code() != code {
			fail("%s wanted, got %s: %s", code, svc.Code(), svc.Message())
		}
		for _, word := range words {
			if !strings.Contains(strings.ToLower(svc.Message()), word) {
				fail("%q wanted in %q", word, svc.Message())
			}
		}
	}
}

// same demands equal values.
func same(got, want any) {
	if !reflect.DeepEqual(got, want) {
		fail("got %#v, want %#v", got, want)
	}
}

// between demands low < got <= high.
func between(got, low, high time.Duration) {
	if got <= low || got > high {
		fail("%s, want more than %s and at most %s", got, low, high)
	}
}

var names atomic.Int64

// fresh is a name that nothing else in this run uses.
func fresh(what string) string {
	return fmt.Sprintf("%s-%d-%d", what, os.Getpid(), names.Add(1))
}

// eventually looks at a condition until it holds.
func eventually(what string, condition func() bool) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			fail("waited %s for %s", patience, what)
		}
	}
}

// expires watches an item end. It must be there for as long as the broker
// cannot possibly have reached the end of its life, and gone for every question
// asked after it: the life began between written and acked. The broker counts
// whole milliseconds, so each side gives it one.
func expires(written, acked time.Time, ttl time.Duration, exists func() bool) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		asked := time.Now()
		there := exists()
		answered := time.Now()
		if !there {
			if life := answered.Sub(written); life < ttl-time.Millisecond {
				fail("gone %s after a write with a life of %s", life, ttl)
			}
			return
		}
		if life := asked.Sub(acked); life > ttl+time.Millisecond {
			fail("still there %s after a write with a life of %s", life, ttl)
		}
		<-tick.C
	}
}
