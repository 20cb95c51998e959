package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// sdkKeywords are the words by which two of the SDKs tell limits apart: the
// first of them that is in the lower-cased text decides (protocol.md 3.3).
var sdkKeywords = []struct{ word, kind string }{
	{"subscribe", "topic_subscriptions_limit_exceeded"}, // what one of them looks for instead of the next
	{"subscribers", "topic_subscriptions_limit_exceeded"},
	{"operations", "operations_rate_limit_exceeded"},
	{"throughput", "throughput_rate_limit_exceeded"},
	{"request limit", "request_size_limit_exceeded"},
	{"item size", "item_size_limit_exceeded"},
	{"element size", "element_size_limit_exceeded"},
}

// sdkKind is the limit that an SDK takes a text for.
func sdkKind(text string) string {
	for _, k := range sdkKeywords {
		if strings.Contains(strings.ToLower(text), k.word) {
			return k.kind
		}
	}
	return ""
}

// limitedBy fails unless err is that limit, in an SDK's eyes too.
func limitedBy(t testing.TB, err error, kind string) {
	t.Helper()
	wants(t, err, codes.ResourceExhausted)
	if got := sdkKind(status.Convert(err).Message()); got != kind {
		t.Errorf("SDKs take %q for %q, want %q", status.Convert(err).Message(), got, kind)
	}
}

func TestLimitsAreWordedForSDKs(t *testing.T) {
	for _, err := range []error{
		requestTooLarge(1), messageTooLarge(1), answerTooLarge(1, 1), itemTooLarge(1), elementTooLarge(1), tooManySubscriptions(1, ofCache), errBusy, errAnswer, unionTooLarge(1),
	} {
		r, known := refusalOf(err, false)
		if !known || r.code != codes.ResourceExhausted || r.kind == "" {
			t.Errorf("%q: %+v", err, r)
		}
		if got := sdkKind(r.text); got != r.kind {
			t.Errorf("SDKs take %q for %q, the trailer says %q", r.text, got, r.kind)
		}
	}
}

func TestRefusals(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("on the way: %w", err) }
	for _, test := range []struct {
		err           error
		code          codes.Code
		kind, outcome string
		retriedCode   codes.Code
	}{
		{auth.ErrExpired, codes.Unauthenticated, "", "", codes.Unauthenticated},
		{auth.ErrRevoked, codes.Unauthenticated, "", "", codes.Unauthenticated},
		{denied("no"), codes.PermissionDenied, "", "", codes.PermissionDenied},
		{auth.ErrInvalidArgument, codes.InvalidArgument, "", "", codes.InvalidArgument},
		{route.ErrCacheNotFound, codes.NotFound, "", "", codes.NotFound},
		{route.ErrCacheExists, codes.AlreadyExists, "", "", codes.AlreadyExists},
		{route.ErrNotExecuted, codes.Unavailable, "", "none", codes.Unavailable},
		{route.ErrUnknownOutcome, codes.Aborted, "", "unknown", codes.Unavailable},
		{fmt.Errorf("%w: %w", route.ErrUnknownOutcome, context.DeadlineExceeded), codes.DeadlineExceeded, "", "unknown", codes.DeadlineExceeded},
		{route.ErrOverloaded, codes.ResourceExhausted, "operations_rate_limit_exceeded", "none", codes.ResourceExhausted},
		{route.ErrLimit, codes.ResourceExhausted, "", "none", codes.ResourceExhausted},
		{route.ErrInvalid, codes.InvalidArgument, "", "", codes.InvalidArgument},
		{route.ErrKeyNotFound, codes.NotFound, "", "", codes.NotFound},
		{cluster.ErrConflict, codes.Unavailable, "", "none", codes.Unavailable},
		{cluster.ErrRefused, codes.FailedPrecondition, "", "none", codes.FailedPrecondition},
		{&cluster.Refusal{What: "leave", Node: "a", Why: "no"}, codes.FailedPrecondition, "", "none", codes.FailedPrecondition},
		{replica.ErrUnknownOutcome, codes.Aborted, "", "unknown", codes.Aborted},
		{replica.ErrRefused, codes.FailedPrecondition, "", "none", codes.FailedPrecondition},
		{replica.ErrBehind, codes.FailedPrecondition, "", "none", codes.FailedPrecondition},
		{replica.ErrConflict, codes.Unavailable, "", "none", codes.Unavailable},
		{replica.ErrNotLeader, codes.Unavailable, "", "none", codes.Unavailable},
		{steward.ErrNotLeading, codes.Unavailable, "", "none", codes.Unavailable},
		{context.DeadlineExceeded, codes.DeadlineExceeded, "", "", codes.DeadlineExceeded},
		{context.Canceled, codes.Canceled, "", "", codes.Canceled},
		{declined(&storev1.Result{Status: storev1.Status_STATUS_WRONG_TYPE}), codes.FailedPrecondition, "", "none", codes.FailedPrecondition},
		{declined(&storev1.Result{Status: storev1.Status_STATUS_NOT_A_NUMBER}), codes.FailedPrecondition, "", "none", codes.FailedPrecondition},
		{declined(&storev1.Result{Status: storev1.Status_STATUS_OVERFLOW}), codes.FailedPrecondition, "", "none", codes.FailedPrecondition},
		{declined(&storev1.Result{Status: storev1.Status_STATUS_INVALID, Detail: "why"}), codes.InvalidArgument, "", "", codes.InvalidArgument},
		{declined(&storev1.Result{Status: storev1.Status_STATUS_REQUEST_FORGOTTEN}), codes.Aborted, "", "unknown", codes.Unavailable},
		{declined(&storev1.Result{Status: storev1.Status_STATUS_STALE_GENERATION}), codes.Unavailable, "", "none", codes.Unavailable},
		{declined(&storev1.Result{Status: storev1.Status_STATUS_TOO_LARGE}), codes.ResourceExhausted, "request_size_limit_exceeded", "none", codes.ResourceExhausted},
		{declined(&storev1.Result{Status: storev1.Status_STATUS_CLOCK_BEHIND}), codes.Unavailable, "", "none", codes.Unavailable},
	} {
		for retried, code := range map[bool]codes.Code{false: test.code, true: test.retriedCode} {
			r, known := refusalOf(wrapped(test.err), retried)
			if !known || r.code != code || r.kind != test.kind || r.outcome != test.outcome || r.text == "" {
				t.Errorf("%v, retried %v: %+v, want %v, %q, %q", test.err, retried, r, code, test.kind, test.outcome)
			}
			if r.code == codes.ResourceExhausted && sdkKind(r.text) != r.kind {
				t.Errorf("SDKs take %q for %q, the trailer says %q", r.text, sdkKind(r.text), r.kind)
			}
			avoid(t, r)
		}
	}
	if r, known := refusalOf(errors.New("disk on fire"), false); known || r.code != codes.Internal || strings.Contains(r.text, "fire") {
		t.Errorf("an unforeseen error: %+v, %v", r, known)
	}
	for name, number := range storev1.Status_value {
		if err := declined(&storev1.Result{Status: storev1.Status(number)}); number != 0 {
			if _, known := refusalOf(err, false); !known {
				t.Errorf("%s is unforeseen: %v", name, err)
			}
		}
	}
}

// avoid fails on words that SDKs take for something else (protocol.md 3.1).
func avoid(t *testing.T, r *refusal) {
	t.Helper()
	for _, trap := range []string{"AbortSignal", "Cancelled on client", "Store with name:", "Received RST_STREAM"} {
		if strings.Contains(r.text, trap) {
			t.Errorf("%q holds %q", r.text, trap)
		}
	}
	if r.kind == "item_not_found" || r.kind == "store_not_found" {
		t.Errorf("%q would hide that the cache is missing", r.kind)
	}
}
