package peer

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// asked is a request of the Peer service.
type asked interface {
	proto.Message
	GetOrigin() *peerv1.Origin
}

// serve has a request carried out if it is from whom it says, in time, and not
// too much, and returns why there is no result, or nil. do gets a context that
// ends with the request's budget.
func (s *Server) serve(ctx context.Context, request asked, do func(context.Context) error) *peerv1.Refusal {
	err := s.admit(ctx, request, do)
	if err == nil {
		return nil
	}
	refusal, known := refuse(err)
	if !known {
		s.config.Logger.Error("a request of another node failed", slog.String("caller", clip(request.GetOrigin().GetNode())),
			slog.String("request", string(request.ProtoReflect().Descriptor().Name())), slog.Any("err", err))
	}
	return refusal
}

func (s *Server) admit(ctx context.Context, request asked, do func(context.Context) error) error {
	link, err := linkOf(ctx)
	if err != nil {
		return err
	}
	origin := request.GetOrigin()
	if err := link.sentBy(origin); err != nil {
		return fmt.Errorf("%w: %w", route.ErrInvalid, err)
	}
	left, err := link.left(origin, ticks())
	if err != nil {
		return err
	}
	size := int64(proto.Size(request))
	if !s.flight.take(size) {
		return route.ErrOverloaded
	}
	defer s.flight.give(size)
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return s.shielded(ctx, request, do)
}

// left returns how much of its budget a request has when it is received at that
// tick.
func (l *link) left(origin *peerv1.Origin, received uint64) (time.Duration, error) {
	budget := int64(min(origin.GetBudgetMs(), uint64(maxBudget.Milliseconds())))
	waited, ok := l.lateness.waited(origin.GetClock(), origin.GetSentAtMs(), received)
	if !ok {
		return 0, fmt.Errorf("%w: the request is older than the sender's present clock", context.DeadlineExceeded)
	}
	if waited >= budget {
		return 0, fmt.Errorf("%w: the request was on its way for %d ms, longer than the %d ms it had left", context.DeadlineExceeded, waited, budget)
	}
	return time.Duration(budget-waited) * time.Millisecond, nil
}

// shielded runs do. A panic ends the request and not the node.
func (s *Server) shielded(ctx context.Context, request asked, do func(context.Context) error) (err error) {
	defer func() {
		if broken := recover(); broken != nil {
			// What broke may hold a key or a value, so only its type is told.
			s.config.Logger.Error("a request of another node caused a panic", slog.String("panic", fmt.Sprintf("%T", broken)),
				slog.String("request", string(request.ProtoReflect().Descriptor().Name())), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("panic of type %T", broken)
		}
	}()
	return do(ctx)
}

// flight bounds the bytes of all requests under way. It is safe for concurrent
// use.
type flight struct {
	limit int64
	used  atomic.Int64
}

// take reserves n bytes, or reports that there are not so many.
func (f *flight) take(n int64) bool {
	if f.used.Add(n) <= f.limit {
		return true
	}
	f.used.Add(-n)
	return false
}

// give returns n bytes.
func (f *flight) give(n int64) { f.used.Add(-n) }
