package moatsql

import (
	"hash/maphash"
	"sync/atomic"
)

// texts remembers which statements came lately: of each, a hash in a place that others
// may take. A mistake costs a statement that is prepared early or late.
type texts struct {
	seed maphash.Seed
	last [1024]atomic.Uint64
}

func newTexts() *texts { return &texts{seed: maphash.MakeSeed()} }

// again notes a text and says whether it came lately.
func (t *texts) again(text string) bool {
	hash := maphash.String(t.seed, text)
	return t.last[hash%uint64(len(t.last))].Swap(hash) == hash
}
