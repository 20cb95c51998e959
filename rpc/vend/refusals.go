package vend

import (
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"time"
)

const (
	// refusalsEvery is how often the log is told that an endpoint refuses for one
	// reason.
	refusalsEvery = time.Minute
	// maxReasons is how many reasons of an endpoint are told apart at a time. It has
	// fewer, unless somebody makes them up, as by ever other numbers of a parameter;
	// more are one for each outcome.
	maxReasons = 16
)

// refusals keeps the log of an endpoint from being filled by those who get nothing:
// anybody may ask. All are counted in the tally.
type refusals struct {
	mu   sync.Mutex
	told map[string]*reason // by the words for the caller
}

// reason is why callers got nothing, as the log knows it.
type reason struct {
	at     time.Time
	untold uint64 // refusals since
}

// tell has the log say why a caller got nothing, once in refusalsEvery for each
// reason: "refused" is how many got nothing for that reason since the last time, this
// one included.
func (r *refusals) tell(logger *slog.Logger, from netip.Addr, err error, now time.Time) {
	count := r.count(err, now)
	if count == 0 {
		return
	}
	if hidden, ok := errors.AsType[*unreachable](err); ok {
		err = hidden.cause
	}
	logger.Info("no token was vended", slog.String("caller", from.String()), slog.Uint64("refused", count), slog.Any("err", err))
}

// count counts a refusal. It returns how many the log is to be told of now.
func (r *refusals) count(err error, now time.Time) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.find(err, now)
	one.untold++
	if !one.at.IsZero() && now.Sub(one.at) < refusalsEvery {
		return 0
	}
	told := one.untold
	one.at, one.untold = now, 0
	return told
}

// find returns the reason of an error. The words for the caller tell reasons apart:
// those for the operator differ each time, as by the port of a connection. The caller
// holds the lock.
func (r *refusals) find(err error, now time.Time) *reason {
	words := err.Error()
	if one := r.told[words]; one != nil {
		return one
	}
	if len(r.told) >= maxReasons { // what they have not told since is in the tally
		maps.DeleteFunc(r.told, func(_ string, one *reason) bool { return now.Sub(one.at) >= refusalsEvery })
	}
	if len(r.told) >= maxReasons {
		words = outcomeNames[outcomeOf(err)]
	}
	one := r.told[words]
	if one == nil {
		if r.told == nil {
			r.told = make(map[string]*reason)
		}
		one = new(reason)
		r.told[words] = one
	}
	return one
}
