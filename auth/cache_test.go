package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

func (c *cache) len() int {
	n := 0
	for i := range c.shards {
		n += len(c.shards[i].index)
	}
	return n
}

func entry(i int, until time.Time) slot {
	return slot{
		hash: sha256.Sum256(fmt.Append(nil, i)), until: until, keys: &keySource{},
		identity: &Identity{Subject: fmt.Sprint(i)},
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for _, size := range []int{1, 2, 15, 16, 17, 100, 1000} {
		c := newCache(size)
		for i := range 5 * size {
			c.put(entry(i, now.Add(time.Hour)))
			if got, ok := c.get(entry(i, now).hash, now); !ok || got.identity.Subject != fmt.Sprint(i) {
				t.Fatalf("size %d: entry %d is not there at once", size, i)
			}
			if c.len() > size {
				t.Fatalf("size %d: holds %d", size, c.len())
			}
		}
	}
}

func TestCacheKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	c := newCache(10 * cacheShards)
	hot := entry(-1, now.Add(time.Hour))
	c.put(hot)
	lost := 0
	for i := range 1000 {
		c.put(entry(i, now.Add(time.Hour)))
		if _, ok := c.get(hot.hash, now); !ok {
			lost++
			c.put(hot)
		}
	}
	if lost > 0 {
		t.Errorf("a token in steady use was lost %d times of 1000", lost)
	}
}

// Against a model: whatever is put, read and let expire, the cache never answers
// with another entry, nor with one past its time, nor holds more than its size.
func TestCacheAgainstModel(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	const size = 20
	c, model, now := newCache(size), map[int]time.Time{}, time.Unix(1000, 0)
	for step := range 20_000 {
		i := random.IntN(60)
		switch random.IntN(3) {
		case 0:
			model[i] = now.Add(time.Duration(random.IntN(10)) * time.Second)
			c.put(entry(i, model[i]))
		case 1:
			got, ok := c.get(entry(i, now).hash, now)
			if ok && (got.identity.Subject != fmt.Sprint(i) || !now.Before(model[i])) {
				t.Fatalf("step %d: entry %d answered as %+v", step, i, got.identity)
			}
		case 2:
			now = now.Add(time.Duration(random.IntN(2)) * time.Second)
		}
		if c.len() > size {
			t.Fatalf("step %d: holds %d", step, c.len())
		}
	}
}

func TestRememberedTokenExpires(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		ttl, maxAge    time.Duration
		hitFor, goneAt time.Duration
	}{
		{"by exp", time.Minute, time.Hour, 59 * time.Second, time.Minute},
		{"by age", time.Hour, time.Minute, 59 * time.Second, time.Minute},
		{"by the default age", time.Hour, 0, DefaultCacheMaxAge - time.Second, DefaultCacheMaxAge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			config := issuer1(nil)
			config.Now, config.CacheMaxAge = c.now, tt.maxAge
			v := newVerifier(t, config)
			token := hs256(with(goodClaims(c), map[string]any{"exp": c.in(tt.ttl)}))
			hash := tokenHash(sha256.Sum256([]byte(token)))
			accepts(t, v, token)
			c.advance(tt.hitFor)
			if _, ok := v.cache.get(hash, c.now()); !ok {
				t.Error("forgotten too early")
			}
			c.advance(tt.goneAt - tt.hitFor)
			if _, ok := v.cache.get(hash, c.now()); ok {
				t.Error("remembered too long")
			}
		})
	}
}

func TestRememberedTokenIsRefusedOnceExpired(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(func(ic *IssuerConfig) { ic.Leeway = -1 })
	config.Now, config.CacheMaxAge = c.now, time.Hour
	v := newVerifier(t, config)
	token := hs256(with(goodClaims(c), map[string]any{"exp": c.in(time.Minute)}))
	accepts(t, v, token)
	c.advance(time.Minute)
	refuses(t, v, token, Expired, "exp")
}

func TestCacheHoldsNothingRefusedOrHuge(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(nil)
	config.Now = c.now
	v := newVerifier(t, config)
	good := goodClaims(c)
	refuses(t, v, hs256(with(good, map[string]any{"aud": "x"})), Audience, "aud")
	accepts(t, v, hs256(with(good, map[string]any{"x": strings.Repeat("x", maxCachedToken)})))
	accepts(t, v, hs256(with(good, map[string]any{"exp": c.in(-time.Second)}))) // within the leeway
	if n := v.cache.len(); n != 0 {
		t.Errorf("remembers %d tokens, want none", n)
	}
	accepts(t, v, hs256(good))
	if n := v.cache.len(); n != 1 {
		t.Errorf("remembers %d tokens, want one", n)
	}
}

func TestAlteredClaimsStayWithTheirHolder(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(nil)
	config.Now = c.now
	v := newVerifier(t, config)
	token := hs256(goodClaims(c))
	want := text(goodClaims(c))
	for range 3 {
		id := accepts(t, v, token)
		if string(id.Claims) != want {
			t.Fatalf("claims %s", id.Claims)
		}
		for i := range id.Claims {
			id.Claims[i] = 'x'
		}
	}
}

func TestWithoutCache(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(nil)
	config.Now, config.CacheSize = c.now, -1
	v := newVerifier(t, config)
	for range 2 {
		accepts(t, v, hs256(goodClaims(c)))
	}
}

// Many goroutines and few slots: each token gives its own tenant, always.
func TestConcurrentVerify(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(nil)
	config.Now, config.CacheSize = c.now, 20
	v := newVerifier(t, config)
	tokens := make([]string, 50)
	for i := range tokens {
		tokens[i] = hs256(with(goodClaims(c), map[string]any{"tenant_id": tenantOf(i), "sub": fmt.Sprint(i)}))
	}
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 0))
			for range 500 {
				i := random.IntN(len(tokens))
				id, err := v.Verify(context.Background(), tokens[i])
				if err != nil || string(id.Tenant) != tenantOf(i) || id.Subject != fmt.Sprint(i) {
					t.Errorf("token %d: %+v, %v", i, id, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func tenantOf(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }
