package certify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
)

// LetsEncrypt is the directory of the ACME server that is used when nobody names
// another one.
const LetsEncrypt = acme.LetsEncryptURL

// Bounds of orders.
const (
	// MaxNames bounds the names of one certificate; ACME servers allow 100 or so.
	MaxNames = 32
	// orderTime bounds one order: a server that looks from several places takes
	// up to a minute for it.
	orderTime = 5 * time.Minute
	// firstRetry, and three times as long each time until lastRetry, is waited
	// after an order that failed. Let's Encrypt shuts out for an hour who fails
	// five times within one.
	firstRetry = time.Minute
	lastRetry  = time.Hour
	// lookAgain bounds how long the clock is not looked at.
	lookAgain = time.Hour
)

// Shelf is what the nodes of a cluster share.
type Shelf interface {
	// Deposit returns what is kept under a name, as far as this node knows, nil
	// for nothing. It must not be changed.
	Deposit(name string) []byte
	// PutDeposit keeps something for all nodes, in place of what was kept before.
	PutDeposit(ctx context.Context, name string, content []byte) error
	// CatchUp returns once this node knows all that was kept before the call.
	CatchUp(ctx context.Context) error
	// Changed returns a channel that is closed when there may be news.
	Changed() <-chan struct{}
	// Leading reports whether it is for this node to order, and a channel that is
	// closed when that has changed; nil when it cannot change for now.
	Leading() (leading bool, changed <-chan struct{})
}

// Config is what a Keeper is told at birth.
type Config struct {
	// Names are what the certificate is to cover, 1 to MaxNames. Needed.
	Names []string
	// Email is where the ACME server may write to; empty gives none.
	Email string
	// Directory is the URL of the ACME server's directory; empty is LetsEncrypt.
	Directory string
	// Shelf is what the nodes share. Needed.
	Shelf Shelf
	// Agent says who asks, in requests.
	Agent string
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Keeper keeps a certificate fresh.
type Keeper struct {
	config Config
	client *http.Client
	order  func(context.Context) error // replaced by tests

	mu         sync.RWMutex
	record     string // what current was made of
	current    *tls.Certificate
	proofs     string // what challenges were made of
	challenges map[string]*tls.Certificate
}

// New makes a Keeper. It fails when something needed is missing.
func New(config Config) (*Keeper, error) {
	if config.Shelf == nil || len(config.Names) == 0 || len(config.Names) > MaxNames {
		return nil, fmt.Errorf("certify: want a shelf and 1 to %d names, not %d", MaxNames, len(config.Names))
	}
	if config.Directory == "" {
		config.Directory = LetsEncrypt
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	config.Names = slices.Clone(config.Names)
	for i, name := range config.Names {
		config.Names[i] = strings.ToLower(name)
	}
	slices.Sort(config.Names)
	k := &Keeper{config: config, client: &http.Client{Timeout: time.Minute}}
	k.order = k.orderOne
	return k, nil
}

// Certificate is the certificate of the moment, nil as long as there is none.
func (k *Keeper) Certificate() *tls.Certificate {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.current
}

// Challenge is what an ACME server is to be shown that asks for proof that a name
// leads here. It fails when no proof is wanted of that name.
func (k *Keeper) Challenge(ctx context.Context, name string) (*tls.Certificate, error) {
	name = strings.ToLower(name)
	if !slices.Contains(k.config.Names, name) {
		return nil, fmt.Errorf("certify: no certificate is wanted for %q", name)
	}
	if proof := k.proof(name); proof != nil {
		return proof, nil
	}
	// The node that orders has put it on the shelf a moment ago.
	if err := k.config.Shelf.CatchUp(ctx); err != nil {
		return nil, err
	}
	if proof := k.proof(name); proof != nil {
		return proof, nil
	}
	return nil, fmt.Errorf("certify: no order is under way for %q", name)
}

// proof is the challenge's answer for a name, as far as this node knows.
func (k *Keeper) proof(name string) *tls.Certificate {
	kept := k.config.Shelf.Deposit(challengesName)
	k.mu.Lock()
	defer k.mu.Unlock()
	if string(kept) != k.proofs {
		k.proofs, k.challenges = string(kept), nil
		if made, err := decodeChallenges(kept); err == nil {
			k.challenges = made
		} else {
			k.config.Logger.Error("what proves the names to the ACME server cannot be read", slog.Any("err", err))
		}
	}
	return k.challenges[name]
}

// Run takes up certificates that are on the shelf, and orders new ones while this
// node leads, until ctx is done.
func (k *Keeper) Run(ctx context.Context) {
	var retry time.Duration
	var notBefore time.Time
	for {
		news := k.config.Shelf.Changed()
		leading, moved := k.config.Shelf.Leading()
		k.take()
		now := time.Now()
		wait := lookAgain
		if due := k.due(now); leading && due <= 0 {
			if wait = notBefore.Sub(now); wait <= 0 {
				if retry = k.try(ctx, retry); retry == 0 {
					continue
				}
				notBefore = time.Now().Add(retry)
				wait = retry
			}
		} else if leading {
			wait = min(due, lookAgain)
		}
		timer := time.NewTimer(wait)
		select {
		case <-news:
		case <-moved:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// try orders, and returns how long to wait before the next try; 0 when there need
// be none.
func (k *Keeper) try(ctx context.Context, before time.Duration) (retry time.Duration) {
	bounded, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	// The leader before may have ordered a moment ago.
	err := k.config.Shelf.CatchUp(bounded)
	if k.take(); err == nil && k.due(time.Now()) > 0 {
		return 0
	}
	if err == nil {
		k.config.Logger.Info("ordering a TLS certificate", slog.String("from", k.config.Directory), slog.Any("names", k.config.Names))
		err = k.order(bounded)
	}
	if err == nil {
		return 0
	}
	retry = min(max(3*before, firstRetry), lastRetry)
	if ctx.Err() == nil {
		k.config.Logger.Error("no TLS certificate was ordered; the one in use stays, if there is one",
			slog.Any("err", err), slog.Duration("retry", retry))
	}
	return retry
}

// due is how long there is until a certificate is to be ordered, not above 0 when
// that is now.
func (k *Keeper) due(now time.Time) time.Duration {
	current := k.Certificate()
	if current == nil {
		return 0
	}
	for _, name := range k.config.Names {
		if current.Leaf.VerifyHostname(name) != nil {
			return 0
		}
	}
	life := current.Leaf.NotAfter.Sub(current.Leaf.NotBefore)
	return current.Leaf.NotAfter.Add(-life / 3).Sub(now)
}

// take puts the certificate on the shelf into use, if it is another one.
func (k *Keeper) take() {
	kept := k.config.Shelf.Deposit(certificateName)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(kept) == 0 || string(kept) == k.record {
		return
	}
	k.record = string(kept)
	made, err := decodePair(kept)
	if err != nil {
		k.config.Logger.Error("the TLS certificate that the cluster keeps cannot be read", slog.Any("err", err))
		return
	}
	k.current = made
	k.config.Logger.Info("TLS certificate in use", slog.Any("names", made.Leaf.DNSNames),
		slog.Time("begins", made.Leaf.NotBefore), slog.Time("ends", made.Leaf.NotAfter))
}

// errNoOffer is an ACME server that asks for proof in other ways alone.
var errNoOffer = errors.New("the ACME server does not offer tls-alpn-01, the one way in which the client port can prove a name")
