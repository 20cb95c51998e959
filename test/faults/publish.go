package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// Publication is one call to publish. Call and Return count from the beginning
// of the round.
type Publication struct {
	Topic   string        `json:"topic"`
	Value   string        `json:"value"` // unique in its topic
	Node    string        `json:"node"`
	Call    time.Duration `json:"call"`
	Return  time.Duration `json:"return"`
	Outcome Outcome       `json:"outcome"`
	Error   string        `json:"error,omitempty"`

	strange bool
}

// Topics are published to and listened to. Its fields are set before the first
// call of a method.
type Topics struct {
	// Doors are the nodes; a publisher picks one for each item.
	Doors *Doors
	// Cache exists, and Names are topics in it.
	Cache string
	Names []string
	// Seed fixes who turns to which node.
	Seed uint64
	// Publishers are how many each topic has; each pauses for Pause on average
	// after an item.
	Publishers int
	Pause      time.Duration
	// Clock is what times are counted with.
	Clock *History

	mu        sync.Mutex
	published []Publication
	readers   []*Reader
}

// Publish publishes to all topics until ctx ends.
func (t *Topics) Publish(ctx context.Context) {
	var all sync.WaitGroup
	for i, topic := range t.Names {
		for p := range t.Publishers {
			all.Go(func() {
				r := rand.New(rand.NewPCG(t.Seed, uint64(1000+100*i+p)))
				for count := 0; ctx.Err() == nil; count++ {
					at, leave := t.Doors.enter(r)
					t.publish(context.WithoutCancel(ctx), at, topic, fmt.Sprint(p, ".", count))
					leave()
					rest(ctx, r, t.Pause)
				}
			})
		}
	}
	all.Wait()
}

// publish publishes one item and keeps what came of it.
func (t *Topics) publish(ctx context.Context, at Door, topic, value string) told {
	p := Publication{Topic: topic, Value: value, Node: at.Node, Call: t.Clock.Now()}
	end := client{cache: t.Cache}.attempt(ctx, func(ctx context.Context, more ...grpc.CallOption) error {
		_, err := pubsubpb.NewPubsubClient(at.Conn).Publish(ctx, &pubsubpb.PublishRequest{
			CacheName: t.Cache, Topic: topic, Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: value}},
		}, more...)
		return err
	})
	p.Return = t.Clock.Now()
	p.Outcome, p.Error, p.strange = end.outcome, end.err, end.strange
	t.mu.Lock()
	defer t.mu.Unlock()
	t.published = append(t.published, p)
	return end
}

// Published are the publications so far, in the order of their returns.
func (t *Topics) Published() []Publication {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.published[:len(t.published):len(t.published)]
}
