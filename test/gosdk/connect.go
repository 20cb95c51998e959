package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/momentohq/client-sdk-go/auth"
	"github.com/momentohq/client-sdk-go/config"
	"github.com/momentohq/client-sdk-go/config/logger"
	"github.com/momentohq/client-sdk-go/momento"
	"google.golang.org/grpc/resolver"
)

var (
	addrs     = strings.Split(os.Getenv("STORY_ADDR"), ",")
	turn      atomic.Int64
	adminKey  = os.Getenv("STORY_KEY")
	cacheName = os.Getenv("STORY_CACHE")
	// secureName is the base host that the broker's certificate is for; empty
	// without TLS.
	secureName = os.Getenv("STORY_TLS")
	// endpoint is the base host from which the SDK derives its names; empty
	// connects with overrides.
	endpoint = os.Getenv("STORY_ENDPOINT")

	quiet = logger.NewNoopMomentoLoggerFactory()
)

// Names that the story's proxy knows are none of this machine's DNS: grpc-go is to
// leave them to the proxy, as Node.js and browsers do by themselves.
func init() {
	if endpoint != "" {
		resolver.SetDefaultScheme("passthrough")
	}
}

// next is the node that the next client takes, when there are several.
func next() string { return addrs[int(turn.Add(1)-1)%len(addrs)] }

// must is for what has nothing to do with the broker.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// credential is the older form of a key, which the SDK understands, pointed at
// the broker. An empty key connects without a credential.
func credential(rawKey string) auth.CredentialProvider {
	addr := next()
	if rawKey == "" {
		host, port, err := net.SplitHostPort(addr)
		number := must(strconv.ParseUint(port, 10, 16))
		return must(auth.NewMomentoLocalProvider(&auth.MomentoLocalConfig{Hostname: must(host, err), Port: uint(number)}))
	}
	// Within TLS the SDK checks the broker by the names below the credential's
	// endpoint, whatever it connects to.
	wrapped := must(json.Marshal(map[string]string{"endpoint": cmp.Or(endpoint, secureName, addr), "api_key": rawKey}))
	provider := must(auth.FromString(base64.StdEncoding.EncodeToString(wrapped)))
	if endpoint != "" {
		return provider
	}
	here := auth.Endpoint{Endpoint: addr, InsecureConnection: secureName == ""}
	return must(provider.WithEndpoints(auth.AllEndpoints{ControlEndpoint: here, CacheEndpoint: here, TokenEndpoint: here}))
}

// unwrap returns the raw key inside the older form.
func unwrap(wrapped string) string {
	var fields map[string]string
	if err := json.Unmarshal(must(base64.StdEncoding.DecodeString(wrapped)), &fields); err != nil {
		panic(err)
	}
	return fields["api_key"]
}

func cacheClient(rawKey string) momento.CacheClient {
	return must(momento.NewCacheClientWithEagerConnectTimeout(
		config.LaptopLatestWithLogger(quiet), credential(rawKey), 10*time.Minute, 0))
}

func topicClient(rawKey string) momento.TopicClient {
	return must(momento.NewTopicClient(config.TopicsDefaultWithLogger(quiet), credential(rawKey)))
}

func authClient(rawKey string) momento.AuthClient {
	return must(momento.NewAuthClient(config.AuthDefaultWithLogger(quiet), credential(rawKey)))
}
