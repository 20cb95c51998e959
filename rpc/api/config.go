package api

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/metering"
	"github.com/mayfly-broker/mayfly/rpc/quota"
	"github.com/mayfly-broker/mayfly/rpc/share"
)

// Config is what a Server is told at birth.
type Config struct {
	// Endpoint is the base host that minted keys and tokens carry: no scheme,
	// no service's prefix. Needed: an SDK refuses a token without it.
	Endpoint string
	// Node is this node's name, for the record of acts.
	Node string
	// Version and Commit are what Admin.Version answers.
	Version, Commit string
	// Heartbeat is how long a subscription is quiet before a heartbeat goes
	// out; 0 = DefaultHeartbeat.
	Heartbeat time.Duration
	// Stall is how long a subscription's client may read nothing while
	// something waits for it; 0 = DefaultStall.
	Stall time.Duration
	// DrainSpread is the time over which Drain ends the streams, so that not
	// all clients come back at once; 0 = DefaultDrainSpread.
	DrainSpread time.Duration
	// Limits are the product limits; a zero field means its default.
	Limits Limits
	// CheckWebhookURL says why a webhook may not post to a URL, in words for
	// whoever wants it to; nil allows every URL.
	CheckWebhookURL func(url string) error
	// Meter returns what is told about the calls of a method, whose full name
	// this is. It is asked once for each method; nil counts nothing.
	Meter func(method string, stream bool) Meter
	// Room is what messages on their way and answers that are not read share, in
	// bytes; see NewRoom. nil is one of its own.
	Room *share.Pool
	// Other serves requests over HTTP/2 that are not gRPC; nil refuses them.
	Other http.Handler
	// Lookup is told about every question about an item whether the item was there.
	// Many goroutines call it, so it must be quick; nil counts nothing.
	Lookup func(found bool)
	// Book counts what clients use of their limits; nil makes one of this server's
	// own, of a node that shares no limit with others.
	Book *quota.Book
	// Refused is told of every call that was refused because of a limit: its name, and
	// the cache, empty for a call that is about none. Many goroutines call it; nil
	// counts nothing.
	Refused func(limit, cache string)
	// Usage counts what is used of caches and topics; nil counts nothing.
	Usage *metering.Meter
	// Prices are what usage would cost.
	Prices metering.Prices
	// Faults makes calls fail on purpose; nil lets them all be.
	Faults Faults
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Meter is told about every call of one method, by many goroutines at once, so it
// must be quick. For every Begin there will be one End.
type Meter interface {
	Begin()
	End(code codes.Code, took time.Duration)
}

// noMeter counts nothing.
type noMeter struct{}

func (noMeter) Begin()                        {}
func (noMeter) End(codes.Code, time.Duration) {}

// Defaults of Config. SDK tests want a heartbeat within ten seconds, and five
// also keep idle proxies awake (protocol.md 5.3).
const (
	DefaultHeartbeat   = 5 * time.Second
	DefaultStall       = 30 * time.Second
	DefaultDrainSpread = 2 * time.Second
)

// Ports are the parts of the node that a Server translates for. All but Cluster,
// Usage and Memory are needed.
type Ports struct {
	Data        Data
	Topics      Topics
	Caches      Caches
	Credentials Credentials
	SigningKeys SigningKeys
	Audit       Audit
	Webhooks    Webhooks
	// Memory may be nil; nothing is said of the memory of caches then.
	Memory Memory
	Gate   *auth.Gate
	Minter *auth.Minter
	// Cluster is nil for a node that is part of none; operators are then told so.
	Cluster Cluster
	// Usage is nil for a node that keeps none, likewise.
	Usage Usage
}

// withDefaults fills in the zero fields and checks the others.
func (c Config) withDefaults() (_ Config, err error) {
	if c.Limits, err = c.Limits.withDefaults(); err != nil {
		return c, fmt.Errorf("api: %w", err)
	}
	c.Heartbeat = cmp.Or(c.Heartbeat, DefaultHeartbeat)
	c.Stall = cmp.Or(c.Stall, DefaultStall)
	c.DrainSpread = cmp.Or(c.DrainSpread, DefaultDrainSpread)
	if c.Room == nil {
		c.Room = NewRoom(c.Limits)
	}
	if c.Meter == nil {
		c.Meter = func(string, bool) Meter { return noMeter{} }
	}
	if c.Book == nil {
		c.Book = quota.NewBook()
	}
	if c.Refused == nil {
		c.Refused = func(string, string) {}
	}
	if c.CheckWebhookURL == nil {
		c.CheckWebhookURL = func(string) error { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Endpoint == "":
		return c, errors.New("api: the endpoint is empty, SDKs refuse tokens without one")
	case c.Heartbeat < 0, c.Stall < 0, c.DrainSpread < 0:
		return c, errors.New("api: heartbeat, stall and drain spread must not be negative")
	}
	return c, nil
}

// check names the port that is missing.
func (p *Ports) check() error {
	switch {
	case p.Data == nil:
		return errors.New("api: no data plane")
	case p.Topics == nil:
		return errors.New("api: no topic plane")
	case p.Caches == nil:
		return errors.New("api: no catalog of caches")
	case p.Credentials == nil:
		return errors.New("api: no catalog of API keys")
	case p.SigningKeys == nil:
		return errors.New("api: no catalog of signing keys")
	case p.Audit == nil:
		return errors.New("api: no record of acts")
	case p.Webhooks == nil:
		return errors.New("api: no catalog of webhooks")
	case p.Gate == nil || p.Minter == nil:
		return errors.New("api: no gate or no minter of credentials")
	}
	return nil
}
