package route

import (
	"context"
	"time"
)

// late is how long a request waits for another node's answer before its caller is told.
const late = 250 * time.Millisecond

// Idler is a caller that has something others could use while its request waits, such
// as a place among those that are served: for a group to have a leader, or for one who
// leads to prove it and cannot.
type Idler interface {
	// Idle is called when such a wait begins, or is known to last, maybe often, and by
	// several goroutines at a time.
	Idle()
}

// IdlerKey finds the Idler among the values of a request's context, if it has one.
type IdlerKey struct{}

// idle tells the caller of a request that it waits.
func idle(ctx context.Context) {
	if caller, ok := ctx.Value(IdlerKey{}).(Idler); ok {
		caller.Idle()
	}
}

// idleAfter tells the caller of a request that it waits, unless stop is called within
// that time.
func idleAfter(ctx context.Context, d time.Duration) (stop func() bool) {
	caller, ok := ctx.Value(IdlerKey{}).(Idler)
	if !ok {
		return notIdle
	}
	return time.AfterFunc(d, caller.Idle).Stop
}

func notIdle() bool { return false }

// idleAway is idleAfter for what is answered from memory, if another node is asked for
// it: that one may be cut off from its group, or from here.
func (r *Router) idleAway(ctx context.Context, asked Face) (stop func() bool) {
	if asked == Face(r.local) {
		return notIdle
	}
	return idleAfter(ctx, late)
}
