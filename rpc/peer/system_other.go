//go:build !linux

package peer

import "time"

// limitUnsent does nothing: bytes that nobody acknowledges have a limit of ours
// on Linux only, elsewhere the keepalive must do.
func limitUnsent(int) {}

// sinceBoot reads a clock that nobody can set.
func sinceBoot() time.Duration { return sinceStart() }
