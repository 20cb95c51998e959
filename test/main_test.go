package test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

func TestMain(m *testing.M) {
	cleanup, err := harness.Build(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	cleanup()
	os.Exit(code)
}
