package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, harness.BuildBroker) }

// What `make faults` sets, and how long a round is.
const (
	seedVariable    = "FAULTS_SEED"
	minutesVariable = "FAULTS_MINUTES"

	shortRound = 24 * time.Second
	longRound  = time.Minute
)

// A cluster is hurt in every way while clients use it, and every promise is kept.
// Without being told otherwise that is a short round with a seed that never
// changes and one with a seed that always does.
func TestRounds(t *testing.T) {
	t.Parallel()
	seed, minutes := setting(t, seedVariable), setting(t, minutesVariable)
	if minutes == 0 {
		for _, seed := range []uint64{1, rand.Uint64N(1_000_000)} {
			t.Run(fmt.Sprint("seed-", seed), Round{Seed: seed, Length: shortRound}.Run)
		}
		return
	}
	if seed == 0 {
		seed = float64(rand.Uint64N(1_000_000))
	}
	length := time.Duration(minutes * float64(time.Minute))
	for next, left := uint64(seed), length; left > 0 && !t.Failed(); next, left = next+1, left-longRound {
		t.Run(fmt.Sprint("seed-", next), Round{Seed: next, Length: min(left, longRound)}.Run)
	}
}

// setting reads a number from the environment, 0 if it is not there.
func setting(t *testing.T, variable string) float64 {
	text := os.Getenv(variable)
	if text == "" {
		return 0
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || number < 0 {
		t.Fatalf("%s is %q, want a number", variable, text)
	}
	return number
}
