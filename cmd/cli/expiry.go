package cli

import (
	"fmt"
	"math"
	"time"

	"github.com/mayfly-broker/mayfly/cmd/config"
)

// keyLife reads the life of a key; 0 seconds is for ever.
func keyLife(text string) (seconds uint64, err error) {
	if text == "never" {
		return 0, nil
	}
	n, err := lifeSeconds("--expires", text)
	if err != nil {
		return 0, fmt.Errorf("%w, or never", err)
	}
	return n, nil
}

// tokenLife reads the life of a token, which always has an end.
func tokenLife(text string) (seconds uint32, err error) {
	if text == "never" {
		return 0, fmt.Errorf("--expires: a token cannot live for ever; make a key for that")
	}
	n, err := lifeSeconds("--expires", text)
	if err != nil {
		return 0, err
	}
	return uint32(min(n, math.MaxUint32)), nil
}

func lifeSeconds(flag, text string) (uint64, error) {
	d, err := config.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", flag, err)
	}
	if d%time.Second != 0 {
		return 0, fmt.Errorf("%s: %q is not a whole number of seconds", flag, text)
	}
	return uint64(d / time.Second), nil
}
