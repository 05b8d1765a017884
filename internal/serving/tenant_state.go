package serving

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// TenantState is where it stands whether a tenant is suspended, for whoever changes it: an
// operator, over a connection of its own. What serves reads the same column.
type TenantState struct {
	tenants *Tenants
	typ     string
}

// ErrNoSuspension says that nothing can suspend a tenant.
var ErrNoSuspension = errors.New("no column suspends a tenant: add one to the tenants table, such as suspended_at " +
	"timestamptz, or name yours as tenant.suspended_column")

// NewTenantState finds the column. It returns nil where there is none, so that only what needs
// to suspend fails.
func NewTenantState(v *policy.View, suspended string) (*TenantState, error) {
	t, err := Expose(v).Tenants(suspended)
	if err != nil || t == nil || t.Suspension == nil {
		return &TenantState{}, err
	}
	return &TenantState{t, v.BaseType(t.Relation.Column(t.Key).Type)}, nil
}

// Column is the column of the tenants table; "" where there is none.
func (s *TenantState) Column() string {
	if s.tenants == nil {
		return ""
	}
	return s.tenants.Suspension.Column
}

// Suspended reports whether a tenant is suspended.
func (s *TenantState) Suspended(ctx context.Context, conn *pgx.Conn, tenant string) (suspended bool, err error) {
	if s.tenants == nil {
		return false, nil
	}
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+s.tenants.QName().SQL()+" WHERE "+s.is()+" AND "+
		s.tenants.Suspension.SQL()+")", tenant).Scan(&suspended)
	return suspended, err
}

// Suspend suspends a tenant, or lets it in again. One without a row is let in by nobody.
func (s *TenantState) Suspend(ctx context.Context, conn *pgx.Conn, tenant string, suspended bool) error {
	if s.tenants == nil {
		return ErrNoSuspension
	}
	value, ok := s.tenants.Suspension.Set(suspended)
	if !ok {
		return errors.New("the column " + s.Column() + " holds words: change it yourself")
	}
	_, err := conn.Exec(ctx, "UPDATE "+s.tenants.QName().SQL()+" SET "+sqltext.Ident(s.Column())+" = "+value+" WHERE "+
		s.is(), tenant)
	return err
}

func (s *TenantState) is() string {
	return sqltext.Ident(s.tenants.Key) + " = $1::text::" + s.typ
}
