package main

import (
	"context"

	"github.com/momentohq/client-sdk-go/momento"
	"github.com/momentohq/client-sdk-go/responses"
	authresponses "github.com/momentohq/client-sdk-go/responses/auth"
	"github.com/momentohq/client-sdk-go/utils"
)

// tokens holds the admin's clients; what they mint is under test.
type tokens struct {
	auth   momento.AuthClient
	caches momento.CacheClient
	topics momento.TopicClient
	here   momento.CacheName
}

// holder is what somebody with a key or token has.
type holder struct {
	rawKey string
	caches momento.CacheClient
	topics momento.TopicClient
	auth   momento.AuthClient
}

func hold(rawKey string) holder {
	return holder{rawKey, cacheClient(rawKey), topicClient(rawKey), authClient(rawKey)}
}

func (c tokens) mint(ctx context.Context, scope momento.DisposableTokenScope, life utils.ExpiresIn, tokenID string) holder {
	request := &momento.GenerateDisposableTokenRequest{ExpiresIn: life, Scope: scope}
	if tokenID != "" {
		request.Props.TokenId = &tokenID
	}
	minted := want[*authresponses.GenerateDisposableTokenSuccess](c.auth.GenerateDisposableToken(ctx, request))
	return hold(unwrap(minted.ApiKey))
}

func (h holder) get(ctx context.Context, key string) (responses.GetResponse, error) {
	return h.caches.Get(ctx, &momento.GetRequest{CacheName: cacheName, Key: momento.String(key)})
}

func (h holder) set(ctx context.Context, key string) (responses.SetResponse, error) {
	return h.caches.Set(ctx, &momento.SetRequest{CacheName: cacheName, Key: momento.String(key), Value: momento.String("v")})
}

func (h holder) push(ctx context.Context, list string) (responses.ListPushBackResponse, error) {
	return h.caches.ListPushBack(ctx, &momento.ListPushBackRequest{CacheName: cacheName, ListName: list, Value: momento.String("v")})
}

func (h holder) publish(ctx context.Context, topic string) (responses.TopicPublishResponse, error) {
	return h.topics.Publish(ctx, &momento.TopicPublishRequest{CacheName: cacheName, TopicName: topic, Value: momento.String("v")})
}

func (h holder) subscribe(ctx context.Context, topic string) (momento.TopicSubscription, error) {
	return h.topics.Subscribe(ctx, &momento.TopicSubscribeRequest{CacheName: cacheName, TopicName: topic})
}

var (
	mayNot  = refused(momento.PermissionError)
	unknown = refused(momento.AuthenticationError)
	minutes = utils.ExpiresInMinutes(5)
)

func tokenChecks() {
	c := tokens{authClient(adminKey), cacheClient(adminKey), topicClient(adminKey), momento.CacheName{Name: cacheName}}
	var all checks
	c.ofTopics(&all)
	c.ofKeys(&all)
	c.ofKeyHolders(&all)
	c.endings(&all)
	all.finish()
}

func (c tokens) ofTopics(all *checks) {
	all.run("a token of one topic", func(ctx context.Context) {
		room := fresh("room")
		alice := c.mint(ctx, momento.TopicPublishSubscribe(c.here, momento.TopicName{Name: room}), minutes, "alice")
		s, err := alice.subscribe(ctx, room)
		if err != nil {
			fail("subscribe: %v", err)
		}
		defer s.Close()
		want[*responses.TopicPublishSuccess](alice.publish(ctx, room))
		same(nextItem(ctx, s).GetPublisherId(), momento.String("alice"))
		mayNot(alice.publish(ctx, room+"2"))
		mayNot(alice.subscribe(ctx, room+"2"))
		mayNot(alice.get(ctx, room))
		mayNot(alice.caches.CreateCache(ctx, &momento.CreateCacheRequest{CacheName: fresh("cache")}))
	})
	all.run("publish-only may not subscribe, subscribe-only may not publish", func(ctx context.Context) {
		room := fresh("room")
		speaker := c.mint(ctx, momento.TopicPublishOnly(c.here, momento.TopicName{Name: room}), minutes, "")
		want[*responses.TopicPublishSuccess](speaker.publish(ctx, room))
		mayNot(speaker.subscribe(ctx, room))
		listener := c.mint(ctx, momento.TopicSubscribeOnly(c.here, momento.TopicName{Name: room}), minutes, "")
		s, err := listener.subscribe(ctx, room)
		if err != nil {
			fail("subscribe: %v", err)
		}
		s.Close()
		mayNot(listener.publish(ctx, room))
	})
	all.run("topics that begin alike", func(ctx context.Context) {
		prefix := fresh("room")
		bob := c.mint(ctx, momento.TopicNamePrefixPublishOnly(c.here, prefix+":"), minutes, "bob")
		want[*responses.TopicPublishSuccess](bob.publish(ctx, prefix+":1"))
		mayNot(bob.publish(ctx, prefix))
		mayNot(bob.subscribe(ctx, prefix+":1"))
	})
}

func (c tokens) ofKeys(all *checks) {
	all.run("one key, reading only", func(ctx context.Context) {
		key := fresh("key")
		reader := c.mint(ctx, momento.CacheKeyReadOnly(c.here, momento.String(key)), minutes, "")
		want[*responses.GetMiss](reader.get(ctx, key))
		mayNot(reader.set(ctx, key))
		mayNot(reader.get(ctx, key+"2"))
	})
	all.run("one key, writing only", func(ctx context.Context) {
		key := fresh("key")
		writer := c.mint(ctx, momento.CacheKeyWriteOnly(c.here, momento.String(key)), minutes, "")
		want[*responses.SetSuccess](writer.set(ctx, key))
		mayNot(writer.get(ctx, key))
		mayNot(writer.set(ctx, key+"2"))
	})
	all.run("keys that begin alike", func(ctx context.Context) {
		prefix := fresh("user")
		user := c.mint(ctx, momento.CacheKeyPrefixReadWrite(c.here, momento.String(prefix+":")), minutes, "")
		want[*responses.SetSuccess](user.set(ctx, prefix+":name"))
		want[*responses.ListPushBackSuccess](user.push(ctx, prefix+":list"))
		mayNot(user.set(ctx, prefix))
		mayNot(user.publish(ctx, prefix+":name"))
	})
	all.run("a scope that this SDK sends empty cannot be minted", func(ctx context.Context) {
		refused(momento.InvalidArgumentError)(c.auth.GenerateDisposableToken(ctx, &momento.GenerateDisposableTokenRequest{
			ExpiresIn: minutes, Scope: momento.DisposableTokenCachePermissions{Permissions: []momento.DisposableTokenCachePermission{
				{Role: momento.ReadOnly, Cache: c.here, Item: momento.AllCacheItems{}},
			}},
		}))
	})
}

func (c tokens) ofKeyHolders(all *checks) {
	key := func(ctx context.Context, scope momento.PermissionScope, life utils.ExpiresIn) *authresponses.GenerateApiKeySuccess {
		return want[*authresponses.GenerateApiKeySuccess](c.auth.GenerateApiKey(ctx, &momento.GenerateApiKeyRequest{ExpiresIn: life, Scope: scope}))
	}
	all.run("an API key for data does not rule", func(ctx context.Context) {
		app := hold(unwrap(key(ctx, momento.AllDataReadWrite, utils.ExpiresInNever()).ApiKey))
		want[*responses.SetSuccess](app.set(ctx, fresh("key")))
		want[*responses.TopicPublishSuccess](app.publish(ctx, fresh("topic")))
		mayNot(app.caches.CreateCache(ctx, &momento.CreateCacheRequest{CacheName: fresh("cache")}))
		mayNot(app.auth.GenerateDisposableToken(ctx, &momento.GenerateDisposableTokenRequest{
			ExpiresIn: minutes, Scope: momento.AllDataReadWrite,
		}))
	})
	all.run("refresh gives the same key another life", func(ctx context.Context) {
		made := key(ctx, momento.CacheReadOnly(c.here), minutes)
		app := hold(unwrap(made.ApiKey))
		renewed := want[*authresponses.RefreshApiKeySuccess](app.auth.RefreshApiKey(ctx, &momento.RefreshApiKeyRequest{RefreshToken: made.RefreshToken}))
		if gained := renewed.ExpiresAt.Epoch() - made.ExpiresAt.Epoch(); gained < 0 || gained > 10 {
			fail("%d s gained", gained)
		}
		again := hold(renewed.ApiKey) // this one the SDK does not wrap
		want[*responses.GetMiss](again.get(ctx, fresh("key")))
		mayNot(again.set(ctx, fresh("key")))
		refused(momento.InvalidArgumentError)(app.auth.RefreshApiKey(ctx, &momento.RefreshApiKeyRequest{RefreshToken: "nonsense"}))
	})
	all.run("a credential that is none", func(ctx context.Context) {
		for _, raw := range []string{"nonsense", "a.b.c", adminKey + "x"} {
			stranger := hold(raw)
			unknown(stranger.get(ctx, "k"))
			unknown(stranger.publish(ctx, "t"))
			unknown(stranger.subscribe(ctx, "t"))
		}
	})
}

func (c tokens) endings(all *checks) {
	all.run("a token ends for calls and for subscribing", func(ctx context.Context) {
		guest := c.mint(ctx, momento.AllDataReadWrite, utils.ExpiresInSeconds(2), "")
		want[*responses.GetMiss](guest.get(ctx, fresh("key")))
		var err error
		eventually("the end of the token", func() bool {
			_, err = guest.get(ctx, fresh("key"))
			return err != nil
		})
		unknown(nil, err)
		unknown(guest.subscribe(ctx, fresh("topic")))
	})
	all.run("a token ends for a live subscription", c.endOfSubscription)
}

// endOfSubscription listens beside somebody whose token does not end: once that
// one has an item, so would everybody who may have it. This SDK tells nobody
// that a subscription was refused for good, it comes back for ever.
func (c tokens) endOfSubscription(ctx context.Context) {
	room := fresh("room")
	admin := holder{caches: c.caches, topics: c.topics}
	guest := c.mint(ctx, momento.TopicSubscribeOnly(c.here, momento.TopicName{Name: room}), utils.ExpiresInSeconds(3), "")
	there, err := admin.subscribe(ctx, room)
	if err != nil {
		fail("subscribe: %v", err)
	}
	defer there.Close()
	s, err := guest.subscribe(ctx, room)
	if err != nil {
		fail("subscribe: %v", err)
	}
	heard := make(chan uint64, 16)
	go func() {
		for {
			event, err := s.Event(ctx)
			if err != nil {
				return
			}
			if item, ok := event.(momento.TopicItem); ok {
				heard <- item.GetTopicSequenceNumber()
			}
		}
	}()
	want[*responses.TopicPublishSuccess](admin.publish(ctx, room))
	same(nextItem(ctx, there).GetTopicSequenceNumber(), uint64(1))
	same(<-heard, uint64(1))
	eventually("the token to be refused", func() bool {
		other, err := guest.subscribe(ctx, room)
		if err == nil {
			other.Close()
		}
		return err != nil
	})
	for range 20 {
		want[*responses.TopicPublishSuccess](admin.publish(ctx, room))
		nextItem(ctx, there)
	}
	select {
	case n := <-heard:
		fail("item %d was heard after the end of the token", n)
	default:
	}
}
