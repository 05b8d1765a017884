package standing

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

//go:embed install.sql
var installTemplate string

// State is the table of suspended tenants, and Limits that of tenants with limits of their
// own.
func State() catalog.QName  { return catalog.QName{Schema: catalog.OwnSchema, Name: "tenant_state"} }
func Limits() catalog.QName { return catalog.QName{Schema: catalog.OwnSchema, Name: "tenant_limit"} }

// NotPreparedError says that the tables are missing and that the operator may not create
// them. SQL creates them, once, as an administrator.
type NotPreparedError struct{ SQL string }

func (e *NotPreparedError) Error() string {
	return "moat.tenant_state and moat.tenant_limit are missing, and this role may not create them"
}

// InstallSQL returns the script that makes the tables for these application roles, and for
// the role that operates. It changes nothing when run again.
func InstallSQL(v *policy.View, operator string, applications []string) string {
	readers := applications
	if tree := v.Model.Shapes.Tree; tree != nil {
		readers = append([]string{tree.Role}, readers...)
	}
	quoted := list.Map(readers, sqltext.Role)
	var policies []string
	for _, name := range []catalog.QName{State(), Limits()} {
		policies = append(policies, guarded(v, name, applications)...)
	}
	return strings.NewReplacer("{{column}}", sqltext.Ident(v.Model.Column), "{{type}}", v.BaseType(v.Model.Type),
		"{{policies}}", strings.Join(policies, ";\n")+";", "{{readers}}", strings.Join(quoted, ", "),
		"{{operator}}", sqltext.Role(operator)).
		Replace(installTemplate)
}

// guarded are the statements that let each tenant, and in a tree those above it, see its
// row of a table.
func guarded(v *policy.View, name catalog.QName, applications []string) []string {
	table := &catalog.Relation{Schema: name.Schema, Name: name.Name, Kind: catalog.Table,
		Columns: []catalog.Column{{Name: v.Model.Column, Type: v.BaseType(v.Model.Type)}}}
	doors := []policy.Spec{{Table: name, Name: policy.Access, Permissive: true, Command: "SELECT", Roles: applications,
		Using: "true"}}
	var sql []string
	walls := v.Walls(table, applications)
	if v.Sealed() { // nobody sets there what plain ones read: every tenant would seem active and unlimited
		walls = v.SealedWalls(table, applications)
	}
	for _, spec := range slices.Concat(walls, doors, v.TreeDoors(table, doors)) {
		sql = append(sql, policy.Drop(name, spec.Name), spec.Create())
	}
	return append(sql, policy.Enable(name)...)
}

// Installable reports whether what serves could ask the tables.
func Installable(v *policy.View, applications []string) bool { return readable(v, applications) == nil }

// readable reports why what serves could not ask the tables.
func readable(v *policy.View, applications []string) error {
	if len(applications) == 0 {
		return errors.New("no application role is known that could read moat.tenant_state: name it as roles.application")
	}
	tenants := v.Relation(v.Model.Tenants)
	if tenants == nil {
		return errors.New("no table says which tenants there are: name it as tenant.table")
	}
	for _, role := range applications {
		if !v.HasSchemaPrivilege(role, tenants.Schema, "USAGE") ||
			!v.HasColumnPrivilege(role, tenants, v.Model.Key, "SELECT") {
			return fmt.Errorf("%s cannot read which tenants there are, so that it could not refuse one: "+
				"GRANT SELECT (%s) ON %s TO %s", role, sqltext.Ident(v.Model.Key), tenants.QName().SQL(), sqltext.Role(role))
		}
	}
	return nil
}

// Install makes the tables, unless they are there, for the role that operates. It returns
// [*NotPreparedError] where the role of conn may not.
func Install(ctx context.Context, conn *pgx.Conn, v *policy.View, operator string, applications []string) error {
	const ready = "SELECT pg_catalog.to_regclass('moat.tenant_state') IS NOT NULL AND " +
		"pg_catalog.to_regclass('moat.tenant_limit') IS NOT NULL"
	var there bool
	if err := conn.QueryRow(ctx, ready).Scan(&there); err != nil || there {
		return err
	}
	if err := readable(v, applications); err != nil {
		return err
	}
	sql := InstallSQL(v, operator, applications)
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		return err
	})
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42501" {
		return &NotPreparedError{sql}
	}
	if err != nil {
		return fmt.Errorf("make moat.tenant_state and moat.tenant_limit: %w", err)
	}
	return nil
}
