package fault

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// FuzzFaults: whatever the headers say, they ask for a fault within its bounds or
// for none, and what cannot be read is the caller's mistake.
func FuzzFaults(f *testing.F) {
	f.Add(get, "get set", "unavailable", "3", "100", "1")
	f.Add(publish, "topic-publish", "cancelled", "", "0", "")
	f.Add(subscribe, "topic-subscribe", "not-found", "2147483647", "2147483647", "2147483647")
	f.Add(get, "get", "sorry", "-1", "1e9", "18446744073709551616")
	f.Add("", "get", "", "", "", "")
	f.Add("/", " \t ", "ok", "0x1", "１", "+1")
	f.Fuzz(func(t *testing.T, method, calls, name, count, ms, messages string) {
		w, err := wishOf(method, headers{
			headerRequest: name, headerError: name, headerErrorCalls: calls, headerErrorCount: count,
			headerDelay: ms, headerDelayCalls: calls, headerDelayCount: count,
			headerStreamCalls: calls, headerStreamError: name, headerStreamBreaks: messages,
		}.get)
		switch {
		case err != nil && status.Code(err) != codes.InvalidArgument:
			t.Fatal(err)
		case w.delay < 0 || w.delay > maxDelay || w.failCount < always || w.delayCount < always || w.messages < 0:
			t.Fatalf("%+v", w)
		case err == nil && !listed(method, calls) && (w.fail != nil || w.delay != 0 || w.broken != nil):
			t.Fatalf("%q was not named in %q, and yet %+v", method, calls, w)
		}
	})
}
