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
	// Issuers says, by their names, for which tenants issuers speak; nil means all for all.
	Issuers map[string]Speaker
	// Names is the column of the tenants table by which a [Choice] can name a tenant; zero
	// means that none can.
	Names string
	// Age is how long a membership's role and a tenant's name are presumed; zero means 10 s.
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
	known   map[person]answer
	names   map[named]foundTenant
	version uint64 // of the last flush: an answer that is older is not kept
}

// person is whom a verdict is about: a tenant, and the issuer's subject where membership
// counts.
type person struct {
	tenant          moat.Tenant
	issuer, subject string
}

func (c Caller) person() person { return person{c.Tenant, c.Issuer, c.Subject} }

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
	return &Door{db: db, admission: a, known: map[person]answer{}, names: map[named]foundTenant{}}
}

// Check returns what is asked in a schema. It is an error when the Admission names what
// the role that read the schema cannot read.
func (d *Door) Check(v *policy.View) (*Check, error) { return newCheck(Expose(v), d.admission) }

// Flush forgets every verdict.
func (d *Door) Flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.known)
	clear(d.names)
	d.version++
}

// Size is how many verdicts are remembered.
func (d *Door) Size() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.known)
}

// Presume returns the scope that the caller has if it may come in, which the Check's Guard
// has yet to say. Only a role that a membership gives, and a choice of the request's, have
// to be asked for; the answer is remembered.
func (d *Door) Presume(ctx context.Context, c *Check, who Caller) (moat.Scope, error) {
	if _, ok := c.of(who); !ok {
		return moat.Scope{}, ErrUnknownTenant
	}
	if who.Above != "" || who.Maker != "" {
		v, err := d.askFirst(ctx, c, who)
		if err != nil {
			return moat.Scope{}, err
		}
		return v.Admit(who.Scope)
	}
	if who.Unasked || !c.hasRole && !who.Chosen {
		return who.Scope, nil
	}
	if known, ok := d.answer(who); ok {
		return known.Admit(who.Scope)
	}
	return d.Admit(ctx, c, who)
}

// Admit asks whether the caller may come in, and returns the scope that it then acts in.
func (d *Door) Admit(ctx context.Context, c *Check, who Caller) (moat.Scope, error) {
	v, err := d.Ask(ctx, c, who)
	if err != nil {
		return moat.Scope{}, err
	}
	return v.Admit(who.Scope)
}

// answer is what is remembered of a caller.
func (d *Door) answer(who Caller) (Verdict, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known, ok := d.known[who.person()]
	return known.Verdict, ok && time.Now().Before(known.expires)
}

// Ask asks the database about the caller and its tenant, in one round trip; about a tenant
// below the token's, or with a key, in two.
func (d *Door) Ask(ctx context.Context, c *Check, who Caller) (Verdict, error) {
	q, ok := c.of(who)
	if !ok {
		return Verdict{}, nil
	}
	if who.Above != "" || who.Maker != "" {
		v, err := d.askFirst(ctx, c, who)
		if err != nil {
			return Verdict{}, err
		}
		below, err := d.ask(ctx, c, who, q)
		below.Role = v.Role
		return below, err
	}
	now := time.Now()
	d.mu.Lock()
	version := d.version
	d.mu.Unlock()
	v, err := d.ask(ctx, c, who, q)
	if err == nil && !who.Unasked && !who.Looks && (c.hasRole || who.Chosen) {
		d.keep(who.person(), answer{v, now.Add(d.admission.Age)}, version)
	}
	if err == nil && !v.Known {
		d.forget(c, who)
	}
	return v, err
}

// askFirst asks what must hold beside the tenant's own state: that the maker of a key may
// come in, or whoever chooses a tenant below its own.
func (d *Door) askFirst(ctx context.Context, c *Check, who Caller) (Verdict, error) {
	if who.Maker == "" {
		return d.askAbove(ctx, c, who)
	}
	maker := who.asMaker()
	q, ok := c.of(maker)
	if !ok || who.Above != "" {
		return Verdict{}, ErrUnknownTenant
	}
	v, err := d.ask(ctx, c, maker, q)
	if err == nil {
		_, err = v.Admit(maker.Scope)
	}
	return v, err
}

// askAbove asks whether the caller may come in at its token's tenant, and whether the one
// that it chooses is below that.
func (d *Door) askAbove(ctx context.Context, c *Check, who Caller) (Verdict, error) {
	at := who.above()
	q, ok := c.of(at)
	if !ok {
		return Verdict{}, ErrUnknownTenant
	}
	q.tree = c.tree
	v, err := d.ask(ctx, c, at, q)
	if err != nil {
		return Verdict{}, err
	}
	if _, err := v.Admit(at.Scope); err != nil {
		return Verdict{}, err
	}
	if !v.below {
		return Verdict{}, ErrUnknownTenant
	}
	return v, nil
}

// ask asks the questions in the caller's scope.
func (d *Door) ask(ctx context.Context, c *Check, who Caller, q questions) (Verdict, error) {
	b := &pgx.Batch{}
	for _, one := range []question{q.tenant, q.member, q.tree} {
		one.queue(b, who)
	}
	if b.Len() == 0 {
		return Verdict{Known: true, Member: true}, nil
	}
	results := d.db.SendBatch(moat.WithScope(ctx, who.Scope), b)
	v, err := c.read(results, q)
	if closed := results.Close(); err == nil && closed != nil {
		return Verdict{}, closed
	}
	return v, err
}

// keep remembers who may come in. A refusal is not remembered, so that it ends at the next
// request: that of a suspended tenant, or of who is a member from now on.
func (d *Door) keep(key person, a answer, version uint64) {
	_, refused := a.Admit(moat.Scope{})
	d.mu.Lock()
	defer d.mu.Unlock()
	if refused != nil {
		delete(d.known, key)
		return
	}
	if d.version != version {
		return
	}
	if _, there := d.known[key]; !there && len(d.known) >= maxKnown {
		clear(d.known)
	}
	d.known[key] = a
}
