// Package moatriver runs jobs of River as tenants: a job is enqueued in the transaction of
// its tenant, worked in its tenant's scope, unique within it, and no tenant sees another's.
//
// A job's tenant is in its metadata, where [Middleware] puts the one of the context. The
// policies of [Policies] let an application write no other there than its transaction is
// bound to, so a worker may believe it. A job without a tenant is worked without a scope:
// what it does as a tenant fails with [moat.ErrNoTenant].
//
// The workers' own connection is to River's tables alone, by a role that sees the jobs of
// all tenants; what a job does goes through a [moat.DB].
package moatriver
