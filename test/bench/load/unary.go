package load

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

const (
	// keys is how many keys or lists the calls go to in turn.
	keys = 256
	// history is how long the lists are kept, page how much of them is fetched.
	history, page = 100, 10
	// ttl is the time to live of everything written, in milliseconds.
	ttl = uint64(time.Hour / time.Millisecond)
	// callersPerConnection is how many callers share a connection where the task says
	// nothing.
	callersPerConnection = 64
	// warmingUp is for how long calls are made before the run.
	warmingUp = 200 * time.Millisecond
)

// unaryJob does a Unary.
type unaryJob struct {
	addr string
	Unary

	pool    connections
	callers []caller
}

// caller makes one call after the other on its share of a connection.
type caller struct {
	client  cachepb.ScsClient
	call    func(context.Context, cachepb.ScsClient, []byte) error
	turn    int // where in the keys it begins
	latency histogram
}

// inCache names the cache in the header of calls made with the context.
func inCache(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "cache", Cache)
}

// calling is inCache with the credential of the task, if it has one.
func (j *unaryJob) calling(ctx context.Context) context.Context {
	if j.Key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", j.Key)
	}
	return inCache(ctx)
}

func (j *unaryJob) prepare(ctx context.Context) error {
	call, ok := calls(bytes.Repeat([]byte{'.'}, j.Payload))[j.Call]
	if !ok {
		return fmt.Errorf("call %q: want %s, %s, %s or %s", j.Call, Get, Set, Push, Fetch)
	}
	if len(j.Names) == 0 {
		j.Names = namesFor(j.Call)
	}
	var client cachepb.ScsClient
	for i := range j.Callers {
		if i%cmp.Or(j.PerConnection, callersPerConnection) == 0 {
			conn, err := j.pool.dial(j.addr)
			if err != nil {
				return err
			}
			client = cachepb.NewScsClient(conn)
		}
		j.callers = append(j.callers, caller{client: client, call: call.measured, turn: i * len(j.Names) / j.Callers})
	}
	for _, name := range j.Names {
		if err := call.before(j.calling(ctx), client, []byte(name)); err != nil {
			return fmt.Errorf("before the calls: %w", err)
		}
	}
	_, err := j.callFor(ctx, warmingUp)
	return err
}

func (j *unaryJob) run(ctx context.Context) (Report, error) {
	for i := range j.callers {
		j.callers[i].latency = histogram{}
	}
	begin := time.Now()
	n, err := j.callFor(ctx, j.Lasting)
	if err != nil {
		return Report{}, err
	}
	r := Report{Operations: n, Elapsed: time.Since(begin)}
	var latency histogram
	for i := range j.callers {
		latency.merge(&j.callers[i].latency)
	}
	r.Latency = latency.quantiles()
	return r, nil
}

// callFor lets all callers call for a while and returns how many calls they
// made. Calls under way at the end are finished and counted.
func (j *unaryJob) callFor(ctx context.Context, lasting time.Duration) (int64, error) {
	ctx, cancel := context.WithCancelCause(j.calling(ctx))
	defer cancel(nil)
	var enough atomic.Bool
	defer time.AfterFunc(lasting, func() { enough.Store(true) }).Stop()
	var made atomic.Int64
	var running sync.WaitGroup
	for i := range j.callers {
		running.Go(func() {
			n, err := j.callers[i].repeat(ctx, j.Names, &enough)
			made.Add(n)
			if err != nil {
				cancel(fmt.Errorf("%s: %w", j.Call, err))
			}
		})
	}
	running.Wait()
	return made.Load(), context.Cause(ctx)
}

func (c *caller) repeat(ctx context.Context, names []string, enough *atomic.Bool) (n int64, err error) {
	for ; !enough.Load(); n++ {
		key := []byte(names[(c.turn+int(n))%len(names)])
		begin := time.Now()
		if err := c.call(ctx, c.client, key); err != nil {
			return n, err
		}
		c.latency.add(time.Since(begin))
	}
	return n, nil
}

// namesFor are the names that a call goes to when its task has none. Scalars
// and lists are kept apart.
func namesFor(call Call) []string {
	kind := "scalar"
	if call == Push || call == Fetch {
		kind = "list"
	}
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%03d", kind, i)
	}
	return names
}

func (j *unaryJob) close() { j.pool.close() }

// recipe is a call, and what has to be there before.
type recipe struct {
	before, measured func(context.Context, cachepb.ScsClient, []byte) error
}

var errAnswer = errors.New("the answer is not what was stored")

// calls are the recipes for values that look like the one given. An answer that
// is not the right one is an error, so that no server is fast by being wrong.
func calls(value []byte) map[Call]recipe {
	set := func(ctx context.Context, c cachepb.ScsClient, key []byte) error {
		_, err := c.Set(ctx, &cachepb.SetRequest{CacheKey: key, CacheBody: value, TtlMilliseconds: ttl}, grpc.WaitForReady(true))
		return err
	}
	get := func(ctx context.Context, c cachepb.ScsClient, key []byte) error {
		r, err := c.Get(ctx, &cachepb.GetRequest{CacheKey: key})
		if err == nil && len(r.CacheBody) != len(value) {
			return errAnswer
		}
		return err
	}
	fill := func(ctx context.Context, c cachepb.ScsClient, key []byte) error {
		values := make([][]byte, history)
		for i := range values {
			values[i] = value
		}
		_, err := c.ListConcatenateBack(ctx, &cachepb.ListConcatenateBackRequest{
			ListName: key, Values: values, TtlMilliseconds: ttl, TruncateFrontToSize: history,
		}, grpc.WaitForReady(true))
		return err
	}
	push := func(ctx context.Context, c cachepb.ScsClient, key []byte) error {
		r, err := c.ListPushBack(ctx, &cachepb.ListPushBackRequest{
			ListName: key, Value: value, TtlMilliseconds: ttl, RefreshTtl: true, TruncateFrontToSize: history,
		})
		if err == nil && r.ListLength != history {
			return errAnswer
		}
		return err
	}
	fetch := func(ctx context.Context, c cachepb.ScsClient, key []byte) error {
		r, err := c.ListFetch(ctx, &cachepb.ListFetchRequest{
			ListName: key, StartIndex: &cachepb.ListFetchRequest_InclusiveStart{InclusiveStart: -page},
		})
		if err == nil && len(r.GetFound().GetValues()) != page {
			return errAnswer
		}
		return err
	}
	return map[Call]recipe{Get: {set, get}, Set: {set, set}, Push: {fill, push}, Fetch: {fill, fetch}}
}
