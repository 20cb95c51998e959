package faults

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
)

// callTime bounds a call, and glanceTime a look, which nobody waits for long.
const (
	callTime   = 3 * time.Second
	glanceTime = time.Second
)

// lasting is a time to live that outlasts every round.
const lasting = uint64(24 * time.Hour / time.Millisecond)

// outcomeTrailer is what the broker says about a call that failed.
const outcomeTrailer = "mayfly-outcome"

// client makes calls in one cache.
type client struct {
	doors *Doors
	cache string
	// within bounds each call; 0 means callTime.
	within time.Duration
}

// told is how a call ended.
type told struct {
	outcome Outcome
	err     string
	// strange: no fault of a node explains such an answer.
	strange bool
}

// attempt makes one call at a node, whatever it is.
func (c client) attempt(ctx context.Context, call func(ctx context.Context, more ...grpc.CallOption) error) told {
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(ctx, "cache", c.cache), cmp.Or(c.within, callTime))
	defer cancel()
	var trailer metadata.MD
	var reached peer.Peer
	err := call(ctx, grpc.Trailer(&trailer), grpc.Peer(&reached))
	return judge(err, trailer, reached.Addr != nil)
}

// judge finds out what an error means. sent says that the call may have left
// this process.
func judge(err error, trailer metadata.MD, sent bool) told {
	if err == nil {
		return told{outcome: Done}
	}
	s := status.Convert(err)
	t := told{err: fmt.Sprintf("%s: %s", s.Code(), s.Message())}
	switch s.Code() {
	case codes.FailedPrecondition: // an answer about what is stored
		return told{outcome: Done, err: t.err}
	case codes.NotFound, codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied:
		t.outcome, t.strange = Refused, true
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.Canceled, codes.ResourceExhausted:
	default:
		t.strange = true
	}
	if !sent || slices.Contains(trailer.Get(outcomeTrailer), "none") {
		t.outcome = Refused
	}
	return t
}

// do makes a call at a node and returns its answer and how it ended.
func (c client) do(ctx context.Context, at Door, key string, in Input) (out Output, end told) {
	end = c.attempt(ctx, func(ctx context.Context, more ...grpc.CallOption) (err error) {
		scs := cachepb.NewScsClient(at.Conn)
		if isList(in.Do) {
			out, err = doList(ctx, scs, []byte(key), in, more)
		} else {
			out, err = doScalar(ctx, scs, []byte(key), in, more)
		}
		return err
	})
	if end.outcome == Done && end.err != "" {
		out = Output{Declined: true}
	}
	return out, end
}

// record makes a call at a random node and keeps what came of it.
func (c client) record(ctx context.Context, h *History, r *rand.Rand, id int, key string, in Input) {
	at, leave := c.doors.enter(r)
	defer leave()
	c.recordAt(ctx, h, at, id, key, in)
}

// recordAt is record at a node that was picked already.
func (c client) recordAt(ctx context.Context, h *History, at Door, id int, key string, in Input) {
	op := Op{Client: id, Node: at.Node, Key: key, In: in, Call: h.Now()}
	out, end := c.do(ctx, at, key, in)
	op.Return = h.Now()
	op.Out, op.Outcome, op.Error, op.strange = out, end.outcome, end.err, end.strange
	h.add(op)
}

func doScalar(ctx context.Context, scs cachepb.ScsClient, key []byte, in Input, more []grpc.CallOption) (Output, error) {
	switch in.Do {
	case Get:
		a, err := scs.Get(ctx, &cachepb.GetRequest{CacheKey: key}, more...)
		return Output{Found: a.GetResult() == cachepb.ECacheResult_Hit, Text: string(a.GetCacheBody())}, err
	case Set:
		_, err := scs.Set(ctx, &cachepb.SetRequest{CacheKey: key, CacheBody: []byte(in.Value), TtlMilliseconds: lasting}, more...)
		return Output{}, err
	case Delete:
		_, err := scs.Delete(ctx, &cachepb.DeleteRequest{CacheKey: key}, more...)
		return Output{}, err
	case Increment:
		a, err := scs.Increment(ctx, &cachepb.IncrementRequest{CacheKey: key, Amount: in.Amount, TtlMilliseconds: lasting}, more...)
		return Output{Number: a.GetValue()}, err
	default:
		request := &cachepb.SetIfRequest{CacheKey: key, CacheBody: []byte(in.Value), TtlMilliseconds: lasting}
		check := &cachepb.ValueCheck{ValueToCheck: []byte(in.Check)}
		switch in.Do {
		case SetAbsent:
			request.Condition = &cachepb.SetIfRequest_Absent{Absent: &cachepb.Absent{}}
		case SetEqual:
			request.Condition = &cachepb.SetIfRequest_Equal{Equal: check}
		case SetNotEqual:
			request.Condition = &cachepb.SetIfRequest_NotEqual{NotEqual: check}
		}
		a, err := scs.SetIf(ctx, request, more...)
		return Output{Found: a.GetStored() != nil}, err
	}
}

func doList(ctx context.Context, scs cachepb.ScsClient, key []byte, in Input, more []grpc.CallOption) (Output, error) {
	value := []byte(in.Value)
	switch in.Do {
	case PushFront:
		a, err := scs.ListPushFront(ctx, &cachepb.ListPushFrontRequest{ListName: key, Value: value, TtlMilliseconds: lasting}, more...)
		return Output{Number: int64(a.GetListLength())}, err
	case PushBack:
		a, err := scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: key, Value: value, TtlMilliseconds: lasting}, more...)
		return Output{Number: int64(a.GetListLength())}, err
	case PopFront:
		a, err := scs.ListPopFront(ctx, &cachepb.ListPopFrontRequest{ListName: key}, more...)
		return Output{a.GetFound() != nil, string(a.GetFound().GetFront()), int64(a.GetFound().GetListLength()), false}, err
	case PopBack:
		a, err := scs.ListPopBack(ctx, &cachepb.ListPopBackRequest{ListName: key}, more...)
		return Output{a.GetFound() != nil, string(a.GetFound().GetBack()), int64(a.GetFound().GetListLength()), false}, err
	case Length:
		a, err := scs.ListLength(ctx, &cachepb.ListLengthRequest{ListName: key}, more...)
		return Output{Found: a.GetFound() != nil, Number: int64(a.GetFound().GetLength())}, err
	case Remove:
		a, err := scs.ListRemove(ctx, &cachepb.ListRemoveRequest{ListName: key, Remove: &cachepb.ListRemoveRequest_AllElementsWithValue{AllElementsWithValue: value}}, more...)
		return Output{Found: a.GetFound() != nil, Number: int64(a.GetFound().GetListLength())}, err
	default:
		a, err := scs.ListFetch(ctx, &cachepb.ListFetchRequest{ListName: key}, more...)
		var text strings.Builder
		for _, v := range a.GetFound().GetValues() {
			text.Write(v)
			text.WriteByte('\n')
		}
		return Output{Found: a.GetFound() != nil, Text: text.String()}, err
	}
}

func createCache(ctx context.Context, at Door, name string, more []grpc.CallOption) error {
	_, err := controlpb.NewScsControlClient(at.Conn).CreateCache(ctx, &controlpb.CreateCacheRequest{CacheName: name}, more...)
	return err
}
