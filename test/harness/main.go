package harness

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// Main is the TestMain of a folder of stories: it builds what they run, with Build
// or BuildBroker, runs them, removes what was built, and ends the process.
func Main(m *testing.M, build func(context.Context) (cleanup func(), err error)) {
	cleanup, err := build(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	cleanup()
	os.Exit(code)
}
