package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/webaddress"
)

// Verifier verifies tokens of the configured issuers. It is safe for concurrent use.
type Verifier struct {
	issuers map[string]*issuer
	cache   *cache
	signed  *cache // tokens whose signature was good
	maxAge  time.Duration
	now     func() time.Time
	keys    func(context.Context, string) (Identity, error)
}

// New returns a Verifier. It reads key files and, for JWKSURL and Discovery, fetches
// the keys; it fails, naming the issuer, when something is missing or unreachable.
//
// ctx bounds these fetches and the later ones: when it ends, key sets are no longer
// refreshed, and the keys known by then stay in use.
func New(ctx context.Context, config Config) (*Verifier, error) {
	c := config.withDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	// A half-built verifier must not leave the refreshing of its first issuers behind.
	background, cancel := context.WithCancel(ctx)
	v := &Verifier{issuers: map[string]*issuer{}, cache: newCache(c.CacheSize),
		signed: newCache(signatures * c.CacheSize), maxAge: c.CacheMaxAge, now: c.Now, keys: c.Keys}
	env := environment{client: webaddress.Client(c.HTTPClient), now: c.Now, onError: c.OnRefreshError,
		absent: c.StartWithoutKeys}
	var errs []error
	for i, ic := range c.Issuers {
		is, err := newIssuer(background, ic, c, env)
		if err != nil {
			errs = append(errs, ic.wrap(i, err))
			continue
		}
		v.issuers[ic.Issuer] = is
	}
	if len(errs) > 0 {
		cancel()
		return nil, fmt.Errorf("auth: %w", errors.Join(errs...))
	}
	// The refreshing ends with ctx and not before.
	context.AfterFunc(ctx, cancel)
	return v, nil
}

// Waiting returns the issuers whose key set has not been read yet, in order. The tokens of
// all others are verified.
func (v *Verifier) Waiting() []string {
	var names []string
	for name, is := range v.issuers {
		if is.keys.absent() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Verify returns the identity that token proves, [ErrNoToken] for an empty token,
// [*TokenError] for one that is refused, and [ErrNoKeys] while nobody can tell. The iss claim picks the issuer, and the
// token must then satisfy that one in everything.
//
// It does no I/O except for a token whose key is unknown or does not fit, and then at most
// once in [UnknownKeyInterval] for each issuer; [KeyWait] and ctx bound how long it waits.
// A token of another issuer never waits for that.
func (v *Verifier) Verify(ctx context.Context, token string) (Identity, error) {
	if token == "" {
		return Identity{}, ErrNoToken
	}
	if len(token) > maxTokenBytes {
		return Identity{}, invalid("size")
	}
	if v.keys != nil && strings.HasPrefix(token, KeyPrefix) {
		return v.keys(ctx, token)
	}
	hash := tokenHash(sha256.Sum256([]byte(token)))
	if known, ok := v.cache.get(hash, v.now()); ok {
		return known.identity.clone(), nil
	}
	return v.verify(ctx, token, hash)
}

func (v *Verifier) verify(ctx context.Context, token string, hash tokenHash) (Identity, error) {
	header, c, err := decodeToken(token)
	if err != nil {
		return Identity{}, err
	}
	if err := checkHeader(header); err != nil {
		return Identity{}, err
	}
	name, _ := c.GetIssuer()
	is, ok := v.issuers[name]
	if !ok {
		known := slices.Sorted(maps.Keys(v.issuers))
		return Identity{}, invalid("issuer").facts(listed(known), name)
	}
	now := v.now()
	known, signed := v.signed.get(hash, now)
	if !signed {
		// Before the keys are read: if they change meanwhile, the entry is born stale.
		known = slot{hash: hash, keys: &is.keys, version: is.keys.version(), until: now.Add(v.maxAge)}
	}
	id, err := is.verify(ctx, token, c, signed)
	if err == nil && v.keys != nil && strings.HasPrefix(id.Subject, "key:") { // nobody's but a key's
		err = invalid("subject claim")
	}
	if err != nil {
		return Identity{}, err
	}
	known.identity, known.used = &id, false
	v.remember(len(token), known)
	return id.clone(), nil
}

// remember keeps a verified token, no longer than its signature and never beyond its expiry.
func (v *Verifier) remember(size int, e slot) {
	if e.identity.Expires.Before(e.until) {
		e.until = e.identity.Expires
	}
	// Within the leeway after its expiry a token is good, but is checked each time.
	if size > maxCachedToken || !v.now().Before(e.until) {
		return
	}
	v.cache.put(e)
	e.identity = nil
	v.signed.put(e)
}
