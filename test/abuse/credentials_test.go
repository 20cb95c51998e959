package abuse

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

// honestConn is a connection for what is not the attack.
func (v *victim) honestConn() (*grpc.ClientConn, error) {
	return grpc.NewClient(v.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(16<<20)))
}

// forged is a token of a key that nobody ever made.
func forged(n int64) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return strings.Join([]string{
		part(fmt.Sprintf(`{"alg":"HS256","typ":"JWT","kid":"k%d"}`, n)), part(`{"sub":"nobody"}`), part("signed by nobody, 32 bytes long."),
	}, ".")
}

// forge calls with credentials of keys that nobody knows, each of them another one.
func forge(ctx context.Context, v *victim) {
	crowd(4, func(int) {
		persist(ctx, func() bool {
			r, err := v.rude(ctx, true)
			if err != nil {
				return false
			}
			for sent := int64(1); ctx.Err() == nil; sent++ {
				if r.call(cachepb.Scs_Get_FullMethodName, forged(v.tries.Add(1)), &cachepb.GetRequest{CacheKey: []byte("k")}) != nil {
					return true
				}
				if sent%burst == 0 && r.out.Flush() != nil {
					return true
				}
				for sent-r.ended.Load() > 900 && rest(ctx, time.Millisecond) {
					_ = r.out.Flush()
				}
			}
			return true
		})
	})
}
