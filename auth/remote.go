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
	// UnknownKeyInterval is the least time between two fetches that tokens cause whose
	// key is unknown or does not fit: such tokens cost their sender nothing.
	UnknownKeyInterval = 5 * time.Second
	// RotationInterval takes its place after a fetch that brought other keys.
	RotationInterval = time.Second
	// KeyWait is how long such a token waits for the fetch.
	KeyWait = 3 * time.Second
	// MaxRetryInterval is how far apart the attempts are while the key server is away.
	MaxRetryInterval = 30 * time.Second
)

// remoteSet is a key set behind a URL, kept in memory.
type remoteSet struct {
	*jwkset.MemoryJWKSet

	address string // empty until discovery has found it
	issuer  string // whose discovery document has the address
	client  *http.Client
	filter  keyFilter
	now     func() time.Time
	onError func(error)
	// background outlives any request: a client that hangs up must not be able to
	// end the fetch that all the others wait for.
	background context.Context
	// generation counts the changes of the set; 0 until it was read.
	generation atomic.Uint64

	mu       sync.Mutex
	flight   chan struct{} // closed when the fetch under way is done; nil if none
	failures int           // since the last fetch that succeeded
	next     time.Time     // when a token may cause the next fetch
	body     []byte        // touched only by the one fetch under way
}

// start keeps the set fresh until background ends. It fetches the set first, and fails
// without it; with absent it returns at once and leaves the first fetch to the background.
func (r *remoteSet) start(absent bool) error {
	if absent {
		go r.keepFresh(r.renewal())
		return nil
	}
	if err := r.refresh(); err != nil {
		return err
	}
	go r.keepFresh(nil)
	return nil
}

// keepFresh fetches the set again and again, the first time after the fetch under way.
func (r *remoteSet) keepFresh(flight <-chan struct{}) {
	for {
		if flight != nil {
			<-flight
		}
		select {
		case <-r.background.Done():
			return
		case <-time.After(r.pause()):
			flight = r.renewal()
		}
	}
}

// pause is the time until the next fetch: short after a failure, longer after each more.
func (r *remoteSet) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures == 0 {
		return RefreshInterval
	}
	return min(time.Second<<min(r.failures-1, 10), MaxRetryInterval)
}

func (r *remoteSet) renewal() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.launch()
}

// changedSince has the set fetched for a token that no key of this generation verified,
// waits for that at most [KeyWait], and says whether there are other keys now.
func (r *remoteSet) changedSince(ctx context.Context, generation uint64) bool {
	if done := r.renewalForToken(generation); done != nil {
		ctx, cancel := context.WithTimeout(ctx, KeyWait)
		defer cancel()
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	return r.generation.Load() != generation
}

// renewalForToken joins the fetch under way, or starts one if the last that a token
// caused is long enough ago. It returns nil when there is none to wait for.
func (r *remoteSet) renewalForToken(generation uint64) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight != nil {
		return r.flight
	}
	now := r.now()
	if r.generation.Load() != generation || now.Before(r.next) {
		return nil
	}
	r.next = now.Add(UnknownKeyInterval)
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
		before := r.generation.Load()
		err := r.refresh()
		r.land(err, r.generation.Load() != before)
		close(flight)
		if err != nil && r.background.Err() == nil && r.onError != nil {
			r.onError(err)
		}
	}()
	return flight
}

// land notes how a fetch ended. One that brought other keys was worth it: an issuer that
// rotates twice in a row is not kept waiting for what a stranger may cause.
func (r *remoteSet) land(err error, changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flight = nil
	if r.failures++; err == nil {
		r.failures = 0
	}
	if soon := r.now().Add(RotationInterval); changed && soon.Before(r.next) {
		r.next = soon
	}
}

// refresh fetches the set and replaces the keys. On any error the old keys stay.
func (r *remoteSet) refresh() error {
	ctx, cancel := context.WithTimeout(r.background, fetchTimeout)
	defer cancel()
	if err := r.locate(ctx); err != nil {
		return err
	}
	body, err := fetch(ctx, r.client, r.address)
	if err != nil {
		return fmt.Errorf("key set: %w", err)
	}
	first := r.generation.Load() == 0
	if !first && bytes.Equal(body, r.body) {
		return nil
	}
	keys, err := r.filter.parse(body)
	if err == nil && first && len(keys) == 0 {
		err = errors.New("no usable signing key with a kid")
	}
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

// locate asks the issuer for the address of its key set, unless that is known.
func (r *remoteSet) locate(ctx context.Context) (err error) {
	if r.address == "" {
		r.address, err = discover(ctx, r.client, r.issuer)
	}
	return err
}
