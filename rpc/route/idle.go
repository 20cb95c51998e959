package route

import "context"

// Idler is a caller that has something others could use while its request waits for a
// group to have a leader, such as a place among those that are served.
type Idler interface {
	// Idle is called when such a wait begins, maybe often, and by several goroutines
	// at a time.
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
