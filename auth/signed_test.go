package auth

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A token that the small cache has no room for is accepted by its remembered signature, until
// it expires or its time is over.
func TestSignaturesAreRememberedOfMoreTokens(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(func(ic *IssuerConfig) { ic.Leeway = -1 })
	config.Now, config.CacheSize = c.now, cacheShards
	v := newVerifier(t, config)
	tokens := make([]string, 100)
	for i := range tokens {
		tokens[i] = hs256(with(goodClaims(c), map[string]any{"sub": fmt.Sprint(i),
			"exp": c.in(time.Duration(1+i%2*59) * time.Minute)}))
		accepts(t, v, tokens[i])
	}
	if small, large := v.cache.len(), v.signed.len(); small > cacheShards || large != len(tokens) {
		t.Fatalf("%d tokens and %d signatures are remembered", small, large)
	}
	// From here on no signature is good: only remembered ones are accepted.
	v.issuers[issuerA].keys.only = []byte(strings.Repeat("another key", 4))
	for i, token := range tokens {
		if id := accepts(t, v, token); id.Subject != fmt.Sprint(i) {
			t.Errorf("token %d is %s's", i, id.Subject)
		}
	}
	refuses(t, v, tokens[0][:len(tokens[0])-6]+"AAAAAA", Invalid, "signature")
	c.advance(time.Minute)
	for i, token := range tokens {
		if i%2 == 0 {
			refuses(t, v, token, Invalid, "signature") // as expired, it is looked at anew
		} else {
			accepts(t, v, token)
		}
	}
	c.advance(DefaultCacheMaxAge - time.Minute)
	for _, token := range tokens {
		if _, ok := v.signed.get(sha256.Sum256([]byte(token)), c.now()); ok || remembers(v, token, c.now()) {
			t.Fatal("a signature is remembered for longer than CacheMaxAge")
		}
	}
	refuses(t, v, tokens[1], Invalid, "signature")
}
