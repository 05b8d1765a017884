package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	cacheShards = 16
	// maxCachedToken keeps the cache within some 40 MiB at its default size: longer
	// tokens are rare and are verified each time.
	maxCachedToken = 4 << 10
	// signatures are remembered of so many times as many tokens: 20 MiB at most by default.
	signatures = 16
)

type tokenHash [sha256.Size]byte

// cache remembers verified tokens by their hash, so that no token is kept. Refused
// tokens are not remembered: they would push out the good ones.
//
// A Verifier has two. The small one holds what tokens say; the other holds of many more only
// that their signature was good, which is what costs, so that their payload is read again.
//
// Each shard is a clock (second chance) of fixed size: a hit sets a flag, and the
// hand takes the first slot whose flag it finds unset.
type cache struct {
	shards []shard
}

type shard struct {
	mu    sync.Mutex
	index map[tokenHash]int
	slots []slot
	size  int
	hand  int
}

type slot struct {
	hash     tokenHash
	identity *Identity // nil where only the signature is remembered
	until    time.Time
	keys     *keySource
	version  uint64
	used     bool
}

// newCache returns a cache of at most size tokens; nil, which holds none, if size is
// not positive.
func newCache(size int) *cache {
	if size <= 0 {
		return nil
	}
	c := &cache{shards: make([]shard, min(cacheShards, size))}
	for i := range c.shards {
		c.shards[i].size = size / len(c.shards)
		c.shards[i].index = map[tokenHash]int{}
	}
	return c
}

func (c *cache) shard(h tokenHash) *shard {
	return &c.shards[int(h[0])%len(c.shards)]
}

// get returns what is known of a token that was verified with the keys of now.
func (c *cache) get(h tokenHash, now time.Time) (slot, bool) {
	if c == nil {
		return slot{}, false
	}
	s := c.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[h]
	if !ok {
		return slot{}, false
	}
	e := &s.slots[i]
	if !now.Before(e.until) || e.version != e.keys.version() {
		delete(s.index, h)
		*e = slot{}
		return slot{}, false
	}
	e.used = true
	return *e, true
}

func (c *cache) put(e slot) {
	if c == nil {
		return
	}
	s := c.shard(e.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[e.hash]
	if !ok {
		i = s.free()
		s.index[e.hash] = i
	}
	s.slots[i] = e
}

// free returns a slot to write to, after forgetting the token that was there.
func (s *shard) free() int {
	if len(s.slots) < s.size {
		s.slots = append(s.slots, slot{})
		return len(s.slots) - 1
	}
	for s.slots[s.hand].used {
		s.slots[s.hand].used = false
		s.hand = (s.hand + 1) % s.size
	}
	i := s.hand
	s.hand = (s.hand + 1) % s.size
	// A slot emptied by get has no entry in the index any more.
	delete(s.index, s.slots[i].hash)
	return i
}
