package auth

import (
	"crypto/sha256"
	"sync"
)

// verified remembers which texts proved what. Only good texts get in, so
// nobody without a credential can fill it, and no text can be read back from
// it: it is known by its SHA-256.
//
// Each shard is two generations: when the young one is full it becomes the
// old one, and what the old one held is forgotten unless it was asked for since.
type verified struct {
	shards [shardCount]shard
	// limit is the size of one generation of one shard.
	limit int
}

// shardCount keeps callers on many cores out of each other's way.
const shardCount = 16

type textDigest [sha256.Size]byte

type shard struct {
	mu         sync.RWMutex
	young, old map[textDigest]proof // guarded by mu
}

// proof is what a text was good for.
type proof struct {
	// revision of the keys at the time. Under another one the text is verified
	// again.
	revision uint64
	// caller has no other owner that could change it.
	caller *Principal
}

// digest does without an allocation for texts of the usual length.
func digest(text string) textDigest {
	var short [1 << 10]byte
	if len(text) <= len(short) {
		return sha256.Sum256(short[:copy(short[:], text)])
	}
	return sha256.Sum256([]byte(text))
}

func newVerified(size int) *verified {
	return &verified{limit: max(size/(2*shardCount), 1)}
}

func (v *verified) shard(id textDigest) *shard { return &v.shards[id[0]%shardCount] }

// get returns what the text proved under that revision.
func (v *verified) get(id textDigest, revision uint64) (Principal, bool) {
	s := v.shard(id)
	s.mu.RLock()
	p, young := s.young[id]
	if !young {
		p = s.old[id]
	}
	s.mu.RUnlock()
	if p.caller == nil || p.revision != revision {
		return Principal{}, false
	}
	if !young {
		v.put(id, revision, *p.caller)
	}
	return *p.caller, true
}

// put remembers what the text proved under that revision.
func (v *verified) put(id textDigest, revision uint64, p Principal) {
	s := v.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.young[id]; !there && len(s.young) >= v.limit {
		s.old, s.young = s.young, nil
	}
	if s.young == nil {
		s.young = make(map[textDigest]proof)
	}
	delete(s.old, id)
	s.young[id] = proof{revision: revision, caller: &p}
}

// drop forgets the text.
func (v *verified) drop(id textDigest) {
	s := v.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.young, id)
	delete(s.old, id)
}

// size is how many texts are remembered.
func (v *verified) size() int {
	n := 0
	for i := range v.shards {
		s := &v.shards[i]
		s.mu.RLock()
		n += len(s.young) + len(s.old)
		s.mu.RUnlock()
	}
	return n
}
