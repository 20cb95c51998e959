package fault

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The headers that ask for faults. Calls are named by their methods in kebab-case.
const (
	headerRequest      = "request-id"                 // what is counted together
	headerError        = "return-error"               // the error to answer with
	headerErrorCalls   = "error-rpcs"                 // the calls that fail
	headerErrorCount   = "error-count"                // how often; absent is always
	headerDelayCalls   = "delay-rpcs"                 // the calls that are late
	headerDelay        = "delay-ms"                   // by how many milliseconds
	headerDelayCount   = "delay-count"                // how often; absent is always
	headerStreamCalls  = "stream-error-rpcs"          // the calls whose streams break
	headerStreamError  = "stream-error"               // the error they end with
	headerStreamBreaks = "stream-error-message-limit" // after how many messages
)

// headerNames are all of them.
var headerNames = []string{
	headerRequest, headerError, headerErrorCalls, headerErrorCount, headerDelayCalls, headerDelay, headerDelayCount,
	headerStreamCalls, headerStreamError, headerStreamBreaks,
}

// always is a count that never runs out.
const always = -1

// maxDelay bounds what a client may let a call wait.
const maxDelay = 10 * time.Minute

// wish is what the headers of one call ask for.
type wish struct {
	request string // the request id; empty counts nothing

	fail      error // what to answer with; nil lets the call pass
	failCount int

	delay      time.Duration
	delayCount int

	broken   error // what the stream ends with; nil leaves it alone
	messages int
}

// wishOf reads the headers of a call of a method.
func wishOf(method string, header func(string) string) (w wish, err error) {
	w.request = header(headerRequest)
	if listed(method, header(headerErrorCalls)) {
		if w.fail, err = errorNamed(headerError, header(headerError)); err == nil {
			w.failCount, err = number(headerErrorCount, header(headerErrorCount), always)
		}
	}
	if err == nil && listed(method, header(headerDelayCalls)) {
		var ms int
		if ms, err = number(headerDelay, header(headerDelay), 0); err == nil {
			w.delay = min(time.Duration(ms)*time.Millisecond, maxDelay)
			w.delayCount, err = number(headerDelayCount, header(headerDelayCount), always)
		}
	}
	if err == nil && listed(method, header(headerStreamCalls)) {
		if w.broken, err = errorNamed(headerStreamError, header(headerStreamError)); err == nil {
			w.messages, err = number(headerStreamBreaks, header(headerStreamBreaks), 0)
		}
	}
	return w, err
}

// listed reports whether a list of calls, with spaces between them, names the method.
func listed(method, list string) bool {
	if list == "" {
		return false
	}
	name, other := kebab(method[strings.LastIndexByte(method, '/')+1:]), otherNames[method]
	for word := range strings.FieldsSeq(list) {
		if word == name || word == other {
			return true
		}
	}
	return false
}

// number is the value of a header, or other when there is none.
func number(header, value string, other int) (int, error) {
	if value == "" {
		return other, nil
	}
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return 0, status.Errorf(codes.InvalidArgument, "the header %s is %.40q, want a number from 0 on", header, value)
	}
	return int(n), nil
}

// codesByName are all errors, named such as "unavailable" or "not-found".
var codesByName = func() map[string]codes.Code {
	all := map[string]codes.Code{"cancelled": codes.Canceled}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		all[kebab(code.String())] = code
	}
	return all
}()

// errorNamed is the status of that name.
func errorNamed(header, name string) (error, error) {
	if code, ok := codesByName[name]; ok {
		return status.Error(code, "provoked by the header "+header), nil
	}
	return nil, status.Errorf(codes.InvalidArgument,
		"the header %s is %.40q, want the name of a gRPC status such as unavailable or deadline-exceeded", header, name)
}

// otherNames are the names by which SDKs ask for calls that are called otherwise.
var otherNames = map[string]string{
	"/cache_client.Scs/SetIfNotExists":      "set-if",
	"/cache_client.Scs/ListErase":           "list-remove",
	"/cache_client.pubsub.Pubsub/Publish":   "topic-publish",
	"/cache_client.pubsub.Pubsub/Subscribe": "topic-subscribe",
}

// kebab turns ListPushBack into list-push-back.
func kebab(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
