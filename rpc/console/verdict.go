package console

import (
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// check is what somebody would do with a credential.
type check struct {
	Cache  string `json:"cache"`
	Topic  string `json:"topic"`
	Key    string `json:"key"`
	Action string `json:"action"`
}

// call is a call that is never made.
type call struct {
	method, cache string
	message       proto.Message
}

// actions makes the call of each action.
var actions = map[string]func(check) *call{
	"publish": func(c check) *call {
		return &call{method: pubsubpb.Pubsub_Publish_FullMethodName, message: &pubsubpb.PublishRequest{CacheName: c.Cache, Topic: c.Topic}}
	},
	"subscribe": func(c check) *call {
		return &call{method: pubsubpb.Pubsub_Subscribe_FullMethodName, message: &pubsubpb.SubscribeRequest{CacheName: c.Cache, Topic: c.Topic}}
	},
	"read": func(c check) *call {
		return &call{cachepb.Scs_Get_FullMethodName, c.Cache, &cachepb.GetRequest{CacheKey: []byte(c.Key)}}
	},
	"write": func(c check) *call {
		return &call{cachepb.Scs_Set_FullMethodName, c.Cache, &cachepb.SetRequest{CacheKey: []byte(c.Key)}}
	},
	"create_cache": func(c check) *call {
		return &call{method: controlpb.ScsControl_CreateCache_FullMethodName, message: &controlpb.CreateCacheRequest{CacheName: c.Cache}}
	},
	"delete_cache": func(c check) *call {
		return &call{method: controlpb.ScsControl_DeleteCache_FullMethodName, message: &controlpb.DeleteCacheRequest{CacheName: c.Cache}}
	},
	"flush_cache": func(c check) *call {
		return &call{method: controlpb.ScsControl_FlushCache_FullMethodName, message: &controlpb.FlushCacheRequest{CacheName: c.Cache}}
	},
	"list_caches": func(check) *call {
		return &call{method: controlpb.ScsControl_ListCaches_FullMethodName, message: &controlpb.ListCachesRequest{}}
	},
}

// call returns the call that c is about, nil for no check at all. wrong says to
// people what is missing, empty for nothing.
func (c *check) call() (made *call, wrong string) {
	if c == nil {
		return nil, ""
	}
	call, known := actions[c.Action]
	missing := ""
	switch {
	case !known:
		return nil, "The action is one of publish, subscribe, read, write, create_cache, list_caches, delete_cache, flush_cache."
	case c.Action == "list_caches":
	case c.Cache == "":
		missing = "cache"
	case c.Topic == "" && (c.Action == "publish" || c.Action == "subscribe"):
		missing = "topic"
	case c.Key == "" && (c.Action == "read" || c.Action == "write"):
		missing = "key"
	}
	if missing != "" {
		return nil, "To check " + c.Action + " name a " + missing + "."
	}
	return call(*c), ""
}

// verdict is what the caller of a call would be told at the door.
type verdict struct {
	Allowed bool   `json:"allowed"`
	Code    string `json:"code"` // as gRPC names it
	Reason  string `json:"reason"`
}

func newVerdict(end *status.Status) *verdict {
	v := &verdict{Allowed: end.Code() == codes.OK, Code: end.Code().String(), Reason: web.Sentence(end.Message())}
	if v.Allowed {
		v.Reason = "the call would be let through"
	}
	v.Reason = strings.TrimSpace(v.Reason)
	return v
}
