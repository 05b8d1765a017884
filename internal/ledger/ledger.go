// Package ledger is the operator log in the schema moat: every use of the operator role,
// with who and why. A tenant reads the lines that are about itself.
package ledger

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

//go:embed install.sql
var installSQL string

// NotPreparedError says that the tables are missing and may not be created. SQL creates
// them, once, as an administrator.
type NotPreparedError struct{ SQL string }

func (e *NotPreparedError) Error() string {
	return "moat.operator_log is missing, and the operator role may not create it"
}

// Ready reports whether the tables are there and the role of q may write to them.
func Ready(ctx context.Context, q Querier) bool {
	const ready = `select pg_catalog.to_regclass('moat.console_state') is not null
		and pg_catalog.has_table_privilege('moat.operator_log', 'INSERT')`
	var there bool
	return q.QueryRow(ctx, ready).Scan(&there) == nil && there
}

// Querier is a connection, a pool or a transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Install creates the tables: conn is whoever may create them.
func Install(ctx context.Context, conn *pgx.Conn, v *policy.View, operator string, applications ...string) error {
	sql := SQL(v, operator, applications...)
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" {
		return &NotPreparedError{SQL: sql}
	}
	return err
}

// Column is the tenant column of the tables, as SQL.
func Column(v *policy.View) string { return sqltext.Ident(v.Model.Column) }

// Record writes one line. An empty tenant stands for all of them.
func Record(ctx context.Context, q Querier, v *policy.View, operator, action, tenant, reason, details string) error {
	var of any
	if tenant != "" {
		of = tenant
	}
	_, err := q.Exec(ctx, "insert into moat.operator_log (operator, action, "+Column(v)+", reason, details) "+
		"values ($1, $2, $3, $4, $5)", operator, action, of, reason, details)
	return err
}

// SQL creates the tables in one database. One without an application role yet has nobody
// else to grant anything to.
func SQL(v *policy.View, operator string, applications ...string) string {
	if len(applications) == 0 {
		applications = []string{operator}
	}
	var policies, roles []string
	for _, name := range []string{"operator_log", "tenant_seen"} {
		table := catalog.QName{Schema: "moat", Name: name}
		policies = append(policies, v.Pair(table, isolation(v), applications)...)
		policies = append(policies, policy.Enable(table)...)
	}
	roles = append(roles, list.Map(applications, sqltext.Role)...)
	return strings.NewReplacer(
		"{{column}}", Column(v), "{{type}}", v.Model.Type, "{{policies}}", strings.Join(policies, ";\n")+";",
		"{{application}}", strings.Join(roles, ", "), "{{operator}}", sqltext.Role(operator),
	).Replace(installSQL)
}

// isolation is the condition that the tenant tables have, so that the log is isolated
// in the way they are, sealed mode included; where there is none yet, the plain one.
func isolation(v *policy.View) string {
	m := v.Model
	for _, t := range m.Tables {
		r := v.Relation(t.Table)
		if t.Class != catalog.TenantTable || t.Column != m.Column || r == nil {
			continue
		}
		for _, p := range r.Policies {
			if !p.Permissive && p.Command == "ALL" && p.Using != nil && byColumnAlone(v.Judge(p.Using, r)) {
				return p.Using.Text
			}
		}
	}
	form := v.FormOf(&catalog.Relation{Kind: catalog.Table})
	return policy.Isolating(m.Column, cmp.Or(m.Setting, tenancy.DefaultSetting), m.Type, form)
}

// byColumnAlone says whether a condition isolates by the tenant column and reads nothing
// else: one that reads another table is of its own table's making.
func byColumnAlone(j policy.Judgement) bool {
	return j.Isolates && len(j.Columns) == 1 && len(j.Subqueries) == 0
}
