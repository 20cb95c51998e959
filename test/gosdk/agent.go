package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"

	"github.com/momentohq/client-sdk-go/momento"
	"github.com/momentohq/client-sdk-go/responses"
)

// order and event are the words of harness/agent.go.
type order struct {
	Do     string   `json:"do"`
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

type event struct {
	Event     string   `json:"event"`
	ID        string   `json:"id"`
	Value     string   `json:"value,omitempty"`
	Sequence  uint64   `json:"sequence,omitempty"`
	Publisher string   `json:"publisher,omitempty"`
	Values    []string `json:"values,omitempty"`
	Error     string   `json:"error,omitempty"`
}

// agent does what the story tells it, one order per line of standard input,
// and prints what happens.
func agent() {
	a := agentClients{topicClient(adminKey), cacheClient(adminKey)}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			panic(err)
		}
		switch o.Do {
		case "subscribe":
			go a.subscribe(o)
		case "publish":
			go a.publish(o)
		case "push":
			go a.push(o)
		case "fetch":
			go a.fetch(o)
		case "quit":
			return
		}
	}
}

type agentClients struct {
	topics momento.TopicClient
	caches momento.CacheClient
}

func (a agentClients) subscribe(o order) {
	ctx := context.Background()
	s, err := a.topics.Subscribe(ctx, &momento.TopicSubscribeRequest{CacheName: cacheName, TopicName: o.Name})
	if err != nil {
		tell(event{Event: "error", ID: o.ID, Error: err.Error()})
		return
	}
	tell(event{Event: "subscribed", ID: o.ID})
	for {
		next, err := s.Event(ctx)
		if err != nil {
			tell(event{Event: "ended", ID: o.ID, Error: err.Error()})
			return
		}
		switch next := next.(type) {
		case momento.TopicItem:
			text, _ := next.GetValue().(momento.String)
			tell(event{
				Event: "item", ID: o.ID, Value: string(text),
				Sequence: next.GetTopicSequenceNumber(), Publisher: string(next.GetPublisherId()),
			})
		case momento.TopicDiscontinuity:
			tell(event{Event: "discontinuity", ID: o.ID, Sequence: next.GetNewSequenceNumber()})
		case momento.TopicHeartbeat:
			tell(event{Event: "heartbeat", ID: o.ID})
		}
	}
}

func (a agentClients) publish(o order) {
	for _, value := range o.Values {
		_, err := a.topics.Publish(context.Background(), &momento.TopicPublishRequest{
			CacheName: cacheName, TopicName: o.Name, Value: momento.String(value),
		})
		answered(o, value, err)
	}
}

func (a agentClients) push(o order) {
	for _, value := range o.Values {
		_, err := a.caches.ListPushBack(context.Background(), &momento.ListPushBackRequest{
			CacheName: cacheName, ListName: o.Name, Value: momento.String(value),
		})
		answered(o, value, err)
	}
}

func (a agentClients) fetch(o order) {
	response, err := a.caches.ListFetch(context.Background(), &momento.ListFetchRequest{CacheName: cacheName, ListName: o.Name})
	if err != nil {
		tell(event{Event: "error", ID: o.ID, Error: err.Error()})
		return
	}
	found := event{Event: "fetched", ID: o.ID}
	if hit, ok := response.(*responses.ListFetchHit); ok {
		found.Values = hit.ValueListString()
	}
	tell(found)
}

func answered(o order, value string, err error) {
	if err != nil {
		tell(event{Event: "refused", ID: o.ID, Value: value, Error: err.Error()})
		return
	}
	tell(event{Event: "acked", ID: o.ID, Value: value})
}
