package why

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// plan is what the server says of the statement for a role that no policy binds: there a
// scan's filter is the statement's own condition on that table.
type plan struct {
	known bool
	scans []scan
	// outer: some join keeps rows that have no partner, or those that have none, or a subquery
	// is asked whose emptiness may mean either.
	outer bool
}

type scan struct {
	table  catalog.QName
	alias  string
	filter string
}

// node is a node of EXPLAIN (FORMAT JSON).
type node struct {
	Type     string `json:"Node Type"`
	Schema   string `json:"Schema"`
	Relation string `json:"Relation Name"`
	Alias    string `json:"Alias"`
	Filter   string `json:"Filter"`
	Join     string `json:"Join Type"`
	Subplan  string `json:"Subplan Name"`
	Plans    []node `json:"Plans"`
}

// scanning leaves only scans of whole tables, whose filters name no other table.
const scanning = `SELECT pg_catalog.set_config('enable_indexscan', 'off', true),
	pg_catalog.set_config('enable_indexonlyscan', 'off', true), pg_catalog.set_config('enable_bitmapscan', 'off', true),
	pg_catalog.set_config('enable_tidscan', 'off', true), pg_catalog.set_config('enable_nestloop', 'off', true),
	pg_catalog.set_config('enable_partition_pruning', 'off', true),
	pg_catalog.set_config('max_parallel_workers_per_gather', '0', true), pg_catalog.set_config('jit', 'off', true)`

// explain asks for the statement's plan as the operator. It is not asked where the
// statement might run code of somebody else with the operator's rights.
func (a *asker) explain(ctx context.Context) error {
	if a.verb() == "COPY" || a.foreign() {
		return nil
	}
	var root []struct{ Plan node }
	err := a.asOperator(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, scanning); err != nil {
			return err
		}
		text, err := explained(ctx, tx.Conn().PgConn(), "EXPLAIN (FORMAT JSON, VERBOSE, COSTS OFF) "+a.SQL, a.Args)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &root)
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		a.unknown("Rows were not counted: the operator cannot plan the statement: %s.", pg.Message)
		return nil
	}
	if err != nil {
		return err
	}
	for i := range root {
		a.plan.known = true
		a.plan.add(&root[i].Plan)
	}
	return nil
}

// foreign says, and notes, that the statement names a function, an operator or a cast that
// neither PostgreSQL nor an extension brought, or a view.
func (a *asker) foreign() bool {
	s := a.view.Snapshot
	for i := range s.Functions {
		if f := &s.Functions[i]; !f.System && f.Extension == "" && a.names(f.Name) {
			a.unknown("Rows were not counted: the statement names %s, which is not run as the operator.", f.Signature())
			return true
		}
	}
	for _, o := range s.Operators {
		if strings.Contains(a.SQL, o.Name) {
			a.unknown("Rows were not counted: the statement uses the operator %s, which is not run as the operator.", o)
			return true
		}
	}
	for _, r := range a.reads {
		if r.rel.Kind != catalog.Table && r.rel.Kind != catalog.PartitionedTable {
			a.unknown("Rows were not counted: the statement reads the %s %s, whose query is not run as the operator.",
				r.rel.Kind, r.rel.QName())
			return true
		}
	}
	return false
}

// asOperator runs fn in a transaction of the operator's that only reads, with the names and
// the settings of the application's.
func (a *asker) asOperator(ctx context.Context, fn func(pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, a.operator, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT pg_catalog.set_config('search_path', $1, true), "+
			"pg_catalog.set_config('statement_timeout', $2, true)", list.Join(a.session.path, ", ", sqltext.Ident),
			fmt.Sprint(a.Timeout.Milliseconds()))
		if err != nil {
			return err
		}
		return fn(tx)
	})
	if err != nil {
		return fmt.Errorf("look as the operator: %w", err)
	}
	return nil
}

func explained(ctx context.Context, conn *pgconn.PgConn, sql string, args []string) ([]byte, error) {
	values := list.Map(args, func(arg string) []byte { return []byte(arg) })
	r := conn.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	if r.Err != nil || len(r.Rows) == 0 {
		return nil, r.Err
	}
	return r.Rows[0][0], nil
}

func (p *plan) add(n *node) {
	if n.Relation != "" && n.Type != "ModifyTable" {
		p.scans = append(p.scans, scan{catalog.QName{Schema: n.Schema, Name: n.Relation}, n.Alias, n.Filter})
	}
	p.outer = p.outer || n.Join != "" && n.Join != "Inner" && n.Join != "Semi" || n.Subplan != ""
	for i := range n.Plans {
		p.add(&n.Plans[i])
	}
}

// condition is the statement's own on one table: the filter of its one scan, or of the
// scans of its partitions, where all have the same.
type condition struct {
	alias, sql string
	partial    bool
}

func (a *asker) condition(r *reading) (condition, bool) {
	var found *condition
	for _, s := range a.plan.scans {
		rel := a.view.Relation(s.table)
		below := rel != nil && rel != r.rel && slices.Contains(a.view.Descendants(r.rel), rel)
		if rel == nil || rel != r.rel && !below {
			continue
		}
		c := s.condition()
		if found != nil && (!below || strings.ReplaceAll(c.sql, c.alias+".", "") !=
			strings.ReplaceAll(found.sql, found.alias+".", "")) {
			return condition{}, false
		}
		if found == nil {
			found = &c
		}
	}
	if found == nil {
		return condition{}, false
	}
	return *found, true
}

// elsewhere marks what a filter takes from another part of the plan.
var elsewhere = regexp.MustCompile(`\$\d|\b(SubPlan|InitPlan|ANY_SUBLINK)\b`)

func (s scan) condition() condition {
	c := condition{alias: s.alias, sql: "true"}
	var kept []string
	for _, part := range sqltext.Conjuncts(s.filter) {
		if elsewhere.MatchString(part) {
			c.partial = true
			continue
		}
		kept = append(kept, "("+part+")")
	}
	if len(kept) > 0 {
		c.sql = strings.Join(kept, " AND ")
	}
	return c
}
