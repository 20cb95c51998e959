package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// Pauses between attempts to subscribe again: they double from the first to the
// longest, and begin anew with every stream that brought something.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// errEnded is a stream that the server ended in order, as it does before it
// restarts.
var errEnded = errors.New("the server ended the stream")

// follower keeps one subscription alive over any number of streams. It belongs
// to one goroutine.
type follower struct {
	session      *session
	client       pubsubpb.PubsubClient
	cache, topic string

	// next and page are where to go on; next 0 takes only what is new.
	next, page uint64
	// wanted is how many items are still to come; 0 has no end.
	wanted uint64
	print  func(*pubsubpb.SubscribeResponse) error

	established bool // a first message came, ever
	lost        bool // the user was told of an outage
	enough      bool // all wanted items came
}

// follow prints the topic until ctx is done or enough items came, which is no
// error, or until an error that no retry cures. Before the first message every error is of that kind: whoever
// starts a command wants to know that it cannot work.
func (f *follower) follow(ctx context.Context) error {
	pause := firstPause
	for {
		received, err := f.stream(ctx)
		if f.enough || ctx.Err() != nil {
			return nil //nolint:nilerr // how a stream breaks off at the end that was asked for is no matter
		}
		switch {
		case isLocal(err):
			return err
		case !f.established, final(codeOf(err)) && !errors.Is(err, errEnded):
			return err
		}
		if received {
			pause = firstPause
		}
		f.tellLoss(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(jitter(pause)):
		}
		pause = min(2*pause, longestPause)
	}
}

// jitter spreads the subscribers of one restarted server over time.
func jitter(pause time.Duration) time.Duration {
	return pause/2 + rand.N(pause)
}

// localError is a failure on our side of the connection, such as a closed pipe.
type localError struct{ error }

func (e localError) Unwrap() error { return e.error }

func isLocal(err error) bool {
	_, ok := errors.AsType[localError](err)
	return ok
}

// final reports whether subscribing again is bound to end the same way.
func final(code codes.Code) bool {
	switch code {
	case codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument, codes.Unimplemented:
		return true
	default:
		return false
	}
}

// stream opens the subscription once and prints until it ends, which is with an
// error unless enough items came. Received tells whether any message came.
func (f *follower) stream(ctx context.Context) (received bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(f.session.opts.timeout, cancel)
	defer late.Stop()
	stream, err := f.client.Subscribe(f.session.present(ctx, nil, f.session.credential.text), &pubsubpb.SubscribeRequest{
		CacheName:                   f.cache,
		Topic:                       f.topic,
		ResumeAtTopicSequenceNumber: f.next,
		SequencePage:                f.page,
	})
	for err == nil {
		var message *pubsubpb.SubscribeResponse
		if message, err = stream.Recv(); err != nil {
			break
		}
		if !late.Stop() && !received {
			break // the first message and the end of patience met
		}
		received, f.established = true, true
		if err := f.take(message); err != nil || f.enough {
			return received, err
		}
	}
	return received, f.explain(ctx, err, received)
}

// explain names the end of a stream.
func (f *follower) explain(ctx context.Context, err error, received bool) error {
	switch {
	case errors.Is(err, io.EOF):
		return errEnded
	case !received && ctx.Err() != nil:
		return &callError{codes.DeadlineExceeded, f.session.late()}
	default:
		return f.session.explain(pubsubpb.Pubsub_Subscribe_FullMethodName, err)
	}
}

// take prints one message and remembers where to go on after it.
func (f *follower) take(message *pubsubpb.SubscribeResponse) error {
	f.tellReturn()
	if err := f.print(message); err != nil {
		return localError{err}
	}
	switch kind := message.GetKind().(type) {
	case *pubsubpb.SubscribeResponse_Item:
		f.next, f.page = kind.Item.GetTopicSequenceNumber()+1, kind.Item.GetSequencePage()
		f.enough = f.wanted == 1
		f.wanted -= min(f.wanted, 1)
	case *pubsubpb.SubscribeResponse_Discontinuity:
		// Its new number is the last one used, protocol.md 5.2.
		f.next, f.page = kind.Discontinuity.GetNewTopicSequence()+1, kind.Discontinuity.GetNewSequencePage()
	}
	return nil
}

// tellLoss says once per outage that the connection is gone.
func (f *follower) tellLoss(err error) {
	if f.lost {
		return
	}
	f.lost = true
	reason := err.Error()
	if call, ok := errors.AsType[*callError](err); ok && call.code == codes.Unavailable {
		reason = "the server went away"
	}
	f.session.program.remark("mayfly: connection lost (%s), reconnecting", reason)
}

// tellReturn says how the subscription goes on after an outage.
func (f *follower) tellReturn() {
	if !f.lost {
		return
	}
	f.lost = false
	how := fmt.Sprintf("resuming at item %d", f.next)
	if f.next == 0 {
		how = "no item had come yet, so what was published in between is not shown"
	}
	f.session.program.remark("mayfly: connected again, %s", how)
}
