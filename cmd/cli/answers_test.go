package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	webhookpb "github.com/mayfly-broker/mayfly/proto/webhook"

	"github.com/mayfly-broker/mayfly/cmd/cli/grant"
)

const (
	dayMs   = 86_400_000
	wrapped = "eyJlbmRwb2ludCI6IjEyNy4wLjAuMTo4MDgwIiwiYXBpX2tleSI6ImEuYi5jIn0=" // endpoint 127.0.0.1:8080, key a.b.c
)

var (
	superUser = grant.SuperUser()
	room      = permission("topic:publishsubscribe:chat:topic=room-1")
	rooms     = permission("cache:readonly:chat:key-prefix=room-")
)

func permission(text string) *permissionpb.PermissionsType {
	p, err := grant.Parse(text)
	if err != nil {
		panic(err)
	}
	return p
}

func explicit(list ...*permissionpb.PermissionsType) *permissionpb.Permissions {
	return grant.Explicit(list)
}

// exchange is a command, what it must ask, and what it must print.
type exchange struct {
	name        string
	args        string // separated by |
	stdin       string
	method      string
	cache       string
	request     proto.Message
	answer      proto.Message
	table, json string
	stderr      string
}

var exchanges = []exchange{
	{
		name: "create a cache", args: "cache|create|chat",
		method: "CreateCache", request: &adminpb.CreateCacheRequest{Cache: "chat"}, answer: &adminpb.CreateCacheResponse{},
		table: "created cache chat\n",
		json:  "{\n  \"cache\": \"chat\",\n  \"done\": \"created\"\n}\n",
	},
	{
		name: "create a cache that is set up", args: "cache|create|chat|--max-memory|64MiB|--eviction|lfu|--keep|list, sorted-sets",
		method: "CreateCache", request: &adminpb.CreateCacheRequest{Cache: "chat", Limits: &storev1.CacheLimits{
			MaxMemory: new(uint64(64 << 20)), Eviction: storev1.Eviction_EVICTION_LFU.Enum(), KeptKinds: new(uint32(1<<2 | 1<<5)),
		}},
		answer: &adminpb.CreateCacheResponse{},
		table:  "created cache chat\n",
		json:   "{\n  \"cache\": \"chat\",\n  \"done\": \"created\"\n}\n",
	},
	{
		name: "update one setting of a cache", args: "cache|update|chat|--eviction|off",
		method: "UpdateCache", request: &adminpb.UpdateCacheRequest{Cache: "chat", Limits: &storev1.CacheLimits{
			Eviction: storev1.Eviction_EVICTION_OFF.Enum(),
		}},
		answer: &adminpb.UpdateCacheResponse{},
		table:  "updated cache chat\n",
		json:   "{\n  \"cache\": \"chat\",\n  \"done\": \"updated\"\n}\n",
	},
	{
		name: "give settings back", args: "cache|update|chat|--max-memory|default|--eviction|default|--keep|default",
		method: "UpdateCache", request: &adminpb.UpdateCacheRequest{Cache: "chat", Limits: &storev1.CacheLimits{
			MaxMemory: new(uint64), Eviction: new(storev1.Eviction), KeptKinds: new(uint32),
		}},
		answer: &adminpb.UpdateCacheResponse{},
		table:  "updated cache chat\n",
		json:   "{\n  \"cache\": \"chat\",\n  \"done\": \"updated\"\n}\n",
	},
	{
		name: "describe a cache", args: "cache|describe|chat",
		method: "DescribeCaches", request: &adminpb.DescribeCachesRequest{Cache: "chat", Memory: true},
		answer: &adminpb.DescribeCachesResponse{Caches: []*adminpb.CacheDescription{{Cache: "chat", Effective: &storev1.CacheLimits{
			MaxItemSizeKb: new(uint32(4883)), MaxTtlSeconds: new(uint64(60)), MaxThroughputKbps: new(uint32(5)), MaxPublishMessageSizeKb: new(uint32(1024)),
			MaxSubscriptionCount: new(uint32(9)), MaxMemory: new(uint64(64 << 20)), Eviction: storev1.Eviction_EVICTION_LRU.Enum(), KeptKinds: new(uint32(1<<2 | 1<<3)),
		}, Memory: &adminpb.CacheMemory{Items: 7, Bytes: 1234, EvictedItems: 8, EvictedBytes: 3 << 20}}}},
		table: `Cache:              chat
Created:            -
Items:              7
Memory:             1.2 KiB
Evicted:            8 items, 3.0 MiB
Max memory:         64MiB
Eviction:           lru
Keep:               list, dictionary
Max keys:           no limit
Max item:           4883 KiB
Max TTL:            1m
Max traffic:        no limit
Max throughput:     5 KiB per second
Max message:        1024 KiB
Max publishes:      no limit
Max subscriptions:  9
`,
		json: `{
  "name": "chat",
  "created_at": null,
  "max_item_size_kb": 4883,
  "max_ttl_seconds": 60,
  "max_traffic_rate": 4294967295,
  "max_throughput_kbps": 5,
  "max_publish_message_size_kb": 1024,
  "max_publish_rate": 4294967295,
  "max_subscription_count": 9,
  "max_keys": null,
  "max_memory_bytes": 67108864,
  "eviction": "lru",
  "keep": [
    "list",
    "dictionary"
  ],
  "items": 7,
  "bytes": 1234,
  "evicted_items": 8,
  "evicted_bytes": 3145728
}
`,
	},
	{
		name: "delete a cache, unasked away from a terminal", args: "cache|delete|chat",
		method: "DeleteCache", request: &controlpb.DeleteCacheRequest{CacheName: "chat"}, answer: &controlpb.DeleteCacheResponse{},
		table: "deleted cache chat\n",
		json:  "{\n  \"cache\": \"chat\",\n  \"done\": \"deleted\"\n}\n",
	},
	{
		name: "flush a cache", args: "cache|flush|-y|chat",
		method: "FlushCache", request: &controlpb.FlushCacheRequest{CacheName: "chat"}, answer: &controlpb.FlushCacheResponse{},
		table: "flushed cache chat\n",
		json:  "{\n  \"cache\": \"chat\",\n  \"done\": \"flushed\"\n}\n",
	},
	{
		name: "put a webhook", args: "webhook|put|chat|w|room|https://example.com/",
		method: "PutWebhook", request: &webhookpb.PutWebhookRequest{Webhook: &webhookpb.WebhookSpec{
			WebhookId: &webhookpb.WebhookId{CacheName: "chat", WebhookName: "w"}, TopicName: "room",
			Destination: &webhookpb.WebhookDestination{Kind: &webhookpb.WebhookDestination_PostUrl{PostUrl: "https://example.com/"}},
		}},
		answer: &webhookpb.PutWebhookResponse{SecretString: "S"},
		table:  "Cache:    chat\nWebhook:  w\nSecret:   S\n",
		json:   "{\n  \"cache\": \"chat\",\n  \"webhook\": \"w\",\n  \"secret\": \"S\"\n}\n",
	},
	{
		name: "list webhooks", args: "webhook|list|chat",
		method: "ListWebhooks", request: &webhookpb.ListWebhooksRequest{CacheName: "chat"},
		answer: &webhookpb.ListWebhooksResponse{Webhook: []*webhookpb.WebhookSpec{{
			WebhookId: &webhookpb.WebhookId{CacheName: "chat", WebhookName: "w\x1b"}, TopicName: "room",
			Destination: &webhookpb.WebhookDestination{Kind: &webhookpb.WebhookDestination_PostUrl{PostUrl: "https://example.com/"}},
		}}},
		table: "WEBHOOK   TOPIC   URL\n\"w\\x1b\"   room    https://example.com/\n",
		json:  "{\n  \"cache\": \"chat\",\n  \"webhooks\": [\n    {\n      \"webhook\": \"w\\u001b\",\n      \"topic\": \"room\",\n      \"url\": \"https://example.com/\"\n    }\n  ]\n}\n",
	},
	{
		name: "delete a webhook", args: "webhook|delete|chat|w",
		method: "DeleteWebhook", request: &webhookpb.DeleteWebhookRequest{WebhookId: &webhookpb.WebhookId{CacheName: "chat", WebhookName: "w"}},
		answer: &webhookpb.DeleteWebhookResponse{},
		table:  "deleted webhook w\n",
		json:   "{\n  \"cache\": \"chat\",\n  \"webhook\": \"w\",\n  \"done\": \"deleted\"\n}\n",
	},
	{
		name: "show a webhook's secret", args: "webhook|secret|chat|w",
		method: "GetWebhookSecret", request: &webhookpb.GetWebhookSecretRequest{CacheName: "chat", WebhookName: "w"},
		answer: &webhookpb.GetWebhookSecretResponse{CacheName: "chat", WebhookName: "w", SecretString: "S"},
		table:  "Cache:    chat\nWebhook:  w\nSecret:   S\n",
		json:   "{\n  \"cache\": \"chat\",\n  \"webhook\": \"w\",\n  \"secret\": \"S\"\n}\n",
	},
	{
		name: "rotate a webhook's secret", args: "webhook|rotate|chat|w",
		method: "RotateWebhookSecret", request: &webhookpb.RotateWebhookSecretRequest{WebhookId: &webhookpb.WebhookId{CacheName: "chat", WebhookName: "w"}},
		answer: &webhookpb.RotateWebhookSecretResponse{SecretString: "S"},
		table:  "Cache:    chat\nWebhook:  w\nSecret:   S\n",
		json:   "{\n  \"cache\": \"chat\",\n  \"webhook\": \"w\",\n  \"secret\": \"S\"\n}\n",
	},
	{
		name: "list caches", args: "cache|list",
		method: "DescribeCaches", request: &adminpb.DescribeCachesRequest{Memory: true},
		answer: &adminpb.DescribeCachesResponse{Caches: []*adminpb.CacheDescription{{Cache: "chat", CreatedAt: 1, Effective: &storev1.CacheLimits{
			MaxTrafficRate: new(uint32(500)), MaxThroughputKbps: new(uint32(10240)), MaxItemSizeKb: new(uint32(4883)), MaxTtlSeconds: new(uint64(400 * 86400)),
			MaxPublishRate: new(uint32(100)), MaxSubscriptionCount: new(uint32(100000)), MaxPublishMessageSizeKb: new(uint32(1024)),
			MaxMemory: new(uint64(1 << 30)), Eviction: storev1.Eviction_EVICTION_OFF.Enum(),
		}, Memory: &adminpb.CacheMemory{Items: 9, Bytes: 1 << 30, EvictedItems: 3}}, {Cache: "a much longer name\n"}}},
		table: `CACHE                    MAX ITEM   MAX TTL   MAX MESSAGE   MAX SUBSCRIPTIONS   MAX MEMORY            EVICTION   KEEP   ITEMS   MEMORY    EVICTED
chat                     4883 KiB   400d      1024 KiB      100000              1GiB                  off        -      9       1.0 GiB   3
"a much longer name\n"   0 KiB      0s        0 KiB         0                   what the nodes have   unknown    -      0       0 B       0
`,
		json: `{
  "caches": [
    {
      "name": "chat",
      "created_at": "1970-01-01T00:00:01Z",
      "max_item_size_kb": 4883,
      "max_ttl_seconds": 34560000,
      "max_traffic_rate": 500,
      "max_throughput_kbps": 10240,
      "max_publish_message_size_kb": 1024,
      "max_publish_rate": 100,
      "max_subscription_count": 100000,
      "max_keys": null,
      "max_memory_bytes": 1073741824,
      "eviction": "off",
      "keep": [],
      "items": 9,
      "bytes": 1073741824,
      "evicted_items": 3,
      "evicted_bytes": 0
    },
    {
      "name": "a much longer name\n",
      "created_at": null,
      "max_item_size_kb": 0,
      "max_ttl_seconds": 0,
      "max_traffic_rate": 4294967295,
      "max_throughput_kbps": 4294967295,
      "max_publish_message_size_kb": 0,
      "max_publish_rate": 4294967295,
      "max_subscription_count": 0,
      "max_keys": null,
      "max_memory_bytes": null,
      "eviction": "unknown",
      "keep": [],
      "items": 0,
      "bytes": 0,
      "evicted_items": 0,
      "evicted_bytes": 0
    }
  ]
}
`,
	},
	{
		name: "no caches", args: "cache|list", method: "DescribeCaches", request: &adminpb.DescribeCachesRequest{Memory: true}, answer: &adminpb.DescribeCachesResponse{},
		table: "CACHE   MAX ITEM   MAX TTL   MAX MESSAGE   MAX SUBSCRIPTIONS   MAX MEMORY   EVICTION   KEEP   ITEMS   MEMORY   EVICTED\n",
		json:  "{\n  \"caches\": []\n}\n",
	},
	{
		name: "publish text", args: "topic|publish|chat|room-1|hi there",
		method:  "Publish",
		request: &pubsubpb.PublishRequest{CacheName: "chat", Topic: "room-1", Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: "hi there"}}},
		answer:  &pubsubpb.PublishResponse{},
		table:   "published 1 item to room-1\n",
		json:    "{\n  \"cache\": \"chat\",\n  \"topic\": \"room-1\",\n  \"published\": 1\n}\n",
	},
	{
		name: "publish binary from standard input", args: "topic|publish|chat|room-1", stdin: "\xff\x00\n",
		method:  "Publish",
		request: &pubsubpb.PublishRequest{CacheName: "chat", Topic: "room-1", Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Binary{Binary: []byte("\xff\x00")}}},
		answer:  &pubsubpb.PublishResponse{},
		table:   "published 1 item to room-1\n",
		json:    "{\n  \"cache\": \"chat\",\n  \"topic\": \"room-1\",\n  \"published\": 1\n}\n",
	},
	{
		name: "publish text as binary", args: "topic|publish|--binary|chat|room-1|-", stdin: "hi\r\n",
		method:  "Publish",
		request: &pubsubpb.PublishRequest{CacheName: "chat", Topic: "room-1", Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Binary{Binary: []byte("hi")}}},
		answer:  &pubsubpb.PublishResponse{},
		table:   "published 1 item to room-1\n",
		json:    "{\n  \"cache\": \"chat\",\n  \"topic\": \"room-1\",\n  \"published\": 1\n}\n",
	},
	{
		name: "push one", args: "list|push|chat|room-1|hello",
		method: "ListConcatenateBack", cache: "chat",
		request: &cachepb.ListConcatenateBackRequest{ListName: []byte("room-1"), Values: [][]byte{[]byte("hello")}, TtlMilliseconds: dayMs},
		answer:  &cachepb.ListConcatenateBackResponse{ListLength: 1},
		table:   "1 value in room-1\n",
		json:    "{\n  \"list\": \"room-1\",\n  \"found\": true,\n  \"length\": 1\n}\n",
	},
	{
		name: "push lines to the front", args: "list|push|chat|room-1|--front|--truncate-to|100|--ttl|30d|--refresh-ttl|--lines", stdin: "a\n\nb\r\n",
		method: "ListConcatenateFront", cache: "chat",
		request: &cachepb.ListConcatenateFrontRequest{
			ListName: []byte("room-1"), Values: [][]byte{[]byte("a"), {}, []byte("b")}, TtlMilliseconds: 30 * dayMs, RefreshTtl: true, TruncateBackToSize: 100,
		},
		answer: &cachepb.ListConcatenateFrontResponse{ListLength: 3},
		table:  "3 values in room-1\n",
		json:   "{\n  \"list\": \"room-1\",\n  \"found\": true,\n  \"length\": 3\n}\n",
	},
	{
		name: "pop the back", args: "list|pop|chat|room-1",
		method: "ListPopBack", cache: "chat", request: &cachepb.ListPopBackRequest{ListName: []byte("room-1")},
		answer: &cachepb.ListPopBackResponse{List: &cachepb.ListPopBackResponse_Found{Found: &cachepb.PoppedBack{Back: []byte("b\n"), ListLength: 2}}},
		table:  "\"b\\n\"\n",
		json:   "{\n  \"list\": \"room-1\",\n  \"found\": true,\n  \"length\": 2,\n  \"text\": \"b\\n\"\n}\n",
	},
	{
		name: "pop the front of nothing", args: "list|pop|chat|room-1|--front",
		method: "ListPopFront", cache: "chat", request: &cachepb.ListPopFrontRequest{ListName: []byte("room-1")},
		answer: &cachepb.ListPopFrontResponse{List: &cachepb.ListPopFrontResponse_Missing{Missing: &cachepb.Missing{}}},
		json:   "{\n  \"list\": \"room-1\",\n  \"found\": false,\n  \"length\": 0\n}\n",
		stderr: "mayfly: there is no list room-1\n",
	},
	{
		name: "fetch all", args: "list|fetch|chat|room-1",
		method: "ListFetch", cache: "chat",
		request: &cachepb.ListFetchRequest{
			ListName:   []byte("room-1"),
			StartIndex: &cachepb.ListFetchRequest_UnboundedStart{UnboundedStart: &cachepb.Unbounded{}},
			EndIndex:   &cachepb.ListFetchRequest_UnboundedEnd{UnboundedEnd: &cachepb.Unbounded{}},
		},
		answer: values("hello", "", "\x1b[2J", "\xff\xfe", `"quoted"`, "<é>"),
		table:  "INDEX   VALUE\n0       hello\n1       \"\"\n2       \"\\x1b[2J\"\n3       \"\\xff\\xfe\"\n4       \"\\\"quoted\\\"\"\n5       <é>\n",
		json: `{
  "list": "room-1",
  "found": true,
  "values": [
    {
      "text": "hello"
    },
    {
      "text": ""
    },
    {
      "text": "\u001b[2J"
    },
    {
      "base64": "//4="
    },
    {
      "text": "\"quoted\""
    },
    {
      "text": "<é>"
    }
  ]
}
`,
	},
	{
		name: "fetch the end", args: "list|fetch|chat|room-1|--start|-5|--end=-1",
		method: "ListFetch", cache: "chat",
		request: &cachepb.ListFetchRequest{
			ListName:   []byte("room-1"),
			StartIndex: &cachepb.ListFetchRequest_InclusiveStart{InclusiveStart: -5},
			EndIndex:   &cachepb.ListFetchRequest_ExclusiveEnd{ExclusiveEnd: -1},
		},
		answer: values("a", "b"),
		table:  "INDEX   VALUE\n-3      a\n-2      b\n",
		json:   "{\n  \"list\": \"room-1\",\n  \"found\": true,\n  \"values\": [\n    {\n      \"text\": \"a\"\n    },\n    {\n      \"text\": \"b\"\n    }\n  ]\n}\n",
	},
	{
		name: "fetch nothing", args: "list|fetch|chat|room-1|--end|0",
		method: "ListFetch", cache: "chat",
		request: &cachepb.ListFetchRequest{
			ListName:   []byte("room-1"),
			StartIndex: &cachepb.ListFetchRequest_UnboundedStart{UnboundedStart: &cachepb.Unbounded{}},
			EndIndex:   &cachepb.ListFetchRequest_ExclusiveEnd{ExclusiveEnd: 0},
		},
		answer: &cachepb.ListFetchResponse{List: &cachepb.ListFetchResponse_Missing{Missing: &cachepb.Missing{}}},
		json:   "{\n  \"list\": \"room-1\",\n  \"found\": false,\n  \"values\": []\n}\n",
		stderr: "mayfly: there is nothing in list room-1\n",
	},
	{
		name: "length", args: "list|length|chat|room-1",
		method: "ListLength", cache: "chat", request: &cachepb.ListLengthRequest{ListName: []byte("room-1")},
		answer: &cachepb.ListLengthResponse{List: &cachepb.ListLengthResponse_Found{Found: &cachepb.Length{Length: 7}}},
		table:  "7\n",
		json:   "{\n  \"list\": \"room-1\",\n  \"found\": true,\n  \"length\": 7\n}\n",
	},
	{
		name: "remove", args: "list|remove|chat|room-1|spam",
		method: "ListRemove", cache: "chat",
		request: &cachepb.ListRemoveRequest{ListName: []byte("room-1"), Remove: &cachepb.ListRemoveRequest_AllElementsWithValue{AllElementsWithValue: []byte("spam")}},
		answer:  &cachepb.ListRemoveResponse{List: &cachepb.ListRemoveResponse_Missing{Missing: &cachepb.Missing{}}},
		table:   "there is no list room-1\n",
		json:    "{\n  \"list\": \"room-1\",\n  \"found\": false,\n  \"length\": 0\n}\n",
	},
	{
		name: "retain", args: "list|retain|chat|room-1|--start|-100",
		method: "ListRetain", cache: "chat",
		request: &cachepb.ListRetainRequest{
			ListName:        []byte("room-1"),
			StartIndex:      &cachepb.ListRetainRequest_InclusiveStart{InclusiveStart: -100},
			EndIndex:        &cachepb.ListRetainRequest_UnboundedEnd{UnboundedEnd: &cachepb.Unbounded{}},
			TtlMilliseconds: dayMs,
		},
		answer: &cachepb.ListRetainResponse{List: &cachepb.ListRetainResponse_Found{Found: &cachepb.RemainingLength{ListLength: 100}}},
		table:  "100 values in room-1\n",
		json:   "{\n  \"list\": \"room-1\",\n  \"found\": true,\n  \"length\": 100\n}\n",
	},
	{
		name: "create a key", args: "key|create|--superuser|--description|chat backend|--expires|90d",
		method:  "CreateApiKey",
		request: &adminpb.CreateApiKeyRequest{Description: "chat backend", ValidForSeconds: 90 * 86400, Permissions: superUser},
		answer:  &adminpb.CreateApiKeyResponse{Id: "k1", ApiKey: "a.b.c", WrappedKey: wrapped, Endpoint: "127.0.0.1:8080", ValidUntil: 1800000000},
		table: `Id:           k1
Expires:      2027-01-15 08:00:00
Permissions:  superuser
Endpoint:     127.0.0.1:8080
Key:          a.b.c
Wrapped key:  ` + wrapped + `

Keep the key now, it is not shown again.
`,
		json: `{
  "id": "k1",
  "api_key": "a.b.c",
  "wrapped_key": "` + wrapped + `",
  "endpoint": "127.0.0.1:8080",
  "expires_at": "2027-01-15T08:00:00Z",
  "permissions": [
    "superuser"
  ]
}
`,
	},
	{
		name: "list keys", args: "key|list", method: "ListApiKeys", request: &adminpb.ListApiKeysRequest{},
		answer: &adminpb.ListApiKeysResponse{Keys: []*adminpb.ApiKeyInfo{
			{Id: "k1", Description: "chat backend", CreatedAt: 1700000000, Permissions: superUser},
			{Id: "k2", TokenId: "bot", CreatedAt: 1700000000, ValidUntil: 1700000060, Permissions: explicit(room, rooms)},
			{Id: "k3", CreatedAt: 1700000000, ValidUntil: 1700000060, RevokedAt: 1700000030, Permissions: explicit(room)},
		}},
		table: `ID   STATUS    CREATED               EXPIRES               PERMISSIONS                                                                      DESCRIPTION
k1   active    2023-11-14 22:13:20   never                 superuser                                                                        chat backend
k2   expired   2023-11-14 22:13:20   2023-11-14 22:14:20   topic:publishsubscribe:chat:topic=room-1  cache:readonly:chat:key-prefix=room-   -
k3   revoked   2023-11-14 22:13:20   2023-11-14 22:14:20   topic:publishsubscribe:chat:topic=room-1                                         -
`,
		json: `{
  "keys": [
    {
      "id": "k1",
      "description": "chat backend",
      "token_id": "",
      "status": "active",
      "created_at": "2023-11-14T22:13:20Z",
      "expires_at": null,
      "revoked_at": null,
      "permissions": [
        "superuser"
      ]
    },
    {
      "id": "k2",
      "description": "",
      "token_id": "bot",
      "status": "expired",
      "created_at": "2023-11-14T22:13:20Z",
      "expires_at": "2023-11-14T22:14:20Z",
      "revoked_at": null,
      "permissions": [
        "topic:publishsubscribe:chat:topic=room-1",
        "cache:readonly:chat:key-prefix=room-"
      ]
    },
    {
      "id": "k3",
      "description": "",
      "token_id": "",
      "status": "revoked",
      "created_at": "2023-11-14T22:13:20Z",
      "expires_at": "2023-11-14T22:14:20Z",
      "revoked_at": "2023-11-14T22:13:50Z",
      "permissions": [
        "topic:publishsubscribe:chat:topic=room-1"
      ]
    }
  ]
}
`,
	},
	{
		name: "revoke a key", args: "key|revoke|k1", method: "RevokeApiKey", request: &adminpb.RevokeApiKeyRequest{Id: "k1"}, answer: &adminpb.RevokeApiKeyResponse{},
		table: "revoked key k1\n",
		json:  "{\n  \"id\": \"k1\",\n  \"revoked\": true\n}\n",
	},
	{
		name: "create a token", args: "token|create|--cache|chat|--topic|room-1|--allow|cache:readonly:chat:key-prefix=room-|--token-id|alice",
		method: "GenerateDisposableToken",
		request: &tokenpb.GenerateDisposableTokenRequest{
			Expires: &tokenpb.Expires{ValidForSeconds: 3600}, Permissions: explicit(rooms, room), TokenId: "alice",
		},
		answer: &tokenpb.GenerateDisposableTokenResponse{ApiKey: "a.b.c", Endpoint: "127.0.0.1:8080", ValidUntil: 1800000000},
		table: `Expires:      2027-01-15 08:00:00
Token id:     alice
Permissions:  cache:readonly:chat:key-prefix=room-  topic:publishsubscribe:chat:topic=room-1
Endpoint:     127.0.0.1:8080
Token:        ` + wrapped + `
Raw token:    a.b.c
`,
		json: `{
  "token": "` + wrapped + `",
  "raw_token": "a.b.c",
  "endpoint": "127.0.0.1:8080",
  "token_id": "alice",
  "expires_at": "2027-01-15T08:00:00Z",
  "permissions": [
    "cache:readonly:chat:key-prefix=room-",
    "topic:publishsubscribe:chat:topic=room-1"
  ]
}
`,
	},
}

func values(texts ...string) *cachepb.ListFetchResponse {
	list := &cachepb.ListValues{}
	for _, text := range texts {
		list.Values = append(list.Values, []byte(text))
	}
	return &cachepb.ListFetchResponse{List: &cachepb.ListFetchResponse_Found{Found: list}}
}

func TestExchanges(t *testing.T) {
	for _, tt := range slices.Concat(exchanges, clusterExchanges()) {
		t.Run(tt.name, func(t *testing.T) {
			b := (&broker{answer: always(tt.answer)}).start(t)
			args := strings.Split(tt.args, "|")
			for format, want := range map[string]string{"table": tt.table, "json": tt.json} {
				got := invocation{broker: b, stdin: tt.stdin, environ: []string{"MAYFLY_OUTPUT=" + format}}.run(t, args...)
				if got.code != ExitOK || got.stdout != want {
					t.Errorf("%s: exit code %d, stderr %s\ngot:\n%s\nwant:\n%s", format, got.code, got.stderr, got.stdout, want)
				}
				if format == "table" && got.stderr != tt.stderr || format == "json" && got.stderr != "" {
					t.Errorf("%s: stderr %q", format, got.stderr)
				}
				calls := b.took()
				if len(calls) != 1 || calls[0].method != tt.method || calls[0].cache != tt.cache || !proto.Equal(calls[0].request, tt.request) {
					t.Errorf("%s: got calls %v\nwant %s in %q: %v", format, calls, tt.method, tt.cache, tt.request)
				}
			}
		})
	}
}

func TestRawValues(t *testing.T) {
	b := (&broker{answer: always(values("a\n", "\xff"))}).start(t)
	if got := (invocation{broker: b}).run(t, "list", "fetch", "chat", "l", "--raw"); got.stdout != "a\n\n\xff\n" {
		t.Errorf("fetch: got %q, %s", got.stdout, got.stderr)
	}
	b.answer = always(&cachepb.ListPopBackResponse{List: &cachepb.ListPopBackResponse_Found{Found: &cachepb.PoppedBack{Back: []byte("a\xff\n")}}})
	if got := (invocation{broker: b}).run(t, "list", "pop", "chat", "l", "--raw"); got.stdout != "a\xff\n" {
		t.Errorf("pop: got %q, %s", got.stdout, got.stderr)
	}
}

func TestPublishManyLines(t *testing.T) {
	b := (&broker{answer: always(&pubsubpb.PublishResponse{})}).start(t)
	got := invocation{broker: b, stdin: "a\nb\nc"}.run(t, "topic", "publish", "chat", "room", "--lines")
	if calls := b.took(); got.code != ExitOK || len(calls) != 3 || got.stdout != "published 3 items to room\n" {
		t.Errorf("got %d calls, %+v", len(calls), got)
	}
}

func TestFirstIndex(t *testing.T) {
	tests := []struct {
		args    []string
		fetched int
		want    int
		known   bool
	}{
		{nil, 3, 0, true},
		{[]string{"--start=5"}, 3, 5, true},
		{[]string{"--start=5", "--end=-1"}, 3, 5, true},
		{[]string{"--start=-5"}, 3, -3, true},
		{[]string{"--start=-5", "--end=-2"}, 2, -4, true},
		{[]string{"--start=-5", "--end=4"}, 2, 0, false},
	}
	for _, tt := range tests {
		cmd := &cobra.Command{}
		var part slice
		part.addFlags(cmd)
		if err := cmd.ParseFlags(tt.args); err != nil {
			t.Fatal(err)
		}
		if got, known := part.firstIndex(tt.fetched); known != tt.known || known && got != tt.want {
			t.Errorf("%v of %d: got %d, %v; want %d, %v", tt.args, tt.fetched, got, known, tt.want, tt.known)
		}
	}
}
