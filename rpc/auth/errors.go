package auth

import (
	"errors"
	"fmt"
)

// The three ways to refuse, one for each status that rpc/api answers. Every
// refusal wraps exactly one of them; its text is meant for the caller's eyes and
// holds nothing secret.
var (
	// ErrUnauthenticated: the caller did not prove who it is.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrPermissionDenied: the caller is known and may not do this.
	ErrPermissionDenied = errors.New("permission denied")
	// ErrInvalidArgument: what was asked for makes no sense, whoever asks.
	ErrInvalidArgument = errors.New("invalid argument")
)

// Why a credential was refused; all of them wrap ErrUnauthenticated.
var (
	// ErrMissing: the call carried no credential and the cluster is not open.
	ErrMissing = fmt.Errorf("%w: this cluster needs a credential, send an API key or a token", ErrUnauthenticated)
	// ErrMalformed: the text is no credential of any form.
	ErrMalformed = fmt.Errorf("%w: malformed credential", ErrUnauthenticated)
	// ErrForged: the signature, or what the text says about it, does not hold.
	ErrForged = fmt.Errorf("%w: not signed by this cluster", ErrUnauthenticated)
	// ErrForeign: well signed, but for another cluster or another purpose.
	ErrForeign = fmt.Errorf("%w: credential of another issuer", ErrUnauthenticated)
	// ErrExpired: the credential, or the key behind it, is past its end.
	ErrExpired = fmt.Errorf("%w: expired credential", ErrUnauthenticated)
	// ErrUnheardOf goes with ErrForged or ErrRevoked when the key that a
	// credential names is not known: a copy of the catalog that is behind may
	// not have heard of it yet.
	ErrUnheardOf = errors.New("key not known here")
	// ErrRevoked: the key, or the key that minted the token, is revoked or gone.
	ErrRevoked = fmt.Errorf("%w: revoked credential", ErrUnauthenticated)
)

// malformed, forged, invalid and denied add the reason to the kind.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

func forged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrForged}, args...)...)
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalidArgument}, args...)...)
}

func denied(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrPermissionDenied}, args...)...)
}

func revoked(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRevoked}, args...)...)
}

// unheardOf marks a refusal that may be due to the age of the catalog.
type unheardOf struct{ error }

func (e unheardOf) Unwrap() []error { return []error{e.error, ErrUnheardOf} }
