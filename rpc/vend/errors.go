package vend

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// Why nothing was vended, besides auth.ErrUnauthenticated, auth.ErrPermissionDenied
// and auth.ErrInvalidArgument. The texts are meant for the caller and hold nothing
// of what it sent.
var (
	// ErrNoEndpoint: no endpoint has that name.
	ErrNoEndpoint = errors.New("no such endpoint")
	// ErrUnavailable: it is not the caller's fault; try again.
	ErrUnavailable = errors.New("not available at the moment")
)

// TooOften is the error of a caller who asks too often.
type TooOften struct {
	// After is when the next request will be let through.
	After time.Duration
}

// Error implements error.
func (TooOften) Error() string { return "too many requests from this address" }

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{auth.ErrInvalidArgument}, args...)...)
}

func denied(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{auth.ErrPermissionDenied}, args...)...)
}

func unauthenticated(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{auth.ErrUnauthenticated}, args...)...)
}

// Misfit is an error about a field of an Endpoint.
type Misfit struct {
	// Path leads to the field from the endpoint: parameters, room, pattern.
	Path []string
	err  error
}

// Error names the field and what would be right.
func (m *Misfit) Error() string { return strings.Join(m.Path, ": ") + ": " + m.err.Error() }

// Unwrap returns the error without the field.
func (m *Misfit) Unwrap() error { return m.err }

// misfit makes an error about the field, or about one further down when err is a
// Misfit already.
func misfit(err error, path ...string) error {
	if inner, ok := errors.AsType[*Misfit](err); ok {
		return &Misfit{slices.Concat(path, inner.Path), inner.err}
	}
	return &Misfit{path, err}
}
