package vend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// How keys are kept.
const (
	// freshFor is how long keys are used before they are looked at again, which is
	// also how long a key that was taken back is still good.
	freshFor = 15 * time.Minute
	// keepFor is how long keys are used when their issuer cannot be reached.
	keepFor = 24 * time.Hour
	// fetchPause is the time between two attempts, whatever callers send.
	fetchPause = 10 * time.Second
	// fetchTime bounds one attempt.
	fetchTime = 5 * time.Second
)

// keySet is the keys of an issuer. They are fetched by the call that first needs
// them; others that need them wait for it.
type keySet struct {
	issuer Issuer
	client *http.Client
	turn   chan struct{} // holds one: who has it may fetch

	mu      sync.Mutex
	keys    []publicKey
	fetched time.Time // when keys were got
	tried   time.Time // when they were last asked for
}

func newKeySet(issuer Issuer, client *http.Client) *keySet {
	s := &keySet{issuer: issuer, client: client, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// find returns the keys that may have signed with that key id and algorithm; an
// empty id fits the only key that there is. It fails with ErrUnavailable when the
// keys are not known and cannot be got.
func (s *keySet) find(ctx context.Context, id, algorithm string) ([]publicKey, error) {
	keys, settled := s.look(id, algorithm)
	if settled {
		return keys, nil
	}
	select {
	case <-s.turn:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: the keys of the issuer take too long", ErrUnavailable)
	}
	defer func() { s.turn <- struct{}{} }()
	if keys, settled := s.look(id, algorithm); settled { // somebody else was faster
		return keys, nil
	}
	err := s.refresh(ctx)
	keys, _ = s.look(id, algorithm)
	if len(keys) == 0 && err != nil {
		return nil, err
	}
	return keys, nil
}

// look returns what is known, and whether that is all there is to know now.
func (s *keySet) look(id, algorithm string) (fit []publicKey, settled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.fetched) > keepFor {
		s.keys = nil
	}
	for _, k := range s.keys {
		named := k.id == id && id != "" || id == "" && len(s.keys) == 1
		if named && (k.algorithm == "" || k.algorithm == algorithm) {
			fit = append(fit, k)
		}
	}
	if len(fit) > 0 && now.Sub(s.fetched) < freshFor {
		return fit, true
	}
	// Nothing that callers send makes the issuer be asked more often than this.
	// Without any keys there is nothing to be answered either.
	return fit, len(s.keys) > 0 && now.Sub(s.tried) < fetchPause
}

// refresh fetches the keys. It is called by whoever has the turn, and goes on when
// that caller leaves: others wait for the same.
func (s *keySet) refresh(ctx context.Context) error {
	s.mu.Lock()
	wait := fetchPause - time.Since(s.tried)
	if wait <= 0 {
		s.tried = time.Now()
	}
	s.mu.Unlock()
	if wait > 0 {
		return fmt.Errorf("%w: the keys of the issuer could not be got, try again in %d s", ErrUnavailable, int(wait.Seconds())+1)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
	defer cancel()
	keys, err := s.fetch(ctx)
	if err != nil {
		return fmt.Errorf("%w: the keys of the issuer: %w", ErrUnavailable, err)
	}
	s.mu.Lock()
	s.keys, s.fetched = keys, time.Now()
	s.mu.Unlock()
	return nil
}

func (s *keySet) fetch(ctx context.Context) ([]publicKey, error) {
	from := s.issuer.KeysURL
	if from == "" {
		var err error
		if from, err = s.discover(ctx); err != nil {
			return nil, err
		}
	}
	document, err := s.get(ctx, from)
	if err != nil {
		return nil, err
	}
	return readKeys(document)
}

// discover asks the issuer where its keys are (OpenID Connect Discovery 1.0, 4).
func (s *keySet) discover(ctx context.Context) (string, error) {
	document, err := s.get(ctx, strings.TrimSuffix(s.issuer.URL, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var about struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(document, &about); err != nil {
		return "", errors.New("its discovery document is not JSON")
	}
	if about.Issuer != s.issuer.URL {
		return "", fmt.Errorf("its discovery document is that of %q, the setting says %q", about.Issuer, s.issuer.URL)
	}
	if err := checkURL(about.Keys); err != nil {
		return "", fmt.Errorf("its discovery document: jwks_uri: %w", err)
	}
	return about.Keys, nil
}

func (s *keySet) get(ctx context.Context, from string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", from, answer.Status)
	}
	document, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(document) > maxDocument {
		return nil, fmt.Errorf("%s answers with more than %d bytes", from, maxDocument)
	}
	return document, nil
}
