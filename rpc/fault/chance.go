package fault

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What a random fault may be: so long that every client notices, and as long as some
// are not patient for.
const (
	shortestDelay = 100 * time.Millisecond
	longestDelay  = 2 * time.Second
	mostMessages  = 20
)

// chance lets calls fail at random, and the same ones in every run.
type chance struct {
	seed uint64
	rate float64

	mu    sync.Mutex
	calls map[string]uint64 // how many of each method there were
}

func newChance(seed uint64, rate float64) *chance {
	return &chance{seed: seed, rate: rate, calls: make(map[string]uint64)}
}

// ofTheNode tells methods that say how the node is, which chance must not touch.
func ofTheNode(method string) bool {
	return strings.HasPrefix(method, "/grpc.") || strings.HasPrefix(method, "/mayfly.")
}

// draw decides about the next call of a method, which does or does not stream. Whatever
// it draws hurts such a call.
func (c *chance) draw(method string, streams bool) wish {
	c.mu.Lock()
	c.calls[method]++
	n := c.calls[method]
	c.mu.Unlock()
	// Each call has a generator of its own, so that its fate does not hang on the
	// order in which calls of other methods arrive.
	random := rand.New(rand.NewPCG(c.seed^xxhash.Sum64String(method), n))
	if random.Float64() >= c.rate {
		return wish{}
	}
	provoked := func(code codes.Code) error { return status.Error(code, "provoked at random") }
	fates := 3
	if streams {
		fates++ // there is something to break
	}
	switch random.IntN(fates) {
	case 0:
		return wish{fail: provoked(codes.Unavailable), failCount: always}
	case 1:
		return wish{fail: provoked(codes.Internal), failCount: always}
	case 2:
		return wish{delay: shortestDelay + time.Duration(random.Int64N(int64(longestDelay-shortestDelay))), delayCount: always}
	default:
		return wish{broken: provoked(codes.Unavailable), messages: 1 + random.IntN(mostMessages)}
	}
}
