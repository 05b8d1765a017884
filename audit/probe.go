package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// probeTimeout bounds each question that Probe asks.
const probeTimeout = 5 * time.Second

// Probe asks the database what its catalog does not say: how many rows refer to
// another tenant's, and how the planner reads big tables as an application role. Each
// question is a transaction of its own, read-only and rolled back, that waits at most
// five seconds.
//
// Counting takes a superuser or BYPASSRLS: policies would hide what is looked for.
// What could not be counted is in [Evidence.Unseen]. It returns an error only when the
// connection is of no more use.
func Probe(ctx context.Context, conn *pgx.Conn, v *policy.View) (Evidence, error) {
	p := prober{conn: conn, facts: newFacts(v, Options{}), evidence: Evidence{Plans: map[catalog.QName]Plan{}}}
	for _, r := range p.facts.keyedRelations() {
		for i := range r.Constraints {
			if fk := &r.Constraints[i]; p.facts.crosses(r, fk) {
				p.count(ctx, r, fk)
			}
		}
		if r.RLS && r.Estimate.Rows >= bigTable {
			p.explain(ctx, r)
		}
		if conn.IsClosed() {
			return p.evidence, errors.New("connection lost while probing")
		}
	}
	p.sealKeys(ctx)
	return p.evidence, nil
}

// sealKeys looks for keys of sealed mode that should have been retired.
func (p *prober) sealKeys(ctx context.Context) {
	if p.facts.look.Relation(sealKeyTable) == nil {
		return
	}
	err := p.ask(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT k.id FROM moat.seal_key k WHERE k.valid_until IS NULL
			AND EXISTS (SELECT FROM moat.seal_key n WHERE n.created_at > k.created_at AND n.created_at < now() - interval '1 day') ORDER BY k.created_at`)
		if err != nil {
			return err
		}
		p.evidence.SealKeys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		p.evidence.Unseen = append(p.evidence.Unseen, fmt.Sprintf("The ages of the keys of sealed mode were not seen: %v.", err))
	}
}

type prober struct {
	conn     *pgx.Conn
	facts    *facts
	evidence Evidence
}

// ask runs fn in a read-only transaction that is rolled back.
func (p *prober) ask(ctx context.Context, fn func(tx pgx.Tx) error) error {
	tx, err := p.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	ms := fmt.Sprint(probeTimeout.Milliseconds())
	if _, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $1, true)", ms); err != nil {
		return err
	}
	return fn(tx)
}

// count counts the rows that a foreign key lets refer to another tenant's.
func (p *prober) count(ctx context.Context, r *catalog.Relation, fk *catalog.Constraint) {
	query := p.facts.crossingSQL(r, fk)
	found := CrossingRows{Table: r.QName(), Constraint: fk.Name, References: fk.References, Query: "SELECT c.* " + query}
	err := errors.New("it takes a superuser or BYPASSRLS")
	if p.facts.bypasses(p.facts.s.User) {
		err = p.ask(ctx, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, "SELECT count(*) "+query).Scan(&found.Rows)
		})
	}
	if err != nil {
		p.evidence.Unseen = append(p.evidence.Unseen, fmt.Sprintf("Rows that refer to another tenant's through %s of %s were not counted: %v.", fk.Name, r.QName(), err))
		return
	}
	p.evidence.Crossing = append(p.evidence.Crossing, found)
}

// crossingSQL is the FROM and WHERE that find rows of one tenant that refer to
// another's.
func (f *facts) crossingSQL(r *catalog.Relation, fk *catalog.Constraint) string {
	var on []string
	for i := range fk.Columns {
		on = append(on, fmt.Sprintf("p.%s = c.%s", sqltext.Ident(fk.RefColumns[i]), sqltext.Ident(fk.Columns[i])))
	}
	return fmt.Sprintf("FROM %s c JOIN %s p ON %s WHERE c.%s IS DISTINCT FROM p.%s", r.QName().SQL(), fk.References.SQL(),
		strings.Join(on, " AND "), sqltext.Ident(f.tenantColumn(r.QName())), sqltext.Ident(f.tenantColumn(fk.References)))
}

// explain asks for the plan of one tenant's rows as the first application role that
// may read them. Where the connected role may not become that one, nothing is learnt.
func (p *prober) explain(ctx context.Context, r *catalog.Relation) {
	i := slices.IndexFunc(p.facts.apps, func(app string) bool { return p.facts.touches(app, r, "SELECT") && !p.facts.bypasses(app) })
	if i < 0 {
		return
	}
	var plan string
	err := p.ask(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL ROLE "+sqltext.Ident(p.facts.apps[i])); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT set_config($1, $2, true)", p.facts.m.Setting, sampleTenant(p.facts.m.Type)); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "EXPLAIN (FORMAT JSON) SELECT * FROM "+r.QName().SQL()).Scan(&plan)
	})
	if err == nil {
		p.evidence.Plans[r.QName()] = Plan{Sequential: strings.Contains(plan, `"Seq Scan"`)}
	}
}

// sampleTenant is a tenant of the type that nobody is.
func sampleTenant(typ string) string {
	switch typ {
	case "bigint", "integer", "smallint":
		return "0"
	}
	return "00000000-0000-0000-0000-000000000000"
}
