package lifecycle

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/ledger"
)

// Erasure is what erasing a tenant would do, in the order in which it would.
type Erasure struct {
	Census
	// Own are moat's own rows of the tenant: keys, sessions, limits.
	Own []Holding `json:"own,omitempty"`
	// Objects are large objects that nobody else's rows name.
	Objects []uint32 `json:"large_objects,omitempty"`
	// Triggers run on rows that are deleted, and may write elsewhere.
	Triggers []string `json:"triggers,omitempty"`
	// Views are materialized views that are refreshed; those with a lock keep readers out
	// while they are.
	Views []string `json:"materialized_views,omitempty"`
	// Blockers stop the erasure.
	Blockers []Blocker `json:"blockers,omitempty"`
	// Due is when an erasure that was requested may begin; nil where none is.
	Due *time.Time `json:"due,omitempty"`
}

// ErrNotDue is returned for an erasure whose grace period has not ended.
var ErrNotDue = errors.New("the grace period has not ended")

// PlanErasure says what erasing a tenant would do. It changes nothing.
func (o *Operator) PlanErasure(ctx context.Context, tenant string) (*Erasure, error) {
	id, err := o.erasable(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if err := o.log(ctx, "planned the tenant's erasure", id, ""); err != nil {
		return nil, err
	}
	e, _, err := o.planErasure(ctx, id)
	return e, err
}

// erasable is a tenant that exists, or whose erasure has begun and removed its row.
func (o *Operator) erasable(ctx context.Context, tenant string) (string, error) {
	id, found, err := o.lookUp(ctx, tenant)
	if err != nil || found {
		return id, err
	}
	open, err := o.request(ctx, id)
	if err == nil && open == nil {
		err = &NoSuchTenantError{tenant}
	}
	return id, err
}

func (o *Operator) planErasure(ctx context.Context, tenant string) (*Erasure, []group, error) {
	c, err := o.census(ctx, tenant)
	if err != nil {
		return nil, nil, err
	}
	e := &Erasure{Census: *c}
	all, err := parts(o.view, tenant)
	if err != nil {
		return nil, nil, err
	}
	if e.Blockers, err = o.blockers(ctx, tenant, all); err != nil {
		return nil, nil, err
	}
	groups := o.removal(all)
	e.Tables = inOrder(e.Tables, groups)
	if e.Own, err = o.ownRows(ctx, tenant); err != nil {
		return nil, nil, err
	}
	if e.Objects, err = o.ownObjects(ctx, all); err != nil {
		return nil, nil, err
	}
	e.Triggers = deleteTriggers(all)
	for _, r := range o.views(all) {
		e.Views = append(e.Views, r.QName().String()+lockOf(r))
	}
	if open, err := o.open(ctx, tenant); err != nil {
		return nil, nil, err
	} else if open != nil {
		e.Due = &open.due
	}
	return e, groups, nil
}

// removal is the order in which groups are deleted: what refers before what is referred
// to, and the tenant's own row last, so that it exists for as long as it has rows.
func (o *Operator) removal(all []*part) []group {
	groups := ordered(o.view, all)
	slices.Reverse(groups)
	last := func(g group) bool {
		return slices.ContainsFunc(g.parts, func(p *part) bool { return p.name() == o.view.Model.Tenants })
	}
	slices.SortStableFunc(groups, func(a, b group) int {
		switch {
		case last(a) && !last(b):
			return 1
		case last(b) && !last(a):
			return -1
		}
		return 0
	})
	return groups
}

func inOrder(all []Holding, groups []group) (out []Holding) {
	for _, g := range groups {
		for _, p := range g.parts {
			i := slices.IndexFunc(all, func(h Holding) bool { return h.Table == p.name().String() })
			out = append(out, all[i])
		}
	}
	return out
}

func (o *Operator) ownRows(ctx context.Context, tenant string) ([]Holding, error) {
	var out []Holding
	for _, p := range o.own(tenant) {
		h := Holding{Table: p.name().String(), How: p.how}
		if err := o.conn.QueryRow(ctx, "SELECT count(*) FROM "+p.from()+" WHERE "+p.where()).Scan(&h.Rows); err != nil {
			return nil, fmt.Errorf("count the rows of %s: %w", p.name(), err)
		}
		if h.Rows > 0 {
			out = append(out, h)
		}
	}
	return out, nil
}

// ownObjects are the large objects that the tenant's rows name and no other row does.
func (o *Operator) ownObjects(ctx context.Context, all []*part) ([]uint32, error) {
	oids, err := o.objectIDs(ctx, all)
	if err != nil {
		return nil, err
	}
	shared, err := o.sharedObjects(ctx, all, oids)
	return slices.DeleteFunc(oids, func(oid uint32) bool { return slices.Contains(shared, oid) }), err
}

// deleteTriggers are the team's triggers that run when rows are deleted.
func deleteTriggers(all []*part) []string {
	var out []string
	for _, p := range all {
		for _, t := range p.table.Triggers {
			if t.Enabled != "disabled" && runsOn(t, "DELETE") && t.Function.Schema != "moat" {
				out = append(out, p.name().String()+": "+t.Name+" runs "+t.Function.String())
			}
		}
	}
	return out
}

// runsOn reports whether a trigger runs on a command.
func runsOn(t catalog.Trigger, command string) bool {
	events, _, _ := strings.Cut(strings.TrimPrefix(t.Definition, "CREATE "), " ON ")
	return strings.Contains(events, command)
}

// lockOf says that a refresh keeps readers out, where it does.
func lockOf(r *catalog.Relation) string {
	if concurrently(r) {
		return ""
	}
	return " (with a lock: it has no unique index over all rows)"
}

func concurrently(r *catalog.Relation) bool {
	return slices.ContainsFunc(r.Indexes, func(x catalog.Index) bool {
		return x.Unique && x.Valid && x.Predicate == "" && !slices.Contains(x.Columns(), "")
	})
}

// request is a row of moat.erasure.
type request struct {
	id       int64
	due      time.Time
	started  *time.Time
	operator string
	reason   string
	at       time.Time
	made     bool // by this call
}

// open returns the erasure of a tenant that is requested or under way, nil where none is.
func (o *Operator) open(ctx context.Context, tenant string) (*request, error) {
	r := &request{}
	err := o.conn.QueryRow(ctx, "SELECT id, due_at, started_at, operator, reason, requested_at FROM moat.erasure "+
		"WHERE tenant = $1 AND finished_at IS NULL AND cancelled_at IS NULL", tenant).
		Scan(&r.id, &r.due, &r.started, &r.operator, &r.reason, &r.at)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read moat.erasure: %w", err)
	}
	return r, nil
}

// request is [Operator.open], where moat's tables may be missing as yet.
func (o *Operator) request(ctx context.Context, tenant string) (*request, error) {
	if err := o.prepare(ctx); err != nil {
		return nil, err
	}
	return o.open(ctx, tenant)
}

// waits reports whether the grace period has still to end.
func (r *request) waits(opts EraseOptions) bool {
	return r != nil && r.due.After(time.Now()) && !opts.Now
}

func (r *request) notDue() error {
	return fmt.Errorf("%w: it ends on %s", ErrNotDue, r.due.UTC().Format("2006-01-02 15:04 UTC"))
}

// RequestErasure suspends a tenant and notes that it is to be erased after a grace period,
// by [Operator.Erase] or [Operator.EraseDue]. It can be cancelled until then.
func (o *Operator) RequestErasure(ctx context.Context, tenant string, after time.Duration) (time.Time, error) {
	id, err := o.known(ctx, tenant)
	if err != nil {
		return time.Time{}, err
	}
	if err := o.log(ctx, "requested the tenant's erasure", id, "after "+inDays(after)); err != nil {
		return time.Time{}, err
	}
	r, err := o.begin(ctx, id, after)
	if err != nil {
		return time.Time{}, err
	}
	return r.due, o.suspend(ctx, id)
}

// begin notes the erasure of a tenant, unless one is noted. A request that is repeated
// does not move the day on which the first falls due.
func (o *Operator) begin(ctx context.Context, tenant string, after time.Duration) (*request, error) {
	tag, err := o.conn.Exec(ctx, "INSERT INTO moat.erasure (tenant, operator, reason, due_at) "+
		"VALUES ($1, $2, $3, clock_timestamp() + $4::float8 * interval '1 second') ON CONFLICT (tenant) "+
		"WHERE finished_at IS NULL AND cancelled_at IS NULL DO NOTHING", tenant, o.by.Name, o.by.Reason, after.Seconds())
	if err != nil {
		return nil, fmt.Errorf("note the erasure: %w", err)
	}
	r, err := o.open(ctx, tenant)
	if r != nil {
		r.made = tag.RowsAffected() == 1
	}
	return r, err
}

// CancelErasure takes a request back and resumes the tenant. One that has begun cannot be
// taken back: rows are gone.
func (o *Operator) CancelErasure(ctx context.Context, tenant string) error {
	id, err := o.erasable(ctx, tenant)
	if err != nil {
		return err
	}
	if r, err := o.request(ctx, id); err != nil || r == nil || r.started != nil {
		return cmp.Or(err, errNotWaiting)
	}
	if err := o.log(ctx, "cancelled the tenant's erasure", id, ""); err != nil {
		return err
	}
	tag, err := o.conn.Exec(ctx, "UPDATE moat.erasure SET cancelled_at = clock_timestamp() "+
		"WHERE tenant = $1 AND finished_at IS NULL AND cancelled_at IS NULL AND started_at IS NULL", id)
	if err != nil {
		return fmt.Errorf("cancel the erasure: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errNotWaiting
	}
	return o.resume(ctx, id)
}

var errNotWaiting = errors.New("no erasure of this tenant is waiting: none was requested, or it has begun")

// EraseOptions say how an erasure is carried out.
type EraseOptions struct {
	// Batch is how many rows are deleted in one transaction; 0 means 5,000.
	Batch int
	// Beyond are places outside of the database that the certificate is to name.
	Beyond []string
	// BackupsKept is how long backups are kept, for the certificate to say when the last that
	// holds the tenant is gone; 0 means that it is not known.
	BackupsKept time.Duration
	// Now erases before the grace period of an earlier request has ended.
	Now bool
	// Progress, if set, is told how many rows of a table are gone.
	Progress func(table string, rows int64)
}

// Erase suspends a tenant, deletes its rows in batches, checks that none is left, and
// certifies it. Interrupted, it goes on where it was when it is called again; until it is
// done the tenant stays suspended. [*BlockedError] is returned before anything is deleted.
func (o *Operator) Erase(ctx context.Context, tenant string, opts EraseOptions) (*Certificate, error) {
	id, err := o.erasable(ctx, tenant)
	if err != nil {
		return nil, err
	}
	// The tenant reads the log: what is refused at once does not stand there as done.
	r, err := o.request(ctx, id)
	if err != nil {
		return nil, err
	}
	if r.waits(opts) {
		return nil, r.notDue()
	}
	if err := o.log(ctx, "erased the tenant", id, ""); err != nil {
		return nil, err
	}
	unlock, err := o.alone(ctx, id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	r, err = o.begin(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	if r.waits(opts) {
		return nil, r.notDue()
	}
	return o.erase(ctx, id, r, opts)
}

func (o *Operator) erase(ctx context.Context, tenant string, r *request, opts EraseOptions) (*Certificate, error) {
	plan, groups, err := o.planErasure(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if len(plan.Blockers) > 0 {
		return nil, o.forget(ctx, r, &BlockedError{plan.Blockers})
	}
	var all []*part
	for _, g := range groups {
		all = append(all, g.parts...)
	}
	if err := cmp.Or(o.require(all, "SELECT", "DELETE"), o.mayRefresh(all),
		o.mayReach(ctx, plan.Objects, false)); err != nil {
		return nil, o.forget(ctx, r, err)
	}
	if err := o.suspend(ctx, tenant); err != nil {
		return nil, err
	}
	if _, err := o.conn.Exec(ctx, "UPDATE moat.erasure SET started_at = coalesce(started_at, clock_timestamp()) "+
		"WHERE id = $1", r.id); err != nil {
		return nil, fmt.Errorf("note the erasure: %w", err)
	}
	w := &eraser{Operator: o, id: r.id, tenant: tenant, opts: opts}
	if err := w.remove(ctx, plan.Objects, groups); err != nil {
		return nil, err
	}
	return w.certify(ctx, r, all)
}

// forget takes a request back that the call which failed had made itself. One that was made
// before stays: its tenant is suspended, and waits for it.
func (o *Operator) forget(ctx context.Context, r *request, cause error) error {
	if !r.made {
		return cause
	}
	_, err := o.conn.Exec(ctx, "UPDATE moat.erasure SET cancelled_at = clock_timestamp() WHERE id = $1 AND "+
		"started_at IS NULL",
		r.id)
	return errors.Join(cause, err)
}

// alone keeps a second act on the same tenant out.
func (o *Operator) alone(ctx context.Context, tenant string) (unlock func(), err error) {
	var got bool
	key := "moat:lifecycle:" + tenant
	if err := o.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", key).Scan(&got); err != nil {
		return nil, fmt.Errorf("lock the tenant: %w", err)
	}
	if !got {
		return nil, errors.New("another moat tenant is at work on this tenant")
	}
	return func() {
		_, _ = o.conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock(hashtextextended($1, 0))", key)
	}, nil
}

// EraseDue erases the tenants whose grace period has ended, and goes on with erasures that
// were interrupted. It goes on to the next when one fails, and joins the errors.
func (o *Operator) EraseDue(ctx context.Context, opts EraseOptions) (done []*Certificate, err error) {
	if err := o.prepare(ctx); err != nil {
		return nil, err
	}
	all, err := o.requests(ctx)
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, r := range all {
		if !r.Due {
			continue
		}
		c, err := o.Erase(ctx, r.Tenant, opts)
		if err != nil {
			failed = append(failed, fmt.Errorf("tenant %s: %w", r.Tenant, err))
			continue
		}
		done = append(done, c)
	}
	return done, errors.Join(failed...)
}

// Request is an erasure that waits, is due, or was interrupted.
type Request struct {
	Tenant      string    `json:"tenant"`
	RequestedBy string    `json:"requested_by"`
	Reason      string    `json:"reason"`
	RequestedAt time.Time `json:"requested_at"`
	DueAt       time.Time `json:"due_at"`
	// Due is whether the grace period has ended, by the clock of the database.
	Due bool `json:"due"`
	// StartedAt is set for one that has begun.
	StartedAt *time.Time `json:"started_at,omitempty"`
}

// Requests lists the erasures that are not done, what falls due first before the others.
func (o *Operator) Requests(ctx context.Context) ([]Request, error) {
	if err := o.log(ctx, "looked at the erasures that are requested", "", ""); err != nil {
		return nil, err
	}
	return o.requests(ctx)
}

func (o *Operator) requests(ctx context.Context) ([]Request, error) {
	rows, _ := o.conn.Query(ctx, "SELECT tenant, operator, reason, requested_at, due_at, "+
		"due_at <= clock_timestamp(), started_at FROM moat.erasure "+
		"WHERE finished_at IS NULL AND cancelled_at IS NULL ORDER BY due_at, id")
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Request])
	if err != nil {
		return nil, fmt.Errorf("read moat.erasure: %w", err)
	}
	return all, nil
}

// counts reads what an erasure has removed so far.
func (o *Operator) counts(ctx context.Context, id int64) (map[string]int64, error) {
	var text []byte
	if err := o.conn.QueryRow(ctx, "SELECT removed FROM moat.erasure WHERE id = $1", id).Scan(&text); err != nil {
		return nil, fmt.Errorf("read moat.erasure: %w", err)
	}
	counts := map[string]int64{}
	return counts, json.Unmarshal(text, &counts)
}

// quotedList is for errors.
func quotedList(names []string) string { return strings.Join(names, ", ") }

// Requested reports whether a tenant's erasure is requested or under way: whoever lets
// tenants in again asks first.
func Requested(ctx context.Context, q ledger.Querier, tenant string) (requested bool, err error) {
	var there bool
	err = q.QueryRow(ctx, "SELECT pg_catalog.to_regclass('moat.erasure') IS NOT NULL").Scan(&there)
	if err != nil || !there {
		return false, err
	}
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM moat.erasure WHERE tenant = $1 AND finished_at IS NULL "+
		"AND cancelled_at IS NULL)", tenant).Scan(&requested)
	return requested, err
}
