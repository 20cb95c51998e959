package quota

import (
	"sync"
	"sync/atomic"
	"time"
)

// Sort says what a subject is.
type Sort uint8

// The sorts of subjects.
const (
	// Cache is a cache, by its name. All nodes share its limits.
	Cache Sort = iota + 1
	// Key is an API key with all keys that were made of it by refreshing or rotating, by
	// the id of the first, and all tokens that were minted with them. All nodes share
	// its limits.
	Key
	// Token is one disposable token, by its id. Its limits are each node's own.
	Token
	// Node is this node. Its limits are its own.
	Node
	// CacheHere is what a cache has on this node, whatever it has on others.
	CacheHere
)

// shared reports whether all nodes share the limits of the sort.
func (s Sort) shared() bool { return s == Cache || s == Key }

// Subject is who an account is of.
type Subject struct {
	Sort Sort
	Name string
}

// maxTokens bounds the accounts of tokens, of which clients can make any number. Those
// beyond are bounded by the limits of their key alone.
const maxTokens = 1 << 17

// Book keeps the accounts of a node. It is safe for concurrent use; make it with
// NewBook.
type Book struct {
	latest atomic.Pointer[round] // for what all nodes share
	own    atomic.Pointer[round] // for what is this node's own

	mu       sync.RWMutex
	accounts map[Subject]*Account
	tokens   int

	// Items of caches whose keys are limited: those that this node leads, and those
	// that the others do.
	led, elsewhere atomic.Pointer[map[string]uint64]
	elsewhereMu    sync.Mutex
	told           map[string]*ledKeys // by node
}

// NewBook makes a Book without accounts, of a node that has all of every limit.
func NewBook() *Book {
	b := &Book{accounts: make(map[Subject]*Account), told: make(map[string]*ledKeys)}
	b.led.Store(new(map[string]uint64))
	b.elsewhere.Store(new(map[string]uint64))
	b.latest.Store(alone)
	b.own.Store(alone)
	return b
}

// Account returns the account of a subject. It is nil for a token while there are
// too many of them.
func (b *Book) Account(s Subject) *Account {
	b.mu.RLock()
	a := b.accounts[s]
	b.mu.RUnlock()
	if a != nil {
		return a
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.accounts[s]; a != nil {
		return a
	}
	if s.Sort == Token {
		if b.tokens >= maxTokens {
			return nil
		}
		b.tokens++
	}
	a = &Account{subject: s, latest: &b.own}
	if s.Sort.shared() {
		a.latest = &b.latest
	}
	b.accounts[s] = a
	return a
}

// Subscribe takes a place among the subscriptions of a subject, of which the cluster
// may have as many as the limit. When there is none it returns nil; otherwise the
// account, whose Leave gives the place back.
func (b *Book) Subscribe(now time.Time, s Subject, limit int) *Account {
	for {
		a := b.Account(s)
		if a == nil {
			return nil
		}
		if ok, known := a.enter(now, limit); ok {
			return a
		} else if known {
			return nil
		}
	}
}

// Tidy forgets the accounts that nobody has used for a while.
func (b *Book) Tidy(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s, a := range b.accounts {
		if !a.retire(now) {
			continue
		}
		delete(b.accounts, s)
		if s.Sort == Token {
			b.tokens--
		}
	}
}
