package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// Probe asks the database what its catalog does not say: how many rows refer to
// another tenant's, how the planner reads big tables as an application role, and whether the
// shards of distributed tables have the policies of the table. Each
// question is a read-only transaction of its own that waits at most five seconds; they
// are sent without waiting for one another's answers.
//
// Counting requires a superuser or BYPASSRLS: policies would hide what is looked for.
// What could not be counted is in [Evidence.Unseen]. It returns an error only when ctx
// is done or the connection is no longer usable.
func Probe(ctx context.Context, conn *pgx.Conn, v *policy.View) (Evidence, error) {
	p := prober{facts: newFacts(v, Options{}), evidence: Evidence{Plans: map[catalog.QName]Plan{},
		Orphans: map[catalog.QName]int64{}, Placements: map[catalog.QName]Placements{},
		Hot: map[catalog.QName]string{}}}
	for _, r := range p.facts.keyedTables {
		for i := range r.Constraints {
			if fk := &r.Constraints[i]; p.facts.crosses(r, fk) {
				p.count(r, fk)
			}
		}
		if r.RLS && r.Estimate.Rows >= bigTable {
			p.explain(r)
		}
		if p.facts.hot(r) {
			p.largest(r)
		}
	}
	for _, r := range p.facts.untied() {
		p.orphans(r)
	}
	p.sealKeys()
	p.placements()
	ask(ctx, conn.PgConn(), p.questions)
	if conn.IsClosed() {
		return p.evidence, errors.New("connection lost while probing")
	}
	return p.evidence, ctx.Err()
}

type prober struct {
	facts     *facts
	questions []question
	evidence  Evidence
}

// count counts the rows that a foreign key lets refer to another tenant's.
func (p *prober) count(r *catalog.Relation, fk *catalog.Constraint) {
	query := p.facts.crossingSQL(r, fk)
	found := CrossingRows{Table: r.QName(), Constraint: fk.Name, References: fk.References, Query: "SELECT c.* " + query}
	answer := func(rows []string, err error) {
		if err == nil {
			found.Rows, err = strconv.ParseInt(strings.Join(rows, ""), 10, 64)
		}
		if err != nil {
			p.unseen("Rows that refer to another tenant through %s of %s were not counted: %v.", fk.Name, r.QName(), err)
			return
		}
		p.evidence.Crossing = append(p.evidence.Crossing, found)
	}
	if !p.facts.bypasses(p.facts.s.User) {
		answer(nil, errors.New("this requires a superuser or BYPASSRLS"))
		return
	}
	p.questions = append(p.questions, question{sql: "SELECT count(*) " + query, answer: answer})
}

// orphans counts the rows of tenants that do not exist.
func (p *prober) orphans(r *catalog.Relation) {
	if !p.facts.bypasses(p.facts.s.User) {
		p.unseen("Rows of %s whose tenant does not exist were not counted: this requires a superuser or BYPASSRLS.",
			r.QName())
		return
	}
	p.questions = append(p.questions, question{sql: p.facts.orphansSQL(r), answer: func(rows []string, err error) {
		var n int64
		if err == nil {
			n, err = strconv.ParseInt(strings.Join(rows, ""), 10, 64)
		}
		if err != nil {
			p.unseen("Rows of %s whose tenant does not exist were not counted: %v.", r.QName(), err)
			return
		}
		p.evidence.Orphans[r.QName()] = n
	}})
}

func (p *prober) unseen(format string, args ...any) {
	p.evidence.Unseen = append(p.evidence.Unseen, fmt.Sprintf(format, args...))
}

// crossingSQL is the FROM and WHERE that find rows of one tenant that refer to
// another's.
func (f *facts) crossingSQL(r *catalog.Relation, fk *catalog.Constraint) string {
	own, ref := f.tenantColumn(r.QName()), f.tenantColumn(fk.References)
	return fmt.Sprintf("FROM %s c JOIN %s p ON %s WHERE c.%s IS DISTINCT FROM p.%s", r.QName().SQL(), fk.References.SQL(),
		sqltext.Pairs("p", fk.RefColumns, "c", fk.Columns), sqltext.Ident(own), sqltext.Ident(ref))
}

// explain asks for the plan of one tenant's rows as the first application role that
// may read them. Where the connected role may not become that one, nothing is learnt.
func (p *prober) explain(r *catalog.Relation) {
	f := p.facts
	i := slices.IndexFunc(f.apps, func(app string) bool { return f.touches(app, r, "SELECT") && !f.bypasses(app) })
	if i < 0 {
		return
	}
	p.questions = append(p.questions, question{
		settings: []string{"role", f.apps[i], f.m.Setting, sampleTenant(f.m.Type)},
		sql:      "EXPLAIN (FORMAT JSON) SELECT * FROM " + r.QName().SQL(),
		answer: func(rows []string, err error) {
			if err == nil {
				p.evidence.Plans[r.QName()] = Plan{Sequential: strings.Contains(strings.Join(rows, ""), `"Seq Scan"`)}
			}
		},
	})
}

// sampleTenant is a tenant of the type that nobody is.
func sampleTenant(typ string) string {
	switch typ {
	case "bigint", "integer", "smallint":
		return "0"
	}
	return "00000000-0000-0000-0000-000000000000"
}

// largest asks the statistics which tenant has the most rows. Where the role may not read
// them, the finding goes without the name.
func (p *prober) largest(r *catalog.Relation) {
	sql := fmt.Sprintf("SELECT (most_common_vals::text::text[])[1] FROM pg_catalog.pg_stats WHERE schemaname = %s "+
		"AND tablename = %s AND attname = %s AND NOT inherited", sqltext.Literal(r.Schema), sqltext.Literal(r.Name),
		sqltext.Literal(p.facts.tenantColumn(r.QName())))
	p.questions = append(p.questions, question{sql: sql, answer: func(rows []string, err error) {
		if err == nil && len(rows) == 1 {
			p.evidence.Hot[r.QName()] = rows[0]
		}
	}})
}

// sealKeys looks for keys of sealed mode that should have been retired.
func (p *prober) sealKeys() {
	if p.facts.look.Relation(sealKeyTable) == nil {
		return
	}
	p.questions = append(p.questions, question{
		sql: `SELECT k.id FROM moat.seal_key k WHERE k.valid_until IS NULL
			AND EXISTS (SELECT FROM moat.seal_key n
				WHERE n.created_at > k.created_at AND n.created_at < now() - interval '1 day')
			ORDER BY k.created_at`,
		answer: func(rows []string, err error) {
			if err != nil {
				p.unseen("The ages of the keys of sealed mode could not be read: %v.", err)
			}
			p.evidence.SealKeys = rows
		},
	})
}

// question is what is asked in one transaction.
type question struct {
	settings []string // names and values, for this transaction
	sql      string
	answer   func(rows []string, err error) // the first column
}

// inFlight bounds the questions whose answers are not read yet.
const inFlight = 100

// ask puts the questions one after the other and hears the answers in their order. Up
// to its sync a question is an implicit transaction, which fails alone.
func ask(ctx context.Context, conn *pgconn.PgConn, all []question) {
	for some := range slices.Chunk(all, inFlight) {
		line := conn.StartPipeline(ctx)
		for _, q := range some {
			line.SendQueryParams(q.settingsSQL(), nil, nil, nil, nil)
			line.SendQueryParams(q.sql, nil, nil, nil, nil)
			line.SendPipelineSync()
		}
		err := line.Flush()
		for _, q := range some {
			if err == nil {
				q.answer(readAnswer(line))
			} else {
				q.answer(nil, err)
			}
		}
		line.Close()
	}
}

// settingsSQL makes the transaction read-only and patient for five seconds.
func (q question) settingsSQL() string {
	settings := []string{"transaction_read_only", "on", "statement_timeout", "5s", "lock_timeout", "5s"}
	var calls []string
	for pair := range slices.Chunk(append(settings, q.settings...), 2) {
		calls = append(calls, "set_config("+sqltext.Literal(pair[0])+", "+sqltext.Literal(pair[1])+", true)")
	}
	return "SELECT " + strings.Join(calls, ", ")
}

// readAnswer reads up to the sync. The last result is the answer's, unless anything failed.
func readAnswer(line *pgconn.Pipeline) (rows []string, err error) {
	for {
		got, failed := line.GetResults()
		if result, ok := got.(*pgconn.ResultReader); ok {
			rows = nil
			for result.NextRow() {
				rows = append(rows, string(result.Values()[0]))
			}
			_, failed = result.Close()
		}
		if err == nil {
			err = failed
		}
		var refused *pgconn.PgError
		if _, synced := got.(*pgconn.PipelineSync); synced || got == nil && !errors.As(failed, &refused) {
			return rows, err
		}
	}
}
