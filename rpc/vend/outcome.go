package vend

import (
	"errors"
	"sync/atomic"

	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// outcome is how a request ended.
type outcome int

const (
	outcomeVended  outcome = iota
	outcomeRefused         // the caller did not pass the check, or gets none
	outcomeInvalid         // a value does not fit
	outcomeLimited         // too many requests of one address
	outcomeFailed          // not the caller's fault
	outcomes
)

var outcomeNames = [outcomes]string{"vended", "refused", "invalid", "limited", "failed"}

func outcomeOf(err error) outcome {
	_, often := errors.AsType[TooOften](err)
	switch {
	case err == nil:
		return outcomeVended
	case often:
		return outcomeLimited
	case errors.Is(err, auth.ErrUnauthenticated), errors.Is(err, auth.ErrPermissionDenied):
		return outcomeRefused
	case errors.Is(err, auth.ErrInvalidArgument):
		return outcomeInvalid
	default:
		return outcomeFailed
	}
}

// tally counts outcomes.
type tally [outcomes]atomic.Uint64

// Outcomes returns how the requests to each endpoint ended since the machine was
// made, by the names of endpoint and outcome: vended, refused, invalid, limited and
// failed. The maps are the caller's.
func (m *Machine) Outcomes() map[string]map[string]uint64 {
	all := make(map[string]map[string]uint64, len(m.endpoints))
	for name, e := range m.endpoints {
		one := make(map[string]uint64, outcomes)
		for o := range e.tally {
			one[outcomeNames[o]] = e.tally[o].Load()
		}
		all[name] = one
	}
	return all
}
