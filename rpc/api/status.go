package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/admit"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/quota"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Trailer keys. SDKs read errTrailer, and only from the trailers; outcomeTrailer
// is for people and for clients of our own: whether the call changed anything.
const (
	errTrailer     = "err"
	outcomeTrailer = "mayfly-outcome"

	outcomeNone    = "none"
	outcomeUnknown = "unknown"
)

// refusal is an error that says exactly what the client is told.
type refusal struct {
	code    codes.Code
	kind    string // the err trailer, empty for none
	outcome string // the outcome trailer, empty for none
	text    string
	// name is that of the limit that was hit, where kind does not say it.
	name string
}

// limit is the name of the limit that was hit, for operators.
func (r *refusal) limit() string {
	return cmp.Or(r.name, strings.TrimSuffix(r.kind, "_limit_exceeded"), "other")
}

// Error returns the text the client is shown.
func (r *refusal) Error() string { return r.text }

// trailer returns the trailers that go with the status, nil for none.
func (r *refusal) trailer() metadata.MD {
	if r.kind == "" && r.outcome == "" {
		return nil
	}
	md := metadata.MD{}
	if r.kind != "" {
		md.Set(errTrailer, r.kind)
	}
	if r.outcome != "" {
		md.Set(outcomeTrailer, r.outcome)
	}
	return md
}

func invalid(format string, args ...any) error {
	return &refusal{code: codes.InvalidArgument, text: fmt.Sprintf(format, args...)}
}

// The limits. Two of the SDKs choose their wording by the first of these words
// that occurs in the text: subscribers, operations, throughput, request limit,
// item size, element size. So each text holds its own and none that stands
// before it, and nothing that a client wrote.
func limited(kind, format string, args ...any) *refusal {
	return &refusal{code: codes.ResourceExhausted, kind: kind, outcome: outcomeNone, text: fmt.Sprintf(format, args...)}
}

func requestTooLarge(limit int) error {
	return limited("request_size_limit_exceeded", "over the request limit of %d bytes", limit)
}

func messageTooLarge(limit int) error {
	return limited("request_size_limit_exceeded", "over the request limit for topic messages of %d bytes", limit)
}

func answerTooLarge(size, limit int) error {
	return limited("request_size_limit_exceeded",
		"the answer has %d bytes, over the request limit for answers of %d bytes; ask for a part of it", size, limit)
}

func unionTooLarge(limit int) error {
	return limited("request_size_limit_exceeded", "the sources of the union are over the request limit of %d bytes together", limit)
}

func itemTooLarge(limit int) error {
	return limited("item_size_limit_exceeded", "item size over %d bytes, key and value together", limit)
}

func elementTooLarge(limit int) error {
	return limited("element_size_limit_exceeded", "element size over %d bytes", limit)
}

func tooManySubscriptions(limit int, where scope) error {
	return limited("topic_subscriptions_limit_exceeded", "too many subscribers %s, there may be %d", where, limit)
}

// tooFast is a rate that does not suffice.
func tooFast(what quota.Kind, limit float64, where scope) error {
	const operations, throughput = "operations_rate_limit_exceeded", "throughput_rate_limit_exceeded"
	switch what {
	case quota.Bytes:
		return limited(throughput, "throughput over %.0f KiB per second %s", math.Ceil(limit/(1<<10)), where)
	case quota.Publishes:
		return limited(operations, "too many operations: over %.0f messages per second %s", limit, where)
	default:
		return limited(operations, "too many operations: over %.0f per second %s", limit, where)
	}
}

// noMemory refuses a write for want of memory. No SDK has a wording for that, so it
// holds none of their words, and they show the text under a general heading.
func noMemory(detail string) error {
	return &refusal{code: codes.ResourceExhausted, outcome: outcomeNone, text: detail}
}

var (
	// errBusy is worded for SDKs, like all that carry an err trailer.
	errBusy = &refusal{code: codes.ResourceExhausted, kind: "operations_rate_limit_exceeded", outcome: outcomeNone, name: "busy",
		text: "too many operations at this moment, try again later"}
	errStrangers = status.Error(codes.ResourceExhausted, "too many streams without a credential")
	errDraining  = &refusal{code: codes.Unavailable, outcome: outcomeNone, text: "this node is stopping, try another one or wait"}
	errAnswer    = limited("request_size_limit_exceeded", "the answer is over the request limit for answers; ask for a part of it")
	errInternal  = &refusal{code: codes.Internal, text: "internal error; the server's log says more"}
)

// refusals is what each error of the layers below is for a client. The first
// that matches counts: an unknown outcome may wrap the context's error.
var refusals = []struct {
	is error
	refusal
}{
	{auth.ErrUnauthenticated, refusal{code: codes.Unauthenticated}},
	{auth.ErrPermissionDenied, refusal{code: codes.PermissionDenied}},
	{auth.ErrInvalidArgument, refusal{code: codes.InvalidArgument}},
	{route.ErrUnknownOutcome, refusal{code: codes.Aborted, outcome: outcomeUnknown,
		text: "it is unknown whether the change was made; look before you repeat it"}},
	{route.ErrHeld, refusal{code: codes.Unavailable, outcome: outcomeNone,
		text: "not executed: this node is joining another cluster and takes no changes until it has; try again, or at another node"}},
	{route.ErrNotExecuted, refusal{code: codes.Unavailable, outcome: outcomeNone,
		text: "not executed: no node leads this data at the moment, try again"}},
	{route.ErrOverloaded, *errBusy},
	{admit.ErrBusy, *errBusy},
	{route.ErrLimit, refusal{code: codes.ResourceExhausted, outcome: outcomeNone}},
	{route.ErrTooManyKeys, refusal{code: codes.ResourceExhausted, outcome: outcomeNone, name: "keys"}},
	{route.ErrInvalid, refusal{code: codes.InvalidArgument}},
	{route.ErrCacheNotFound, refusal{code: codes.NotFound, text: "there is no cache of that name; create it first"}},
	{route.ErrCacheExists, refusal{code: codes.AlreadyExists, text: "a cache of that name is there already"}},
	{route.ErrWebhookNotFound, refusal{code: codes.NotFound, text: "there is no webhook of that name in the cache; list them to see which there are"}},
	{route.ErrKeyNotFound, refusal{code: codes.NotFound, text: "there is no API key with that id; list them to see which there are"}},
	{route.ErrSigningKeyNotFound, refusal{code: codes.NotFound, text: "there is no signing key with that id; list them to see which there are"}},
	// What is asked of the cluster.
	{cluster.ErrConflict, refusal{code: codes.Unavailable, outcome: outcomeNone, text: "the cluster has changed at the same moment; try again"}},
	{cluster.ErrRefused, refusal{code: codes.FailedPrecondition, outcome: outcomeNone}},
	{replica.ErrUnknownOutcome, refusal{code: codes.Aborted, outcome: outcomeUnknown,
		text: "it is unknown whether the group did it; look at the cluster's status before you repeat it"}},
	{replica.ErrRefused, refusal{code: codes.FailedPrecondition, outcome: outcomeNone}},
	{replica.ErrBehind, refusal{code: codes.FailedPrecondition, outcome: outcomeNone,
		text: "the replica there has not caught up with its leader; wait, and try again"}},
	{replica.ErrConflict, refusal{code: codes.Unavailable, outcome: outcomeNone, text: "the group has changed at the same moment; try again"}},
	{replica.ErrNotLeader, refusal{code: codes.Unavailable, outcome: outcomeNone, text: "the group has another leader now; try again"}},
	{steward.ErrNotLeading, *errHeadless},
	{context.DeadlineExceeded, refusal{code: codes.DeadlineExceeded, text: "the deadline passed before the answer was there"}},
	{context.Canceled, refusal{code: codes.Canceled, text: "the caller went away"}},
}

// refusalOf finds what a client is told about err. retried says that SDKs
// repeat the method by themselves, which makes an unknown outcome theirs to
// settle. known is false for an error that nobody foresaw.
func refusalOf(err error, retried bool) (told *refusal, known bool) {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r, true
	}
	if r, ok := errors.AsType[*cluster.Refusal](err); ok {
		return &refusal{code: codes.FailedPrecondition, outcome: outcomeNone, text: strings.TrimPrefix(r.Error(), "cluster: ")}, true
	}
	for i := range refusals {
		row := &refusals[i]
		if !errors.Is(err, row.is) {
			continue
		}
		r := row.refusal
		if r.text == "" {
			// The status says the sentinel's part already.
			r.text = strings.TrimPrefix(err.Error(), row.is.Error()+": ")
		}
		if errors.Is(row.is, route.ErrUnknownOutcome) {
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				r.code = codes.DeadlineExceeded // what the caller's own clock says, too
			case retried:
				r.code = codes.Unavailable
			}
		}
		return &r, true
	}
	return errInternal, false
}

// declined says what a result that is not OK means for the caller, nil if it
// is OK.
func declined(result *storev1.Result) error {
	switch result.GetStatus() {
	case storev1.Status_STATUS_OK:
		return nil
	case storev1.Status_STATUS_WRONG_TYPE:
		return precondition("the key holds another type of item than this operation works on")
	case storev1.Status_STATUS_NOT_A_NUMBER:
		return precondition("the stored value is not a base-10 number of 64 bits")
	case storev1.Status_STATUS_OVERFLOW:
		return precondition("the sum does not fit a number of 64 bits")
	case storev1.Status_STATUS_INVALID:
		return invalid("%s", result.GetDetail())
	case storev1.Status_STATUS_TOO_LARGE:
		return errAnswer
	case storev1.Status_STATUS_NO_MEMORY:
		return noMemory(result.GetDetail())
	case storev1.Status_STATUS_REQUEST_FORGOTTEN:
		return route.ErrUnknownOutcome
	case storev1.Status_STATUS_STALE_GENERATION, storev1.Status_STATUS_CLOCK_BEHIND:
		return route.ErrNotExecuted // the router settles these; one that is left over changed nothing
	default:
		return fmt.Errorf("unknown result status %d", result.GetStatus())
	}
}

func precondition(text string) error {
	return &refusal{code: codes.FailedPrecondition, outcome: outcomeNone, text: text}
}

// isStatus reports whether err is a gRPC status already: the transport's own, or that
// of a method nobody implements.
func isStatus(err error) bool {
	var s interface{ GRPCStatus() *status.Status }
	return errors.As(err, &s)
}
