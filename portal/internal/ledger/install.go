package ledger

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

//go:embed install.sql
var installSQL string

// Prepare creates the tables, unless they are there. It may be called again.
func (l *Ledger) Prepare(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.installed {
		return nil
	}
	if err := l.create(ctx); err != nil {
		return fmt.Errorf("prepare the operator log: %w", err)
	}
	l.installed = true
	return nil
}

// create runs install.sql, unless the tables are there: an admin need not be at hand
// once they are.
func (l *Ledger) create(ctx context.Context) error {
	const ready = `select pg_catalog.to_regclass('moat.console_state') is not null
		and pg_catalog.has_table_privilege('moat.operator_log', 'INSERT')`
	var there bool
	if err := l.Pool.QueryRow(ctx, ready).Scan(&there); err == nil && there {
		return nil
	}
	var operator string
	if err := l.Pool.QueryRow(ctx, "select current_user::text").Scan(&operator); err != nil {
		return err
	}
	v, err := l.Read(ctx)
	if err != nil {
		return err
	}
	conn, err := l.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	sql := script(v, operator)
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" {
		return &NotPreparedError{SQL: sql}
	}
	return err
}

// NotPreparedError says that the tables are missing and may not be created. SQL creates
// them, once, as an administrator.
type NotPreparedError struct{ SQL string }

func (e *NotPreparedError) Error() string {
	return "moat.operator_log is missing, and the operator role may not create it"
}

// Connect connects as who may create the tables and read the whole catalog.
func (l *Ledger) Connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.ConnectConfig(ctx, l.AdminConfig())
}

// AdminConfig is how to connect as that role: the operator itself where no other is known.
func (l *Ledger) AdminConfig() *pgx.ConnConfig {
	return cmp.Or(l.Admin, l.Pool.Config().ConnConfig).Copy()
}

// script is install.sql for a database whose application role read the catalog.
func script(v *policy.View, operator string) string {
	application := v.Snapshot.User
	var policies []string
	for _, name := range []string{"operator_log", "tenant_seen"} {
		table := catalog.QName{Schema: "moat", Name: name}
		policies = append(policies, v.Pair(table, isolation(v), []string{application})...)
		policies = append(policies, policy.Enable(table)...)
	}
	return strings.NewReplacer(
		"{{column}}", sqltext.Ident(v.Model.Column), "{{type}}", v.Model.Type, "{{policies}}", strings.Join(policies,
			";\n")+";",
		"{{application}}", sqltext.Role(application), "{{operator}}", sqltext.Role(operator),
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
