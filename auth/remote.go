package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
)

const (
	// RefreshInterval is how often a key set from a URL is fetched again.
	RefreshInterval = 10 * time.Minute
	// UnknownKeyInterval is the least time between two fetches that tokens with an
	// unknown key id cause: such tokens cost their sender nothing.
	UnknownKeyInterval = 30 * time.Second
)

// remoteSet is a key set behind a URL, kept in memory. It is a jwkset.Storage whose
// KeyRead fetches the set again for a key id that it does not know.
type remoteSet struct {
	*jwkset.MemoryJWKSet

	address string
	client  *http.Client
	filter  keyFilter
	now     func() time.Time
	onError func(error)
	// background outlives any request: a client that hangs up must not be able to
	// end the fetch that all the others wait for.
	background context.Context
	// generation counts the changes of the set.
	generation atomic.Uint64

	mu          sync.Mutex
	flight      chan struct{} // closed when the fetch under way is done; nil if none
	lastUnknown time.Time
	body        []byte // touched only by the one fetch under way
}

// start fetches the set for the first time and keeps it fresh until background ends.
func (r *remoteSet) start() error {
	if err := r.refresh(); err != nil {
		return err
	}
	keys, err := r.KeyReadAll(r.background)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return fmt.Errorf("%s has no usable signing key with a kid", plainAddress(r.address))
	}
	go r.keepFresh()
	return nil
}

func (r *remoteSet) keepFresh() {
	ticker := time.NewTicker(RefreshInterval)
	defer ticker.Stop()
	for {
		select {
		case <-r.background.Done():
			return
		case <-ticker.C:
			r.mu.Lock()
			r.launch()
			r.mu.Unlock()
		}
	}
}

// KeyRead returns the key with this id, after fetching the set again if the id is
// unknown and no other unknown id caused a fetch lately.
func (r *remoteSet) KeyRead(ctx context.Context, kid string) (jwkset.JWK, error) {
	jwk, err := r.MemoryJWKSet.KeyRead(ctx, kid)
	if !errors.Is(err, jwkset.ErrKeyNotFound) {
		return jwk, err
	}
	done := r.refreshForUnknown()
	if done == nil {
		return jwkset.JWK{}, jwkset.ErrKeyNotFound
	}
	select {
	case <-done:
		return r.MemoryJWKSet.KeyRead(ctx, kid)
	case <-ctx.Done():
		return jwkset.JWK{}, ctx.Err()
	}
}

// refreshForUnknown joins the fetch under way, or starts one if the last that an
// unknown id caused is long enough ago. It returns nil when there is none to wait for.
func (r *remoteSet) refreshForUnknown() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight != nil {
		return r.flight
	}
	now := r.now()
	if !r.lastUnknown.IsZero() && now.Sub(r.lastUnknown) < UnknownKeyInterval {
		return nil
	}
	r.lastUnknown = now
	return r.launch()
}

// launch starts a fetch unless one is under way; r.mu is held.
func (r *remoteSet) launch() <-chan struct{} {
	if r.flight != nil {
		return r.flight
	}
	flight := make(chan struct{})
	r.flight = flight
	go func() {
		err := r.refresh()
		r.mu.Lock()
		r.flight = nil
		r.mu.Unlock()
		close(flight)
		if err != nil && r.background.Err() == nil && r.onError != nil {
			r.onError(err)
		}
	}()
	return flight
}

// refresh fetches the set and replaces the keys. On any error the old keys stay.
func (r *remoteSet) refresh() error {
	ctx, cancel := context.WithTimeout(r.background, fetchTimeout)
	defer cancel()
	body, err := fetch(ctx, r.client, r.address)
	if err != nil {
		return fmt.Errorf("key set: %w", err)
	}
	if bytes.Equal(body, r.body) {
		return nil
	}
	keys, err := r.filter.parse(body)
	if err != nil {
		return fmt.Errorf("key set: %s: %w", plainAddress(r.address), err)
	}
	if err := r.KeyReplaceAll(ctx, keys); err != nil {
		return fmt.Errorf("key set: %w", err)
	}
	r.body = body
	// After the keys: a token that is verified with the old ones meanwhile is
	// remembered under the old generation, and so not used.
	r.generation.Add(1)
	return nil
}
