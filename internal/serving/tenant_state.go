package serving

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/standing"
	"github.com/moat-db/moat/policy"
)

// TenantState is where it stands whether a tenant is suspended, for whoever changes it: an
// operator, over a connection of its own. What serves reads the same places.
type TenantState struct {
	view    *policy.View
	tenants *Tenants // nil where no table lists them
	// By and Reason stand in moat.tenant_state; the zero By is the connection's role.
	By, Reason string
}

// ErrNoSuspension says that nothing can suspend a tenant.
var ErrNoSuspension = errors.New("no table says which tenants there are, so that none can be suspended: " +
	"name it as tenant.table")

// NewTenantState finds the places.
func NewTenantState(v *policy.View, suspended string) (*TenantState, error) {
	t, err := Expose(v).Tenants(suspended)
	return &TenantState{view: v, tenants: t}, err
}

// TenantStateOf is for whoever has found the places already.
func TenantStateOf(v *policy.View, t *Tenants) *TenantState { return &TenantState{view: v, tenants: t} }

// Column is the column of the tenants table; "" where there is none.
func (s *TenantState) Column() string {
	if s.tenants == nil || s.tenants.Suspension == nil {
		return ""
	}
	return s.tenants.Suspension.Column
}

// Suspended reports whether a tenant is suspended.
func (s *TenantState) Suspended(ctx context.Context, conn *pgx.Conn, tenant string) (suspended bool, err error) {
	if s.tenants == nil {
		return false, nil
	}
	if suspended, err = standing.Suspended(ctx, conn, s.view, tenant); err != nil || suspended {
		return suspended, err
	}
	return s.tenants.suspended(ctx, conn, s.view, tenant)
}

// Suspend suspends a tenant, or lets it in again. One without a row is let in by nobody.
func (s *TenantState) Suspend(ctx context.Context, conn *pgx.Conn, tenant string, suspended bool) error {
	if s.tenants == nil {
		return ErrNoSuspension
	}
	if !suspended {
		return s.tenants.Resume(ctx, conn, s.view, tenant)
	}
	operator := conn.Config().User
	if _, ok := s.tenants.Suspension.Set(true); !ok {
		if err := standing.Install(ctx, conn, s.view, operator, s.view.Model.Roles); err != nil {
			return err
		}
	}
	return s.tenants.Suspend(ctx, conn, s.view, tenant, cmp.Or(s.By, operator), s.Reason)
}
