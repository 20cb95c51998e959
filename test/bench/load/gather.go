package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

// gatherers is how many requests of a Gather are under way at a time.
const gatherers = 32

// gatherJob does a Gather.
type gatherJob struct {
	task Task
	Gather

	pool   connections
	client cachepb.ScsClient
	redis  *redisConn
}

// portion is what one request adds to a collection.
type portion struct {
	name     []byte
	elements [][]byte
	scores   []float64
}

func (j *gatherJob) prepare(ctx context.Context) (err error) {
	if j.task.System == Redis {
		j.redis, err = dialRedis(ctx, j.task.Addr)
		return err
	}
	conn, err := j.pool.dial(j.task.Addr)
	if err != nil {
		return err
	}
	j.client = cachepb.NewScsClient(conn)
	return nil
}

func (j *gatherJob) run(ctx context.Context) (Report, error) {
	add := j.addToMayfly
	callers := gatherers
	if j.task.System == Redis {
		add, callers = j.addToRedis, 1
	}
	ctx, cancel := context.WithCancelCause(inCache(ctx))
	defer cancel(nil)
	begin := time.Now()
	perCollection := (j.Per + batch - 1) / batch
	var next atomic.Int64
	var running sync.WaitGroup
	for range callers {
		running.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= j.Collections*perCollection {
					return
				}
				if err := add(ctx, j.portion(i/perCollection, i%perCollection*batch)); err != nil {
					cancel(fmt.Errorf("add to a %s: %w", j.Type, err))
				}
			}
		})
	}
	running.Wait()
	return Report{Operations: int64(j.Collections) * int64(j.Per), Elapsed: time.Since(begin)}, context.Cause(ctx)
}

// portion makes the elements of a collection from a place on.
func (j *gatherJob) portion(collection, begin int) portion {
	p := portion{name: fmt.Appendf(nil, "room-%06d", collection)}
	for i := begin; i < min(begin+batch, j.Per); i++ {
		// A walk through all numbers below a prime, in steps of another.
		p.elements = append(p.elements, fmt.Appendf(nil, "member-of-it-%07d", (i+1)*7919%9_999_991))
		p.scores = append(p.scores, float64((i+1)*104_729%9_999_991)/3)
	}
	return p
}

func (j *gatherJob) addToMayfly(ctx context.Context, p portion) (err error) {
	switch j.Type {
	case Dictionaries:
		r := &cachepb.DictionarySetRequest{DictionaryName: p.name, TtlMilliseconds: ttl}
		for _, e := range p.elements {
			r.Items = append(r.Items, &cachepb.DictionaryField{Field: e, Value: e})
		}
		_, err = j.client.DictionarySet(ctx, r)
	case Sets:
		_, err = j.client.SetUnion(ctx, &cachepb.SetUnionRequest{SetName: p.name, Elements: p.elements, TtlMilliseconds: ttl})
	case SortedSets:
		r := &cachepb.SortedSetPutRequest{SetName: p.name, TtlMilliseconds: ttl}
		for i, e := range p.elements {
			r.Elements = append(r.Elements, &cachepb.SortedSetElement{Value: e, Score: p.scores[i]})
		}
		_, err = j.client.SortedSetPut(ctx, r)
	default:
		err = fmt.Errorf("want %s, %s or %s", Dictionaries, Sets, SortedSets)
	}
	return err
}

func (j *gatherJob) addToRedis(_ context.Context, p portion) error {
	command := [][]byte{[]byte("SADD"), p.name}
	switch j.Type {
	case Dictionaries:
		command[0] = []byte("HSET")
	case SortedSets:
		command[0] = []byte("ZADD")
	}
	for i, e := range p.elements {
		switch j.Type {
		case Dictionaries:
			command = append(command, e, e)
		case SortedSets:
			command = append(command, fmt.Append(nil, p.scores[i]), e)
		default:
			command = append(command, e)
		}
	}
	added, err := j.redis.call(command)
	if err == nil && added != len(p.elements) {
		err = fmt.Errorf("%d of %d elements were new", added, len(p.elements))
	}
	return err
}

func (j *gatherJob) close() {
	j.pool.close()
	if j.redis != nil {
		_ = j.redis.Close()
	}
}
