package store

import (
	"fmt"
	"io"

	"github.com/tidwall/btree"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

const (
	catalogMagic = "MAYFLYC\n"
	// catalogVersion is raised with every addition to the snapshot. One that needs
	// nothing new keeps its old version, as commands do.
	catalogVersion = 3
	// Bounds of the one record of a catalog snapshot: all caches, keys and
	// remembered answers at their largest.
	maxCatalogBytes  = 256 << 20
	maxCatalogFields = 4 << 20
)

// CatalogSnapshot is a catalog as it was at one moment. It never changes and
// needs no lock.
type CatalogSnapshot struct {
	clock, generation uint64
	secured           bool

	caches      *btree.Map[string, *CacheRecord]
	signingKeys *btree.Map[string, *SigningKey]
	apiKeys     *btree.Map[string, *APIKey]
	denials     *btree.Map[string, *TokenDenial]
	webhooks    *btree.Map[string, *Webhook]
	acts        acts
	deposits    *btree.Map[string, *Deposit]
	gateways    []*gateway[*CatalogResult]
}

// Snapshot freezes the catalog; see [Machine.Snapshot].
func (c *Catalog) Snapshot() *CatalogSnapshot {
	return &CatalogSnapshot{
		clock: c.clock, generation: c.generation, secured: c.secured,
		caches:      c.caches.Copy(),
		signingKeys: c.signingKeys.Copy(),
		apiKeys:     c.apiKeys.Copy(),
		denials:     c.denials.Copy(),
		webhooks:    c.webhooks.Copy(),
		acts:        c.acts.copy(),
		deposits:    c.deposits.Copy(),
		gateways:    c.requests.freeze(),
	}
}

// WriteTo writes the snapshot; see [Snapshot.WriteTo]. The bytes hold the
// secrets of the signing keys, of the webhooks and of the deposits.
func (s *CatalogSnapshot) WriteTo(w io.Writer) (int64, error) {
	f, err := newFrameWriter(w, catalogMagic)
	if err == nil {
		err = f.record(s.message())
	}
	if err == nil {
		err = f.w.Flush()
	}
	if err != nil {
		return f.n, fmt.Errorf("store: write catalog snapshot: %w", err)
	}
	return f.n, nil
}

func (s *CatalogSnapshot) message() *storev1.CatalogSnapshot {
	m := &storev1.CatalogSnapshot{
		Version: s.version(), ClockMs: s.clock, LastGeneration: s.generation, Secured: s.secured,
		Caches: s.caches.Values(), SigningKeys: s.signingKeys.Values(), ApiKeys: s.apiKeys.Values(),
		Webhooks: s.webhooks.Values(), Denials: s.denials.Values(), Acts: s.acts.all(0), LastAct: s.acts.last,
		Deposits: s.deposits.Values(),
	}
	for _, g := range s.gateways {
		m.Requests = append(m.Requests, &storev1.SnapshotRecord_Requests{
			Gateway: g.id[:], DoneBelow: g.mark, LastSeenMs: g.seen,
		})
		for _, a := range g.answers.live() {
			m.Answers = append(m.Answers, &storev1.CatalogSnapshot_CatalogAnswer{
				Gateway: g.id[:], Sequence: a.sequence, Result: a.result,
			})
		}
	}
	return m
}

// version is the one that first knew all of the snapshot.
func (s *CatalogSnapshot) version() uint32 {
	if s.needsThree() {
		return 3
	}
	for _, g := range s.gateways {
		for _, a := range g.answers.live() {
			if a.result.GetSecret() != "" {
				return 2
			}
		}
	}
	if s.webhooks.Len() > 0 {
		return 2
	}
	return 1
}

// needsThree tells whether the snapshot holds what version 3 brought.
func (s *CatalogSnapshot) needsThree() bool {
	if s.acts.last > 0 || s.denials.Len() > 0 || s.deposits.Len() > 0 {
		return true
	}
	for _, record := range s.caches.Values() {
		if limitsVersion(record.GetLimits()) == 3 {
			return true
		}
	}
	for _, key := range s.signingKeys.Values() {
		if key.GetUsedFromMs() != 0 || key.GetEndsAtMs() != 0 {
			return true
		}
	}
	for _, key := range s.apiKeys.Values() {
		if apiKeyVersion(key) == 3 {
			return true
		}
	}
	for _, w := range s.webhooks.Values() {
		if webhookVersion(w) == 3 {
			return true
		}
	}
	return false
}

// Restore replaces the catalog by the one a snapshot was written from; see
// [Machine.Restore].
func (c *Catalog) Restore(r io.Reader) error {
	f, err := newFrameReader(r, catalogMagic, maxCatalogBytes, maxCatalogFields)
	if err != nil {
		return err
	}
	message := new(storev1.CatalogSnapshot)
	if err := f.record(message); err != nil {
		return err
	}
	if err := f.end(); err != nil {
		return err
	}
	if v := message.GetVersion(); v > catalogVersion {
		return fmt.Errorf("%w: snapshot version %d, this node knows up to %d", ErrVersion, v, catalogVersion)
	}
	restored := NewCatalog()
	if bad := restored.load(message); bad != "" {
		return malformed(bad)
	}
	restored.revision, restored.credentials = c.revision+1, c.credentials+1
	*c = *restored
	return nil
}

// load fills an empty catalog and says what is wrong with the message.
func (c *Catalog) load(m *storev1.CatalogSnapshot) string {
	if m.GetVersion() == 0 || m.GetClockMs() > MaxClockMs || m.GetLastGeneration() > maxSequence {
		return "the version, the clock or the generation is out of range"
	}
	c.clock, c.generation, c.secured = m.GetClockMs(), m.GetLastGeneration(), m.GetSecured()
	for _, rec := range m.GetCaches() {
		if !validName(rec.GetName()) || rec.GetLimits() == nil || rec.GetGeneration() == 0 || rec.GetGeneration() > c.generation {
			return "a cache without a proper name, generation or limits"
		}
		if bad := checkLimits(rec.GetLimits()); bad != "" {
			return bad
		}
		if uint32(limitsVersion(rec.GetLimits())) > m.GetVersion() {
			return "settings of a cache that the version does not know"
		}
		c.caches.Set(rec.GetName(), rec)
	}
	if bad := c.loadCredentials(m); bad != "" {
		return bad
	}
	if bad := c.checkCounts(m); bad != "" {
		return bad
	}
	if bad := c.loadWebhooks(m); bad != "" {
		return bad
	}
	if bad := c.loadActs(m); bad != "" {
		return bad
	}
	if bad := c.loadDeposits(m.GetVersion(), m.GetDeposits()); bad != "" {
		return bad
	}
	return c.loadRequests(m)
}

func (c *Catalog) checkCounts(m *storev1.CatalogSnapshot) string {
	switch {
	case c.caches.Len() != len(m.GetCaches()), c.signingKeys.Len() != len(m.GetSigningKeys()), c.apiKeys.Len() != len(m.GetApiKeys()):
		return "a name or an id comes twice"
	case c.caches.Len() > MaxCaches, c.signingKeys.Len() > MaxSigningKeys, c.apiKeys.Len() > MaxAPIKeys:
		return "more caches or keys than allowed"
	case c.apiKeys.Len() > 0 && !c.secured:
		return "API keys in a catalog that says it never had one"
	}
	return ""
}

func (c *Catalog) loadRequests(m *storev1.CatalogSnapshot) string {
	answers := m.GetAnswers()
	for _, rec := range m.GetRequests() {
		if len(rec.GetAnswers()) > 0 {
			return "a data answer in the catalog"
		}
		var results []*CatalogResult
		for len(answers) > 0 && string(answers[0].GetGateway()) == string(rec.GetGateway()) {
			if answers[0].GetResult() == nil {
				return "an answer without a result"
			}
			rec.Answers = append(rec.Answers, &storev1.SnapshotRecord_Requests_Answer{Sequence: answers[0].GetSequence()})
			results = append(results, answers[0].GetResult())
			answers = answers[1:]
		}
		if bad := restoreGateway(c.requests, c.clock, rec, func(i int) *CatalogResult { return results[i] }); bad != "" {
			return bad
		}
	}
	if len(answers) > 0 {
		return "an answer without its gateway"
	}
	return ""
}
