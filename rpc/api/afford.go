package api

import (
	"google.golang.org/protobuf/proto"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/quota"
)

// maxBills is how many subjects bound one call: the node, an API key, a token and a
// cache.
const maxBills = 4

// bill is what a call takes from one account.
type bill struct {
	account         *quota.Account
	limits, amounts quota.Rates
	scope           scope
}

// debts are the accounts that the answer of a call will be charged to, with their
// limits in bytes per second.
type debts struct {
	of [maxBills]struct {
		account *quota.Account
		limit   float64
	}
	n int
}

// scope says of whom a limit is, in words that go into a refusal.
type scope string

const (
	ofNode  scope = "on this node"
	ofKey   scope = "with this API key"
	ofToken scope = "with this token"
	ofCache scope = "in this cache"
)

// afford takes what the call asks for from every rate that bounds it, or refuses it
// before any work is done.
func (c *call) afford(message any) error {
	if c.method.need == subscribe {
		return nil // is bounded by places
	}
	node, key, token, cache := c.bounds.node, ratesOf(c.who.Limits), c.bounds.token, c.cacheRates()
	if c.who.Kind != auth.KindToken {
		token = quota.Rates{}
	}
	if node.None() && key.None() && token.None() && cache.None() {
		return nil
	}
	asks := quota.Rates{quota.Operations: operations(message), quota.Bytes: float64(c.request.size)}
	of := asks // publishes have a rate of their own in a cache
	if c.method.need == publish {
		of[quota.Operations], of[quota.Publishes] = 0, asks[quota.Operations]
	}
	var paid [maxBills]bill
	n := 0
	pay := func(sort quota.Sort, name string, b bill) error {
		if b.limits.None() {
			return nil
		}
		if b.account = c.door.book.Account(quota.Subject{Sort: sort, Name: name}); b.account == nil {
			return nil
		}
		lacking, ok := b.account.Spend(c.began, &b.limits, &b.amounts)
		if ok {
			paid[n] = b
			n++
			return nil
		}
		for _, p := range paid[:n] { // have their share back
			p.account.Return(&p.limits, &p.amounts)
		}
		return tooFast(lacking, b.limits[lacking], b.scope)
	}
	if err := pay(quota.Node, "", bill{nil, node, asks, ofNode}); err != nil {
		return err
	}
	if err := pay(quota.Key, c.who.Account, bill{nil, key, asks, ofKey}); err != nil {
		return err
	}
	if err := pay(quota.Token, c.who.ID, bill{nil, token, asks, ofToken}); err != nil {
		return err
	}
	if err := pay(quota.Cache, c.cache.GetName(), bill{nil, cache, of, ofCache}); err != nil {
		return err
	}
	for _, p := range paid[:n] {
		if limit := p.limits[quota.Bytes]; limit != 0 {
			c.debts.of[c.debts.n].account, c.debts.of[c.debts.n].limit = p.account, limit
			c.debts.n++
		}
	}
	return nil
}

// owe charges the answer of a call that was let in. One that was encoded to be counted
// is not walked again for its size.
func (c *call) owe(answer any) {
	if c.debts.n == 0 {
		return
	}
	size := int(c.use.answered)
	if message, ok := answer.(proto.Message); ok {
		size = proto.Size(message)
	}
	for _, d := range c.debts.of[:c.debts.n] {
		d.account.Owe(c.began, d.limit, size)
	}
}

// operations is how many a request asks for: one for each key that it names.
func operations(message any) float64 {
	switch m := message.(type) {
	case *cachepb.GetBatchRequest:
		return float64(max(1, len(m.GetItems())))
	case *cachepb.SetBatchRequest:
		return float64(max(1, len(m.GetItems())))
	case *cachepb.KeysExistRequest:
		return float64(max(1, len(m.GetCacheKeys())))
	default:
		return 1
	}
}

// cacheRates are the rates of the call's cache: its own where it has some, those of
// all caches otherwise.
func (c *call) cacheRates() quota.Rates {
	own, all := c.cache.GetLimits(), c.bounds
	return quota.Rates{
		quota.Operations: orDefault(own.GetMaxTrafficRate(), 1, all.Operations),
		quota.Publishes:  orDefault(own.GetMaxPublishRate(), 1, all.Publishes),
		quota.Bytes:      orDefault(own.GetMaxThroughputKbps(), 1<<10, all.Throughput),
	}
}

// orDefault is an own limit in units, or the one that holds without.
func orDefault(own uint32, unit float64, otherwise int) float64 {
	if own != 0 {
		return float64(own) * unit
	}
	return float64(otherwise)
}

// rates are the limits of what is counted by the second.
func (s Allowance) rates() quota.Rates {
	return quota.Rates{quota.Operations: float64(s.Operations), quota.Bytes: float64(s.Throughput)}
}

func ratesOf(l auth.Limits) quota.Rates {
	return quota.Rates{quota.Operations: float64(l.Operations), quota.Bytes: float64(l.ThroughputKiB) * (1 << 10)}
}

// seats are the places that a subscription takes, at most one of each subject.
type seats struct {
	of [maxBills + 1]*quota.Account
	n  int
}

// sit takes a place among the subscriptions of everybody whose places are counted,
// or none.
func (c *call) sit() (*seats, error) {
	all := new(seats)
	for _, s := range [...]struct {
		subject quota.Subject
		limit   int
		scope   scope
	}{
		{quota.Subject{Sort: quota.Node}, c.bounds.Node.Subscriptions, ofNode},
		{quota.Subject{Sort: quota.Key, Name: c.who.Account}, int(c.who.Limits.Subscriptions), ofKey},
		{quota.Subject{Sort: quota.Token, Name: c.tokenID()}, c.bounds.Token.Subscriptions, ofToken},
		{quota.Subject{Sort: quota.CacheHere, Name: c.cache.GetName()}, c.bounds.Subscriptions, ofCache},
		{quota.Subject{Sort: quota.Cache, Name: c.cache.GetName()}, int(c.cache.GetLimits().GetMaxSubscriptionCount()), ofCache},
	} {
		if s.limit == 0 || s.subject.Name == "" && s.subject.Sort != quota.Node {
			continue
		}
		account := c.door.book.Subscribe(c.began, s.subject, s.limit)
		if account == nil {
			all.leave()
			return nil, tooManySubscriptions(s.limit, s.scope)
		}
		all.of[all.n] = account
		all.n++
	}
	return all, nil
}

// leave gives the places back.
func (all *seats) leave() {
	for _, account := range all.of[:all.n] {
		account.Leave()
	}
	all.n = 0
}

// tokenID names the token of the caller, "" for one who has none.
func (c *call) tokenID() string {
	if c.who.Kind != auth.KindToken {
		return ""
	}
	return c.who.ID
}
