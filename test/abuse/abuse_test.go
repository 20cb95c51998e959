package abuse

import (
	"context"
	"testing"
	"time"
)

// attacks are what is done to a broker, each to one of its own.
var attacks = []struct {
	name string
	what string // for the table
	do   func(ctx context.Context, v *victim)
}{
	{"nothing", "no attack", func(ctx context.Context, _ *victim) { <-ctx.Done() }},
	{"connect", "connections that say nothing, or half a word", connect},
	{"idle", "connections of HTTP/2 that never ask for anything", idle},
	{"reset", "streams opened and reset at once", rapidReset},
	{"empty", "frames that carry nothing", emptyFrames},
	{"headers", "header lists without end, too large, or packed", headers},
	{"half", "requests begun and never ended, without a credential", halfRequests},
	{"announce", "messages of 10 MiB announced and not sent", announce},
	{"large", "messages of 10 MiB, a thousand at once", large},
	{"compress", "compression bombs", compress},
	{"unread", "items of 4 MiB asked for and not read", unread},
	{"slowheaders", "headers of HTTP/1 line by line", slowHeaders},
	{"slowbodies", "bodies of HTTP/1 in crumbs", slowBodies},
	{"pipeline", "requests of HTTP/1 without reading the answers", pipeline},
	{"sockets", "WebSockets that ping, lie and do not read", sockets},
	{"forge", "credentials of keys that nobody made", forge},
	{"topics", "topics used once, by one token", topics},
	{"peers", "nonsense and silence on the node-to-node port", bother},
}

// inFlight is what messages on their way may take, and mostGrowth by how much a broker's
// memory may grow under any of the attacks: a collector of garbage takes once more what
// is in use.
var (
	inFlight   = sized(128, 512)
	mostGrowth = int64(sized(450, 1700)) << 20
)

// A broker under attack takes no more memory than there is, and goes on to serve those
// who behave.
func TestAttacks(t *testing.T) {
	for _, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			v := newVictim(t)
			h := beHonest(t, v)
			watch := watchMemory(t, v)
			rest(t.Context(), time.Second)
			before := v.ResidentBytes(t)

			lasts := sized(2, 20)
			if attack.name == "topics" {
				lasts = sized(2, 60) // as long as a million takes
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(lasts)*time.Second)
			began := time.Now()
			attack.do(ctx, v)
			took := time.Since(began)
			cancel()

			rest(t.Context(), time.Duration(sized(0, 5))*time.Second)
			after := v.ResidentBytes(t)
			peak := watch()
			h.stop()
			if peak-before > mostGrowth {
				t.Errorf("the broker grew by %d MiB, want %d at most", (peak-before)>>20, mostGrowth>>20)
			}
			for _, err := range append(h.calls.failed, h.newcomers.failed...) {
				t.Errorf("an honest client was failed: %v", err)
			}
			if len(h.calls.took) == 0 || len(h.newcomers.took) == 0 {
				t.Error("no honest client was served at all")
			}
			report(t, row{
				name: attack.what, tries: v.tries.Load(), took: took,
				before: before, peak: peak, after: after, honest: h,
			})
			if tries := v.tries.Load(); tries == 0 && attack.name != "nothing" {
				t.Error("the attack did nothing")
			}
		})
	}
}

// watchMemory looks at the broker's memory again and again; what it returns says how
// much that was at most.
func watchMemory(t *testing.T, v *victim) (peak func() int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done, most := make(chan struct{}), int64(0)
	go func() {
		defer close(done)
		for rest(ctx, 50*time.Millisecond) {
			most = max(most, v.ResidentBytes(t))
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return func() int64 { stop(); return most }
}
