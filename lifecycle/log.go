package lifecycle

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/ledger"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/internal/standing"
	"github.com/moat-db/moat/policy"
)

//go:embed install.sql
var installSQL string

// NotPreparedError says that moat's own tables are missing and that the operator may not
// create them. SQL creates them, once, as an administrator.
type NotPreparedError = ledger.NotPreparedError

// prepare creates moat's own tables, unless they are there.
func (o *Operator) prepare(ctx context.Context) error {
	if o.ready(ctx) {
		return nil
	}
	sql := TablesSQL(o.view, o.conn.Config().User)
	_, err := o.conn.PgConn().Exec(ctx, o.asOwner()+sql).ReadAll()
	if sqlState(err) == "42501" {
		err = &NotPreparedError{SQL: sql}
	}
	if err != nil {
		return fmt.Errorf("prepare the operator log: %w", err)
	}
	return nil
}

// asOwner makes the tables those of the schema's owner, as if an administrator had run the
// script: the operator's own log would be the operator's to change.
func (o *Operator) asOwner() string {
	s, role := o.view.Schema(catalog.OwnSchema), o.conn.Config().User
	if s == nil || s.Owner == role || o.view.Role(role).Super || !o.view.MemberOf(role, s.Owner, catalog.Set) {
		return ""
	}
	return "SET LOCAL ROLE " + sqltext.Role(s.Owner) + ";\n"
}

func (o *Operator) ready(ctx context.Context) bool {
	const ready = `SELECT pg_catalog.has_table_privilege('moat.certificate', 'INSERT')
		AND pg_catalog.has_table_privilege('moat.erasure', 'INSERT')
		AND pg_catalog.has_table_privilege('moat.restoring', 'INSERT')`
	var there bool
	return ledger.Ready(ctx, o.conn) && o.conn.QueryRow(ctx, ready).Scan(&there) == nil && there
}

// TablesSQL is the SQL that an administrator runs once: it makes moat's own tables, and
// lets a role write to them. It may be run again.
func TablesSQL(v *policy.View, operator string) string {
	sql := ledger.SQL(v, operator, v.Model.Roles...) +
		strings.ReplaceAll(installSQL, "{{operator}}", sqltext.Role(operator))
	if standing.Installable(v, v.Model.Roles) {
		sql += standing.InstallSQL(v, operator, v.Model.Roles)
	}
	for _, p := range (&Operator{view: v}).own("") {
		sql += "GRANT SELECT, DELETE ON " + p.name().SQL() + " TO " + sqltext.Role(operator) + ";\n"
	}
	return sql
}

// SetupSQL is [TablesSQL], and grants the operator what it needs on the tables of tenants.
func SetupSQL(v *policy.View, operator string) string {
	role := sqltext.Role(operator)
	var b strings.Builder
	b.WriteString(TablesSQL(v, operator))
	// A restore loads into temporary tables.
	fmt.Fprintf(&b, "GRANT TEMPORARY ON DATABASE %s TO %s;\n", sqltext.Ident(v.Snapshot.Database.Name), role)
	schemas := map[string]bool{"moat": true}
	for t := range catalog.Each(v.Model.Tables) {
		r := v.Relation(t.Table)
		shared := t.Class == catalog.SharedTable // tenants' rows refer to them
		if r == nil || r.Partition || !shared && !t.Class.HasTenants() {
			continue
		}
		if !schemas[r.Schema] {
			fmt.Fprintf(&b, "GRANT USAGE ON SCHEMA %s TO %s;\n", sqltext.Ident(r.Schema), role)
			schemas[r.Schema] = true
		}
		rights := "SELECT, INSERT, UPDATE, DELETE"
		if shared || t.Class == catalog.PeopleTable {
			rights = "SELECT"
		}
		fmt.Fprintf(&b, "GRANT %s ON %s TO %s;\n", rights, t.Table.SQL(), role)
	}
	if all, err := parts(v, ""); err == nil && v.Snapshot.Version >= maintain {
		for _, r := range (&Operator{view: v}).views(all) {
			b.WriteString(maintainSQL(r, operator) + ";\n")
		}
	}
	for s := range catalog.Each(v.Snapshot.Relations) {
		if s.Kind == catalog.Sequence && schemas[s.Schema] && s.Schema != "moat" {
			fmt.Fprintf(&b, "GRANT USAGE, SELECT, UPDATE ON SEQUENCE %s TO %s;\n", s.QName().SQL(), role)
		}
	}
	return b.String()
}

// log writes a line before the act it is about: what cannot be logged is not done. The
// tenant sees the lines that name it.
func (o *Operator) log(ctx context.Context, action, tenant, details string) error {
	if err := o.prepare(ctx); err != nil {
		return err
	}
	err := ledger.Record(ctx, o.conn, o.view, o.by.Name, action, tenant, o.by.Reason, details)
	if err != nil {
		return errors.Join(errors.New("nothing was done: the operator log took no line"), err)
	}
	return nil
}
