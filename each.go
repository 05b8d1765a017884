package moat

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
)

// EachOptions configure [ForEachTenant]. The zero value runs one tenant after the other.
type EachOptions struct {
	// Concurrent is how many tenants are worked on at a time. Zero means one.
	Concurrent int
	// Scope is what the work runs as; its Tenant is filled in. Zero means the tenant alone.
	Scope Scope
	// Done is called after each tenant with its error, nil if it succeeded, and never
	// twice at a time. A job that stores the finished tenants there, and leaves them out
	// of the next run, can be interrupted. Zero means not called.
	Done func(Tenant, error)
}

// TenantError is the error of one tenant in a run over many.
type TenantError struct {
	Tenant Tenant
	Err    error
}

func (e *TenantError) Error() string { return fmt.Sprintf("tenant %s: %v", e.Tenant, e.Err) }
func (e *TenantError) Unwrap() error { return e.Err }

// ForEachTenant calls fn once for each tenant, with a context that carries its scope: for
// jobs and data migrations that go through all tenants without stepping out of row-level
// security. A tenant's error does not stop the others; the result joins them all, each a
// [*TenantError]. Where ctx ends no further tenant is begun, and its error is in the
// result.
func ForEachTenant(ctx context.Context, tenants iter.Seq[Tenant], o EachOptions,
	fn func(ctx context.Context) error) error {
	run := eachRun{o: o, fn: fn}
	turns := make(chan struct{}, max(o.Concurrent, 1))
	for tenant := range tenants {
		select {
		case <-ctx.Done():
		case turns <- struct{}{}:
		}
		if err := ctx.Err(); err != nil {
			run.fail(err)
			break
		}
		run.workers.Go(func() {
			defer func() { <-turns }()
			run.one(ctx, tenant)
		})
	}
	run.workers.Wait()
	return errors.Join(run.errs...)
}

// eachRun is one run over the tenants.
type eachRun struct {
	o       EachOptions
	fn      func(ctx context.Context) error
	workers sync.WaitGroup
	mu      sync.Mutex // guards errs, and Done
	errs    []error
}

func (r *eachRun) one(ctx context.Context, tenant Tenant) {
	scope := r.o.Scope
	scope.Tenant = tenant
	err := r.fn(WithScope(ctx, scope))
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errs = append(r.errs, &TenantError{tenant, err})
	}
	if r.o.Done != nil {
		r.o.Done(tenant, err)
	}
}

func (r *eachRun) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}
