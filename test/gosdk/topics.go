package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/momentohq/client-sdk-go/momento"
	"github.com/momentohq/client-sdk-go/responses"
)

// topics are the two ends under test.
type topics struct{ publisher, subscriber momento.TopicClient }

func (c topics) publish(ctx context.Context, topic string, value momento.TopicValue) {
	want[*responses.TopicPublishSuccess](c.publisher.Publish(ctx, &momento.TopicPublishRequest{
		CacheName: cacheName, TopicName: topic, Value: value,
	}))
}

func (c topics) subscribe(ctx context.Context, topic string) momento.TopicSubscription {
	subscription, err := c.subscriber.Subscribe(ctx, &momento.TopicSubscribeRequest{CacheName: cacheName, TopicName: topic})
	if err != nil {
		fail("subscribe: %v", err)
	}
	return subscription
}

// nextItem skips heartbeats; any other event is a failure.
func nextItem(ctx context.Context, s momento.TopicSubscription) momento.TopicItem {
	for {
		event, err := s.Event(ctx)
		if err != nil {
			fail("waiting for an item: %v", err)
		}
		switch event := event.(type) {
		case momento.TopicItem:
			return event
		case momento.TopicHeartbeat:
		default:
			fail("%T between the items", event)
		}
	}
}

func topicChecks() {
	c := topics{topicClient(adminKey), topicClient(adminKey)}
	defer c.publisher.Close()
	defer c.subscriber.Close()
	var all checks
	all.run("text arrives as text, bytes as bytes", func(ctx context.Context) {
		topic := fresh("topic")
		s := c.subscribe(ctx, topic)
		defer s.Close()
		c.publish(ctx, topic, momento.String("héllo 日本"))
		c.publish(ctx, topic, momento.Bytes{0, 255, 10})
		first, second := nextItem(ctx, s), nextItem(ctx, s)
		same(first.GetValue(), momento.TopicValue(momento.String("héllo 日本")))
		same(second.GetValue(), momento.TopicValue(momento.Bytes{0, 255, 10}))
		same(first.GetPublisherId(), momento.String(""))
	})
	all.run("two hundred items arrive in order, numbered from one", func(ctx context.Context) {
		topic := fresh("topic")
		s := c.subscribe(ctx, topic)
		defer s.Close()
		for i := range 200 {
			c.publish(ctx, topic, momento.String(fmt.Sprint(i)))
		}
		page := uint64(0)
		for i := range uint64(200) {
			item := nextItem(ctx, s)
			same(item.GetValue(), momento.TopicValue(momento.String(fmt.Sprint(i))))
			same(item.GetTopicSequenceNumber(), i+1)
			if page == 0 {
				page = item.GetTopicSequencePage()
			}
			same(item.GetTopicSequencePage(), page)
		}
		if page == 0 {
			fail("the page is 0")
		}
	})
	all.run("ten subscribers see one order", c.oneOrder)
	all.run("a fresh subscriber gets no history", func(ctx context.Context) {
		topic := fresh("topic")
		for range 5 {
			c.publish(ctx, topic, momento.String("before"))
		}
		s := c.subscribe(ctx, topic)
		defer s.Close()
		c.publish(ctx, topic, momento.String("after"))
		item := nextItem(ctx, s)
		same(item.GetValue(), momento.TopicValue(momento.String("after")))
		same(item.GetTopicSequenceNumber(), uint64(6))
	})
	all.run("resume takes up where it is told to", c.resume)
	all.run("a quiet subscription hears heartbeats and nothing else", func(ctx context.Context) {
		topic := fresh("topic")
		s := c.subscribe(ctx, topic)
		defer s.Close()
		// The SDK keeps the first heartbeat to itself; this is the second.
		within, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		event, err := s.Event(within)
		if err != nil {
			fail("waiting for a heartbeat: %v", err)
		}
		if _, ok := event.(momento.TopicHeartbeat); !ok {
			fail("%T on a quiet topic", event)
		}
		c.publish(ctx, topic, momento.String("x"))
		same(nextItem(ctx, s).GetTopicSequenceNumber(), uint64(1))
	})
	all.finish()
}

func (c topics) oneOrder(ctx context.Context) {
	topic := fresh("topic")
	var subscriptions []momento.TopicSubscription
	for range 10 {
		s := c.subscribe(ctx, topic)
		defer s.Close()
		subscriptions = append(subscriptions, s)
	}
	var publishing sync.WaitGroup
	errs := make([]error, 100)
	for i := range errs {
		publishing.Go(func() {
			_, errs[i] = c.publisher.Publish(ctx, &momento.TopicPublishRequest{
				CacheName: cacheName, TopicName: topic, Value: momento.String(fmt.Sprint(i)),
			})
		})
	}
	publishing.Wait()
	var order []momento.TopicValue
	for n, s := range subscriptions {
		var seen []momento.TopicValue
		for i := range errs {
			if errs[i] != nil {
				fail("publish: %v", errs[i])
			}
			seen = append(seen, nextItem(ctx, s).GetValue())
		}
		if n == 0 {
			order = seen
		}
		same(seen, order)
	}
}

func (c topics) resume(ctx context.Context) {
	topic := fresh("topic")
	s := c.subscribe(ctx, topic)
	defer s.Close()
	for i := range 10 {
		c.publish(ctx, topic, momento.String(fmt.Sprint(i)))
	}
	fourth := momento.TopicItem{}
	for range 4 {
		fourth = nextItem(ctx, s)
	}
	again, err := c.subscriber.Subscribe(ctx, &momento.TopicSubscribeRequest{
		CacheName: cacheName, TopicName: topic,
		ResumeAtTopicSequenceNumber: fourth.GetTopicSequenceNumber(), SequencePage: fourth.GetTopicSequencePage(),
	})
	if err != nil {
		fail("subscribe: %v", err)
	}
	defer again.Close()
	for i := uint64(4); i <= 10; i++ {
		item := nextItem(ctx, again)
		same(item.GetTopicSequenceNumber(), i)
		same(item.GetValue(), momento.TopicValue(momento.String(fmt.Sprint(i-1))))
	}
}
