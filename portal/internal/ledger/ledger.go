// Package ledger is what the portal keeps in the schema moat: the operator log, when
// clients were last seen, and the states that the console compares with.
package ledger

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/ledger"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal/internal/frame"
)

// Config is what a Ledger works with.
type Config struct {
	Frame *frame.Frame
	// Pool connects as the operator role, DB as the application role.
	Pool *pgxpool.Pool
	DB   *moat.DB
	// Admin connects as who may create the tables; nil means the operator role.
	Admin *pgx.ConnConfig
	// Read returns what was read of the database as the application role.
	Read func(context.Context) (*policy.View, error)
}

// Ledger writes and reads the tables. It is safe for concurrent use.
type Ledger struct {
	Config

	mu        sync.Mutex
	installed bool
	seen      map[moat.Tenant]time.Time
}

// New returns a Ledger. It does no I/O.
func New(config Config) *Ledger { return &Ledger{Config: config, seen: map[moat.Tenant]time.Time{}} }

// Entry is one line for the log.
type Entry struct {
	By      *frame.Session
	Action  string
	Tenant  string // "" when it is about all of them
	Reason  string // "" means the reason of the session
	Details string
}

// What only looks is logged like all else, and left out of the short list.
const (
	LookedAtAll       = "looked at all clients"
	LookedAtOne       = "looked at the client"
	LookedAtIsolation = "looked at the isolation"
	ReadTheLog        = "read the log"
	// LookedFromAbove is an agency's look at one of its clients, with rights of its own.
	LookedFromAbove = "looked at the client from its agency"
)

// Use runs fn as the operator role. The line in the log is committed first: what the
// log cannot hold is not done, and what failed was still tried.
func (l *Ledger) Use(ctx context.Context, e Entry, fn func(tx pgx.Tx) error) error {
	if err := l.Record(ctx, e); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, l.Pool, func(tx pgx.Tx) error {
		if err := l.Frame.Limit(ctx, tx); err != nil {
			return err
		}
		return fn(tx)
	})
}

// Record writes a line.
func (l *Ledger) Record(ctx context.Context, e Entry) error {
	if err := l.Prepare(ctx); err != nil {
		return err
	}
	v, err := l.Read(ctx)
	if err != nil {
		return err
	}
	if e.Reason == "" {
		e.Reason = e.By.Reason
	}
	return ledger.Record(ctx, l.Pool, v, e.By.Subject, e.Action, e.Tenant, e.Reason, e.Details)
}

// column is the tenant column of the tables.
func (l *Ledger) column(ctx context.Context) (string, error) {
	v, err := l.Read(ctx)
	if err != nil {
		return "", err
	}
	return ledger.Column(v), nil
}

// seenEvery is how often a client's use of the portal is written down at most.
const seenEvery = time.Minute

// Seen writes down, as the client of ctx itself, that it was here.
func (l *Ledger) Seen(ctx context.Context, tenant moat.Tenant) {
	if !l.due(tenant) {
		return
	}
	column, err := l.column(ctx)
	if err == nil {
		_, err = l.DB.Exec(ctx, "insert into moat.tenant_seen ("+column+") values ($1) "+
			"on conflict ("+column+") do update set at = excluded.at", string(tenant))
	}
	if err != nil {
		l.Frame.Logger.Warn("portal: last seen not written", "error", serving.Cause(err))
	}
}

func (l *Ledger) due(tenant moat.Tenant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.Frame.Now()
	if !l.installed || now.Sub(l.seen[tenant]) < seenEvery {
		return false
	}
	if len(l.seen) > 10_000 {
		clear(l.seen)
	}
	l.seen[tenant] = now
	return true
}

// LastSeen reads when each client was last in the portal.
func (l *Ledger) LastSeen(ctx context.Context, tx pgx.Tx) (map[string]time.Time, error) {
	column, err := l.column(ctx)
	if err != nil {
		return nil, err
	}
	rows, _ := tx.Query(ctx, "select "+column+"::text, at from moat.tenant_seen")
	var id string
	var at time.Time
	seen := map[string]time.Time{}
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error { seen[id] = at; return nil })
	return seen, err
}
