package load

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

// batch is how many entries one request appends at most.
const batch = 1000

// fillJob does a Fill, with one caller.
type fillJob struct {
	addr string
	Fill

	pool   connections
	client cachepb.ScsClient
}

func (j *fillJob) prepare(ctx context.Context) error {
	conn, err := j.pool.dial(j.addr)
	if err != nil {
		return err
	}
	j.client = cachepb.NewScsClient(conn)
	// A read that finds nothing brings the connection up.
	_, err = j.client.Get(inCache(ctx), &cachepb.GetRequest{CacheKey: []byte("nothing")}, grpc.WaitForReady(true))
	return err
}

func (j *fillJob) run(ctx context.Context) (Report, error) {
	ctx = inCache(ctx)
	begin := time.Now()
	for list := range j.Lists {
		for done := 0; done < j.PerList; done += batch {
			if err := j.append(ctx, list, done, min(batch, j.PerList-done)); err != nil {
				return Report{}, err
			}
		}
	}
	return Report{Operations: int64(j.Lists) * int64(j.PerList), Elapsed: time.Since(begin)}, nil
}

// append appends n entries to a list that has some already.
func (j *fillJob) append(ctx context.Context, list, has, n int) error {
	values := make([][]byte, n)
	for i := range values {
		values[i] = bytes.Repeat([]byte{'.'}, j.Payload)
	}
	r, err := j.client.ListConcatenateBack(ctx, &cachepb.ListConcatenateBackRequest{
		ListName: fmt.Appendf(nil, "room-%06d", list), Values: values, TtlMilliseconds: ttl, RefreshTtl: true,
	})
	if err != nil {
		return fmt.Errorf("append to list: %w", err)
	}
	if int(r.ListLength) != has+n {
		return fmt.Errorf("a list has %d entries after the push, want %d", r.ListLength, has+n)
	}
	return nil
}

func (j *fillJob) close() { j.pool.close() }
