package test

import (
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, harness.Build) }
