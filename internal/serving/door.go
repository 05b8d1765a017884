package serving

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// Admission says who may come in. The zero value admits every tenant that the tenants
// table holds and that none of the usual columns suspends.
type Admission struct {
	// SuspendedColumn is the column of the tenants table that, when true, not null
	// or one of "suspended", "disabled" and "deleted", suspends a tenant. Zero means
	// the first present of suspended, suspended_at, disabled_at, deleted_at, status.
	SuspendedColumn string
	// Membership, where its Table is set, must hold the caller's subject and tenant.
	Membership Membership
	// Expose narrows what clients reach of a table or view, by its name.
	Expose map[catalog.QName]Access
	// Age is how long a membership's role is presumed; zero means 10 s.
	Age time.Duration
}

// Door says who may come in. It remembers the roles that memberships give, and nothing
// else: who is suspended is out at the next request. One Door belongs to
// everything that serves a database, so that all of it refuses the same callers. It is
// safe for concurrent use.
type Door struct {
	db        *moat.DB
	admission Admission

	mu      sync.Mutex
	known   map[caller]answer
	version uint64 // of the last flush: an answer that is older is not kept
}

// caller is whom a verdict is about: a tenant, and the subject where membership counts.
type caller struct {
	tenant  moat.Tenant
	subject string
}

type answer struct {
	Verdict
	expires time.Time
}

// maxKnown bounds the memory; beyond it everything is forgotten.
const maxKnown = 100_000

// NewDoor returns a Door that asks through db.
func NewDoor(db *moat.DB, a Admission) *Door {
	if a.Age <= 0 {
		a.Age = 10 * time.Second
	}
	return &Door{db: db, admission: a, known: map[caller]answer{}}
}

// Check returns what is asked in a schema. It is an error when the Admission names what
// the role that read the schema cannot read.
func (d *Door) Check(v *policy.View) (*Check, error) { return newCheck(Expose(v), d.admission) }

// Flush forgets every verdict.
func (d *Door) Flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.known)
	d.version++
}

// Size is how many verdicts are remembered.
func (d *Door) Size() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.known)
}

// Presume returns the scope that the caller has if it may come in, which the Check's Guard
// has yet to say. Only a role that a membership gives has to be asked for, and is
// remembered.
func (d *Door) Presume(ctx context.Context, c *Check, s moat.Scope) (moat.Scope, error) {
	if !c.hasRole {
		return s, nil
	}
	d.mu.Lock()
	known, ok := d.known[caller{s.Tenant, s.Subject}]
	d.mu.Unlock()
	if ok && time.Now().Before(known.expires) {
		return known.Admit(s)
	}
	v, err := d.Ask(ctx, c, s)
	if err != nil {
		return moat.Scope{}, err
	}
	return v.Admit(s)
}

// Ask asks the database about the scope's tenant and caller, in one round trip.
func (d *Door) Ask(ctx context.Context, c *Check, s moat.Scope) (Verdict, error) {
	if !c.Asks() {
		return Verdict{Known: true, Member: true}, nil
	}
	now := time.Now()
	d.mu.Lock()
	version := d.version
	d.mu.Unlock()
	v, err := d.ask(moat.WithScope(ctx, s), c, s)
	if err == nil && c.hasRole {
		d.keep(caller{s.Tenant, s.Subject}, answer{v, now.Add(d.admission.Age)}, version)
	}
	return v, err
}

func (d *Door) ask(ctx context.Context, c *Check, s moat.Scope) (Verdict, error) {
	b := &pgx.Batch{}
	c.Queue(b, s)
	results := d.db.SendBatch(ctx, b)
	v, err := c.Read(results)
	if closed := results.Close(); err == nil && closed != nil {
		return Verdict{}, closed
	}
	return v, err
}

func (d *Door) keep(key caller, a answer, version uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.version != version {
		return
	}
	if len(d.known) >= maxKnown {
		clear(d.known)
	}
	d.known[key] = a
}
