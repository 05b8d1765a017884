package standing

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// Operator is a connection or transaction of a role that sees the rows of all tenants.
type Operator interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Limit is what one tenant may take. A nil field means what all may take.
type Limit struct {
	// RequestsPerSecond and Burst of requests to the API and the portal.
	RequestsPerSecond *float64 `json:"requests_per_second"`
	Burst             *int     `json:"burst"`
	// Concurrent statements of theirs, and Connections through the proxy.
	Concurrent  *int `json:"concurrent"`
	Connections *int `json:"connections"`
}

// Suspend suspends a tenant. Of one that is suspended already, when and why stays.
func Suspend(ctx context.Context, o Operator, v *policy.View, tenant, by, reason string) error {
	_, err := o.Exec(ctx, "INSERT INTO "+State().SQL()+" ("+sqltext.Ident(v.Model.Column)+", suspended_by, reason) "+
		"VALUES ("+value(v)+", $2, $3) ON CONFLICT DO NOTHING", tenant, by, reason)
	return err
}

// there reports whether a table was made.
func there(ctx context.Context, o Operator, table catalog.QName) (is bool, err error) {
	err = o.QueryRow(ctx, "SELECT pg_catalog.to_regclass($1) IS NOT NULL", table.SQL()).Scan(&is)
	return is, err
}

// Suspended reports whether moat.tenant_state suspends a tenant. Without the table it does not.
func Suspended(ctx context.Context, o Operator, v *policy.View, tenant string) (is bool, err error) {
	if made, err := there(ctx, o, State()); err != nil || !made {
		return false, err
	}
	err = o.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+State().SQL()+" WHERE "+sqltext.Ident(v.Model.Column)+" = "+
		value(v)+")", tenant).Scan(&is)
	return is, err
}

// Resume lets a tenant in again. Without the table it is not out.
func Resume(ctx context.Context, o Operator, v *policy.View, tenant string) error {
	if made, err := there(ctx, o, State()); err != nil || !made {
		return err
	}
	_, err := o.Exec(ctx, "DELETE FROM "+State().SQL()+" WHERE "+sqltext.Ident(v.Model.Column)+" = "+value(v), tenant)
	return err
}

// SetLimit gives a tenant its limits in place of those it had. The zero Limit takes them
// away.
func SetLimit(ctx context.Context, o Operator, v *policy.View, tenant string, l Limit) error {
	column := sqltext.Ident(v.Model.Column)
	if l == (Limit{}) {
		_, err := o.Exec(ctx, "DELETE FROM "+Limits().SQL()+" WHERE "+column+" = "+value(v), tenant)
		return err
	}
	_, err := o.Exec(ctx, "INSERT INTO "+Limits().SQL()+" ("+column+
		", requests_per_second, burst, concurrent, connections) VALUES ("+value(v)+", $2, $3, $4, $5) "+
		"ON CONFLICT ("+column+") DO UPDATE SET requests_per_second = $2, burst = $3, "+
		"concurrent = $4, connections = $5", tenant, l.RequestsPerSecond, l.Burst, l.Concurrent, l.Connections)
	return err
}

// LimitSQL selects the limits of the tenant $1, for [Limit.Scan]; no row where it has none.
func LimitSQL(v *policy.View) string {
	return "SELECT requests_per_second, burst, concurrent, connections FROM " + Limits().SQL() + " WHERE " +
		sqltext.Ident(v.Model.Column) + " = " + value(v)
}

// Read reads the limits of a tenant as an operator.
func (l *Limit) Read(ctx context.Context, o Operator, v *policy.View, tenant string) error {
	if made, err := there(ctx, o, Limits()); err != nil || !made {
		return err
	}
	return l.Scan(o.QueryRow(ctx, LimitSQL(v), tenant))
}

// String names what is limited.
func (l Limit) String() string {
	var all []string
	if l.RequestsPerSecond != nil {
		all = append(all, fmt.Sprintf("requests a second %g", *l.RequestsPerSecond))
	}
	for _, one := range []struct {
		what string
		n    *int
	}{{"burst", l.Burst}, {"concurrent statements", l.Concurrent}, {"proxy connections", l.Connections}} {
		if one.n != nil {
			all = append(all, fmt.Sprintf("%s %d", one.what, *one.n))
		}
	}
	if all == nil {
		return "the limits of all"
	}
	return strings.Join(all, ", ")
}

// Scan reads a row of LimitSQL. Without one the limit is that of all.
func (l *Limit) Scan(row pgx.Row) error {
	err := row.Scan(&l.RequestsPerSecond, &l.Burst, &l.Concurrent, &l.Connections)
	if err == pgx.ErrNoRows {
		*l, err = Limit{}, nil
	}
	if err != nil {
		return fmt.Errorf("read the tenant's limits: %w", err)
	}
	return nil
}

// value is the tenant $1, a text, as the type of the column.
func value(v *policy.View) string { return "$1::text::" + v.BaseType(v.Model.Type) }
