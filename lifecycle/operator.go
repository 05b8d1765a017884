package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// Operator works on whole tenants over one connection. It is not safe for concurrent use.
type Operator struct {
	conn *pgx.Conn
	view *policy.View
	by   Options
}

// Options say who acts, and why: every act is logged with both.
type Options struct {
	// Name of the person; "" means the role of the connection.
	Name string
	// Reason is required for every act, looks included.
	Reason string
	// Gate is where suspension stands; nil allows only what a tenant may be served during.
	Gate Gate
}

// ErrNoReason is returned where Options.Reason is empty.
var ErrNoReason = errors.New("an act on a tenant needs a reason")

// NoSuchTenantError names a tenant that is not in the tenants table.
type NoSuchTenantError struct{ Tenant string }

func (e *NoSuchTenantError) Error() string { return "no tenant " + e.Tenant }

// NewOperator returns an Operator. The role of conn must see all rows: row_security is
// off for the connection from here on, so that PostgreSQL refuses what a policy would
// have filtered. The view is that of package tenancy, read over the same database.
func NewOperator(ctx context.Context, conn *pgx.Conn, view *policy.View, by Options) (*Operator, error) {
	if strings.TrimSpace(by.Reason) == "" {
		return nil, ErrNoReason
	}
	if by.Name == "" {
		by.Name = conn.Config().User
	}
	// Texts of values are compared and kept: they may not depend on the session.
	for _, set := range []string{"row_security = off", "datestyle = 'ISO, MDY'", "intervalstyle = 'postgres'",
		"timezone = 'UTC'", "extra_float_digits = 1", "bytea_output = 'hex'",
		"statement_timeout = 0", "idle_in_transaction_session_timeout = 0", "jit = off"} {
		if _, err := conn.Exec(ctx, "SET "+set); err != nil {
			return nil, fmt.Errorf("prepare the connection: %w", err)
		}
	}
	return &Operator{conn: conn, view: view, by: by}, nil
}

// known checks that a tenant exists, and returns its id as the database writes it. A
// database without a table of tenants knows those that have rows.
func (o *Operator) known(ctx context.Context, tenant string) (string, error) {
	id, found, err := o.lookUp(ctx, tenant)
	if err != nil {
		return "", err
	}
	if !found {
		return "", &NoSuchTenantError{tenant}
	}
	return id, nil
}

func (o *Operator) lookUp(ctx context.Context, tenant string) (id string, found bool, err error) {
	m := o.view.Model
	typ := m.Type
	if r := o.view.Relation(m.Tenants); r != nil {
		typ = r.Column(m.Key).Type
	}
	if err := o.conn.QueryRow(ctx, "SELECT ("+literal(o.view, tenant, typ)+")::text").Scan(&id); err != nil {
		return "", false, fmt.Errorf("%q is not a tenant's id: %w", tenant, err)
	}
	all, err := parts(o.view, id)
	if err != nil {
		return "", false, err
	}
	if p := find(o.view, all, m.Tenants); m.Key != "" && p != nil {
		all = []*part{p}
	}
	for _, p := range all {
		if err := o.conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+p.from()+" WHERE "+
			""+p.where()+")").Scan(&found); err != nil {
			return "", false, fmt.Errorf("look for the tenant in %s: %w", p.name(), err)
		}
		if found {
			break
		}
	}
	return id, found, nil
}

// MissingRightsError lists what the operator's role may not do, and the statements that
// grant it.
type MissingRightsError struct {
	Role   string
	Grants []string
}

func (e *MissingRightsError) Error() string {
	return fmt.Sprintf("the role %s may not do this; as the owner or a superuser:\n  %s;", e.Role,
		strings.Join(e.Grants, ";\n  "))
}

// require checks privileges on all parts before the first is touched.
func (o *Operator) require(all []*part, privileges ...string) error {
	role := o.conn.Config().User
	e := &MissingRightsError{Role: role}
	for _, p := range all {
		missing := list.Filter(privileges, func(privilege string) bool {
			return !o.view.HasTablePrivilege(role, p.table, privilege)
		})
		if !o.view.HasSchemaPrivilege(role, p.table.Schema, "USAGE") {
			e.Grants = append(e.Grants, "GRANT USAGE ON SCHEMA "+sqltext.Ident(p.table.Schema)+" TO "+sqltext.Role(role))
		}
		if len(missing) > 0 {
			e.Grants = append(e.Grants, "GRANT "+strings.Join(missing, ", ")+" ON "+p.name().SQL()+" TO "+sqltext.Role(role))
		}
	}
	if len(e.Grants) > 0 {
		return e
	}
	return nil
}

// sqlState is the SQLSTATE of an error, "" for those that are not PostgreSQL's.
func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// writable are the columns of a table that rows are written with: generated ones make
// themselves.
func writable(r *catalog.Relation) []string {
	return list.Pick(r.Columns, func(c catalog.Column) (string, bool) { return c.Name, c.Generated == "" })
}

func columns(alias string, names []string) string {
	return list.Join(names, ", ", func(name string) string { return alias + "." + sqltext.Ident(name) })
}
