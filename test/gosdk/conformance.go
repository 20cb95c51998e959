package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/momentohq/client-sdk-go/config"
	"github.com/momentohq/client-sdk-go/momento"

	authresponses "github.com/momentohq/client-sdk-go/responses/auth"
	"github.com/momentohq/client-sdk-go/utils"
)

// What comes of a call that is refused.
const (
	invalid  = momento.InvalidArgumentError
	mismatch = momento.FailedPreconditionError
	notThere = momento.CacheNotFoundError
)

// situations is what must come of a call of a cache client with all as it should
// be, with an empty input, with nothing of that name there and with an item of
// another type there: the type of the response without the package, or the code of the
// error. The empty input is an empty name, and where the call takes several keys or
// values, none.
type situations struct{ normal, empty, missing, wrong string }

// ofScalars and the others are the calls on items of each type.
var (
	ofScalars = map[string]situations{
		"Get":                         {"GetHit", invalid, "GetMiss", mismatch},
		"GetWithHash":                 {"GetWithHashHit", invalid, "GetWithHashMiss", mismatch},
		"GetBatch":                    {"GetBatchSuccess", "GetBatchSuccess", "GetBatchSuccess", mismatch},
		"Set":                         {"SetSuccess", invalid, "SetSuccess", "SetSuccess"},
		"SetWithHash":                 {"SetWithHashStored", invalid, "SetWithHashStored", "SetWithHashStored"},
		"SetBatch":                    {"SetBatchSuccess", "SetBatchSuccess", "SetBatchSuccess", "SetBatchSuccess"},
		"SetIfNotExists":              {"SetIfNotExistsNotStored", invalid, "SetIfNotExistsStored", "SetIfNotExistsNotStored"},
		"SetIfAbsent":                 {"SetIfAbsentNotStored", invalid, "SetIfAbsentStored", "SetIfAbsentNotStored"},
		"SetIfPresent":                {"SetIfPresentStored", invalid, "SetIfPresentNotStored", "SetIfPresentStored"},
		"SetIfEqual":                  {"SetIfEqualStored", invalid, "SetIfEqualNotStored", mismatch},
		"SetIfNotEqual":               {"SetIfNotEqualStored", invalid, "SetIfNotEqualStored", mismatch},
		"SetIfPresentAndNotEqual":     {"SetIfPresentAndNotEqualStored", invalid, "SetIfPresentAndNotEqualNotStored", mismatch},
		"SetIfAbsentOrEqual":          {"SetIfAbsentOrEqualStored", invalid, "SetIfAbsentOrEqualStored", mismatch},
		"SetIfPresentAndHashEqual":    {"SetIfPresentAndHashEqualNotStored", invalid, "SetIfPresentAndHashEqualNotStored", mismatch},
		"SetIfPresentAndHashNotEqual": {"SetIfPresentAndHashNotEqualStored", invalid, "SetIfPresentAndHashNotEqualNotStored", mismatch},
		"SetIfAbsentOrHashEqual":      {"SetIfAbsentOrHashEqualNotStored", invalid, "SetIfAbsentOrHashEqualStored", mismatch},
		"SetIfAbsentOrHashNotEqual":   {"SetIfAbsentOrHashNotEqualStored", invalid, "SetIfAbsentOrHashNotEqualStored", mismatch},
		"Increment":                   {"IncrementSuccess", invalid, "IncrementSuccess", mismatch},
		"Delete":                      {"DeleteSuccess", invalid, "DeleteSuccess", "DeleteSuccess"},
		"KeysExist":                   {"KeysExistSuccess", "KeysExistSuccess", "KeysExistSuccess", "KeysExistSuccess"},
		"ItemGetType":                 {"ItemGetTypeHit", invalid, "ItemGetTypeMiss", "ItemGetTypeHit"},
		"ItemGetTtl":                  {"ItemGetTtlHit", invalid, "ItemGetTtlMiss", "ItemGetTtlHit"},
		"UpdateTtl":                   {"UpdateTtlSet", invalid, "UpdateTtlMiss", "UpdateTtlSet"},
		"IncreaseTtl":                 {"IncreaseTtlSet", invalid, "IncreaseTtlMiss", "IncreaseTtlSet"},
		"DecreaseTtl":                 {"DecreaseTtlSet", invalid, "DecreaseTtlMiss", "DecreaseTtlSet"},
	}
	ofLists = map[string]situations{
		"ListPushBack":         {"ListPushBackSuccess", invalid, "ListPushBackSuccess", mismatch},
		"ListPushFront":        {"ListPushFrontSuccess", invalid, "ListPushFrontSuccess", mismatch},
		"ListPopBack":          {"ListPopBackHit", invalid, "ListPopBackMiss", mismatch},
		"ListPopFront":         {"ListPopFrontHit", invalid, "ListPopFrontMiss", mismatch},
		"ListConcatenateBack":  {"ListConcatenateBackSuccess", invalid, "ListConcatenateBackSuccess", mismatch},
		"ListConcatenateFront": {"ListConcatenateFrontSuccess", invalid, "ListConcatenateFrontSuccess", mismatch},
		"ListFetch":            {"ListFetchHit", invalid, "ListFetchMiss", mismatch},
		"ListLength":           {"ListLengthHit", invalid, "ListLengthMiss", mismatch},
		"ListRemoveValue":      {"ListRemoveValueSuccess", invalid, "ListRemoveValueSuccess", mismatch},
	}
	ofSets = map[string]situations{
		"SetAddElement":       {"SetAddElementSuccess", invalid, "SetAddElementSuccess", mismatch},
		"SetAddElements":      {"SetAddElementsSuccess", invalid, "SetAddElementsSuccess", mismatch},
		"SetFetch":            {"SetFetchHit", invalid, "SetFetchMiss", mismatch},
		"SetLength":           {"SetLengthHit", invalid, "SetLengthMiss", mismatch},
		"SetRemoveElement":    {"SetRemoveElementSuccess", invalid, "SetRemoveElementSuccess", mismatch},
		"SetRemoveElements":   {"SetRemoveElementsSuccess", invalid, "SetRemoveElementsSuccess", mismatch},
		"SetContainsElements": {"SetContainsElementsHit", invalid, "SetContainsElementsMiss", mismatch},
		"SetPop":              {"SetPopHit", invalid, "SetPopMiss", mismatch},
	}
	ofDictionaries = map[string]situations{
		"DictionarySetField":     {"DictionarySetFieldSuccess", invalid, "DictionarySetFieldSuccess", mismatch},
		"DictionarySetFields":    {"DictionarySetFieldsSuccess", invalid, "DictionarySetFieldsSuccess", mismatch},
		"DictionaryFetch":        {"DictionaryFetchHit", invalid, "DictionaryFetchMiss", mismatch},
		"DictionaryLength":       {"DictionaryLengthHit", invalid, "DictionaryLengthMiss", mismatch},
		"DictionaryGetField":     {"DictionaryGetFieldHit", invalid, "DictionaryGetFieldMiss", mismatch},
		"DictionaryGetFields":    {"DictionaryGetFieldsHit", invalid, "DictionaryGetFieldsMiss", mismatch},
		"DictionaryIncrement":    {"DictionaryIncrementSuccess", invalid, "DictionaryIncrementSuccess", mismatch},
		"DictionaryRemoveField":  {"DictionaryRemoveFieldSuccess", invalid, "DictionaryRemoveFieldSuccess", mismatch},
		"DictionaryRemoveFields": {"DictionaryRemoveFieldsSuccess", invalid, "DictionaryRemoveFieldsSuccess", mismatch},
	}
	ofSortedSets = map[string]situations{
		"SortedSetFetchByRank":    {"SortedSetFetchHit", invalid, "SortedSetFetchMiss", mismatch},
		"SortedSetFetchByScore":   {"SortedSetFetchHit", invalid, "SortedSetFetchMiss", mismatch},
		"SortedSetPutElement":     {"SortedSetPutElementSuccess", invalid, "SortedSetPutElementSuccess", mismatch},
		"SortedSetPutElements":    {"SortedSetPutElementsSuccess", invalid, "SortedSetPutElementsSuccess", mismatch},
		"SortedSetGetScore":       {"SortedSetGetScoreHit", invalid, "SortedSetGetScoreMiss", mismatch},
		"SortedSetGetScores":      {"SortedSetGetScoresHit", invalid, "SortedSetGetScoresMiss", mismatch},
		"SortedSetRemoveElement":  {"SortedSetRemoveElementSuccess", invalid, "SortedSetRemoveElementSuccess", mismatch},
		"SortedSetRemoveElements": {"SortedSetRemoveElementsSuccess", invalid, "SortedSetRemoveElementsSuccess", mismatch},
		"SortedSetGetRank":        {"SortedSetGetRankHit", invalid, "SortedSetGetRankMiss", mismatch},
		"SortedSetLength":         {"SortedSetLengthHit", invalid, "SortedSetLengthMiss", mismatch},
		"SortedSetLengthByScore":  {"SortedSetLengthByScoreHit", invalid, "SortedSetLengthByScoreMiss", mismatch},
		"SortedSetIncrementScore": {"SortedSetIncrementScoreSuccess", invalid, "SortedSetIncrementScoreSuccess", mismatch},
	}
	ofCaches = map[string]situations{
		"CreateCache": {"CreateCacheAlreadyExists", invalid, "CreateCacheSuccess", ""},
		"DeleteCache": {"DeleteCacheSuccess", invalid, "DeleteCacheSuccess", ""}, // the SDK takes "not there" for done
	}
)

// conformance tries every call of the SDK in these situations, each of which is a
// check named "client.call: situation". docs/compatibility.md is made from it.
type conformance struct {
	checks
	client momento.CacheClient
	tried  map[string]bool
}

func conformanceChecks() {
	c := &conformance{client: cacheClient(adminKey), tried: map[string]bool{}}
	for _, kind := range []struct {
		calls       map[string]situations
		make, other func(ctx context.Context, name string) (any, error)
	}{
		{ofScalars, c.scalar, c.list},
		{ofLists, c.list, c.scalar},
		{ofSets, c.set, c.sortedSet},
		{ofDictionaries, c.dictionary, c.set},
		{ofSortedSets, c.sortedSet, c.dictionary},
		{ofCaches, c.cache, nil},
	} {
		for call, s := range kind.calls {
			c.items(call, s, kind.make, kind.other)
		}
	}
	c.try("CacheClient", "ListCaches", "normal", "ListCachesSuccess", func(ctx context.Context) (any, error) {
		return c.client.ListCaches(ctx, &momento.ListCachesRequest{})
	})
	c.try("CacheClient", "Ping", "normal", "PingSuccess", func(ctx context.Context) (any, error) { return c.client.Ping(ctx) })
	c.topics()
	c.credentials()
	c.leaderboards()
	c.run("no call of the SDK is left out", func(context.Context) { same(c.left(), []string(nil)) })
	c.finish()
}

// items tries a call of the cache client in all situations.
func (c *conformance) items(call string, s situations, fits, other func(context.Context, string) (any, error)) {
	with := func(make func(context.Context, string) (any, error)) func(context.Context) (any, error) {
		return func(ctx context.Context) (any, error) {
			name := fresh("item")
			if make != nil {
				if _, err := make(ctx, name); err != nil {
					return nil, err
				}
			}
			return c.call(ctx, call, name)
		}
	}
	c.try("CacheClient", call, "normal", s.normal, with(fits))
	c.try("CacheClient", call, "empty", s.empty, func(ctx context.Context) (any, error) { return c.call(ctx, call, "") })
	c.try("CacheClient", call, "missing", s.missing, with(nil))
	if other != nil {
		c.try("CacheClient", call, "wrong type", s.wrong, with(other))
	}
}

// try is one situation.
func (c *conformance) try(client, call, situation, want string, do func(ctx context.Context) (any, error)) {
	c.tried[client+"."+call] = true
	c.run(fmt.Sprintf("%s.%s: %s", client, call, situation), func(ctx context.Context) {
		response, err := do(ctx)
		var refusal momento.MomentoError
		switch {
		case err == nil:
			same(reflect.Indirect(reflect.ValueOf(response)).Type().Name(), want)
		case errors.As(err, &refusal):
			for errors.As(refusal.OriginalErr(), &refusal) {
			}
			same(refusal.Code(), want)
		default:
			fail("%v", err)
		}
	})
}

// call calls the cache client by the name of the method with a request about an item.
func (c *conformance) call(ctx context.Context, method, name string) (any, error) {
	m := reflect.ValueOf(c.client).MethodByName(method)
	request := reflect.New(m.Type().In(1).Elem())
	for i := range request.Elem().NumField() {
		f := request.Elem().Field(i)
		if !f.CanSet() {
			continue
		}
		if v := argument(method, request.Elem().Type().Field(i).Name, f.Type(), name); v != nil {
			f.Set(reflect.ValueOf(v))
		}
	}
	out := m.Call([]reflect.Value{reflect.ValueOf(ctx), request})
	err, _ := out[1].Interface().(error)
	return out[0].Interface(), err
}

// argument is what a field of a request is set to; nil leaves it alone.
func argument(method, field string, of reflect.Type, name string) any {
	text, one := momento.String(name), momento.String("a")
	switch field {
	case "CacheName":
		if _, control := ofCaches[method]; control {
			return name
		}
		return cacheName
	case "ListName", "SetName", "DictionaryName":
		return name
	case "Key":
		return text
	case "Field":
		if method == "Increment" {
			return text
		}
		return one
	case "Equal":
		return momento.String("7")
	case "NotEqual", "HashEqual", "HashNotEqual":
		return momento.String("8")
	case "Value", "Element":
		return one
	case "Amount":
		return reflect.ValueOf(1).Convert(of).Interface()
	case "Score":
		return 1.0
	case "Ttl":
		if of == reflect.TypeFor[time.Duration]() {
			return ttlOf(method)
		}
		return nil
	}
	if of.Kind() != reflect.Slice || name == "" {
		return nil
	}
	switch of.Elem() {
	case reflect.TypeFor[momento.BatchSetItem]():
		return []momento.BatchSetItem{{Key: text, Value: one}}
	case reflect.TypeFor[momento.DictionaryElement]():
		return []momento.DictionaryElement{{Field: one, Value: one}}
	case reflect.TypeFor[momento.SortedSetElement]():
		return []momento.SortedSetElement{{Value: one, Score: 1}}
	case reflect.TypeFor[momento.Value](): // and keys, which are of the same type
		if field == "Keys" {
			return []momento.Value{text}
		}
		return []momento.Value{one}
	}
	panic(fmt.Sprintf("the field %s of %s is a %v, and nothing is known to put there", field, method, of))
}

// ttlOf is a life longer, or for DecreaseTtl shorter, than the client's own.
func ttlOf(method string) time.Duration {
	if method == "DecreaseTtl" {
		return time.Minute
	}
	return time.Hour
}

// The makers of items.

func (c *conformance) scalar(ctx context.Context, name string) (any, error) {
	return c.client.Set(ctx, &momento.SetRequest{CacheName: cacheName, Key: momento.String(name), Value: momento.String("7")})
}

func (c *conformance) list(ctx context.Context, name string) (any, error) {
	return c.call(ctx, "ListPushBack", name)
}

func (c *conformance) set(ctx context.Context, name string) (any, error) {
	return c.call(ctx, "SetAddElement", name)
}

func (c *conformance) sortedSet(ctx context.Context, name string) (any, error) {
	return c.call(ctx, "SortedSetPutElement", name)
}

func (c *conformance) dictionary(ctx context.Context, name string) (any, error) {
	return c.client.DictionarySetField(ctx, &momento.DictionarySetFieldRequest{
		CacheName: cacheName, DictionaryName: name, Field: momento.String("a"), Value: momento.String("7"),
	})
}

func (c *conformance) cache(ctx context.Context, name string) (any, error) {
	return c.call(ctx, "CreateCache", name)
}

func (c *conformance) topics() {
	client := topicClient(adminKey)
	for situation, s := range map[string]struct{ cache, topic, published, subscribed string }{
		"normal":  {cacheName, fresh("topic"), "TopicPublishSuccess", "topicSubscription"},
		"empty":   {cacheName, "", invalid, invalid},
		"missing": {fresh("none"), "topic", notThere, notThere},
	} {
		c.try("TopicClient", "Publish", situation, s.published, func(ctx context.Context) (any, error) {
			return client.Publish(ctx, &momento.TopicPublishRequest{CacheName: s.cache, TopicName: s.topic, Value: momento.String("v")})
		})
		c.try("TopicClient", "Subscribe", situation, s.subscribed, func(ctx context.Context) (any, error) {
			subscription, err := client.Subscribe(ctx, &momento.TopicSubscribeRequest{CacheName: s.cache, TopicName: s.topic})
			if err == nil {
				subscription.Close()
			}
			return subscription, err
		})
	}
}

func (c *conformance) credentials() {
	client := authClient(adminKey)
	for situation, s := range map[string]struct {
		scope      momento.Permissions
		key, token string
	}{
		"normal": {momento.AllDataReadWrite, "GenerateApiKeySuccess", "GenerateDisposableTokenSuccess"},
		"empty":  {momento.Permissions{}, invalid, invalid},
	} {
		c.try("AuthClient", "GenerateApiKey", situation, s.key, func(ctx context.Context) (any, error) {
			return client.GenerateApiKey(ctx, &momento.GenerateApiKeyRequest{ExpiresIn: utils.ExpiresInMinutes(1), Scope: s.scope})
		})
		c.try("AuthClient", "GenerateDisposableToken", situation, s.token, func(ctx context.Context) (any, error) {
			return client.GenerateDisposableToken(ctx, &momento.GenerateDisposableTokenRequest{ExpiresIn: utils.ExpiresInMinutes(1), Scope: s.scope})
		})
	}
	c.try("AuthClient", "RefreshApiKey", "normal", "RefreshApiKeySuccess", func(ctx context.Context) (any, error) {
		made := want[*authresponses.GenerateApiKeySuccess](client.GenerateApiKey(ctx, &momento.GenerateApiKeyRequest{
			ExpiresIn: utils.ExpiresInHours(1), Scope: momento.AllDataReadWrite,
		}))
		return authClient(unwrap(made.ApiKey)).RefreshApiKey(ctx, &momento.RefreshApiKeyRequest{RefreshToken: made.RefreshToken})
	})
	c.try("AuthClient", "RefreshApiKey", "missing", invalid, func(ctx context.Context) (any, error) {
		return client.RefreshApiKey(ctx, &momento.RefreshApiKeyRequest{RefreshToken: "none"})
	})
}

func (c *conformance) leaderboards() {
	client := boards{must(momento.NewPreviewLeaderboardClient(config.LeaderboardDefaultWithLogger(quiet), credential(adminKey)))}
	ids, none := []uint32{1}, []uint32{}
	for call, do := range map[string]struct {
		response, empty string
		full, bare      func(context.Context, board) (any, error)
	}{
		"Upsert": {"LeaderboardUpsertSuccess", invalid,
			func(ctx context.Context, b board) (any, error) {
				return b.Upsert(ctx, upsertOf(map[uint32]float64{1: 10}))
			},
			func(ctx context.Context, b board) (any, error) { return b.Upsert(ctx, upsertOf(nil)) }},
		"FetchByRank": {"LeaderboardFetchSuccess", invalid,
			func(ctx context.Context, b board) (any, error) {
				return b.FetchByRank(ctx, momento.LeaderboardFetchByRankRequest{EndRank: 2})
			},
			func(ctx context.Context, b board) (any, error) {
				return b.FetchByRank(ctx, momento.LeaderboardFetchByRankRequest{})
			}},
		"FetchByScore": {"LeaderboardFetchSuccess", "LeaderboardFetchSuccess",
			func(ctx context.Context, b board) (any, error) {
				return b.FetchByScore(ctx, momento.LeaderboardFetchByScoreRequest{Count: new(uint32(2))})
			},
			func(ctx context.Context, b board) (any, error) {
				return b.FetchByScore(ctx, momento.LeaderboardFetchByScoreRequest{})
			}},
		"GetRank": {"LeaderboardFetchSuccess", "LeaderboardFetchSuccess",
			func(ctx context.Context, b board) (any, error) {
				return b.GetRank(ctx, momento.LeaderboardGetRankRequest{Ids: ids})
			},
			func(ctx context.Context, b board) (any, error) {
				return b.GetRank(ctx, momento.LeaderboardGetRankRequest{Ids: none})
			}},
		"RemoveElements": {"LeaderboardRemoveElementsSuccess", invalid,
			func(ctx context.Context, b board) (any, error) {
				return b.RemoveElements(ctx, momento.LeaderboardRemoveElementsRequest{Ids: ids})
			},
			func(ctx context.Context, b board) (any, error) {
				return b.RemoveElements(ctx, momento.LeaderboardRemoveElementsRequest{Ids: none})
			}},
		"Length": {response: "LeaderboardLengthSuccess", full: func(ctx context.Context, b board) (any, error) { return b.Length(ctx) }},
		"Delete": {response: "LeaderboardDeleteSuccess", full: func(ctx context.Context, b board) (any, error) { return b.Delete(ctx) }},
	} {
		c.try("Leaderboard", call, "normal", do.response, func(ctx context.Context) (any, error) {
			return do.full(ctx, client.with(ctx, map[uint32]float64{1: 1, 2: 2}))
		})
		c.try("Leaderboard", call, "missing", do.response, func(ctx context.Context) (any, error) {
			return do.full(ctx, client.with(ctx, nil))
		})
		if do.bare != nil {
			c.try("Leaderboard", call, "empty", do.empty, func(ctx context.Context) (any, error) {
				return do.bare(ctx, client.with(ctx, map[uint32]float64{1: 1}))
			})
		}
	}
}

// left are the calls of the SDK's clients that were not tried.
func (c *conformance) left() (left []string) {
	noCalls := []string{"CacheClient.Logger"}
	for name, of := range map[string]reflect.Type{
		"CacheClient": reflect.TypeFor[momento.CacheClient](),
		"TopicClient": reflect.TypeFor[momento.TopicClient](),
		"AuthClient":  reflect.TypeFor[momento.AuthClient](),
		"Leaderboard": reflect.TypeFor[momento.Leaderboard](),
	} {
		for i := range of.NumMethod() {
			call := name + "." + of.Method(i).Name
			if !c.tried[call] && !slices.Contains(noCalls, call) && !strings.HasSuffix(call, ".Close") {
				left = append(left, call)
			}
		}
	}
	return left
}
