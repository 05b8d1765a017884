package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Gate is where it stands that a tenant is suspended: what serves asks the same place.
type Gate interface {
	// Column is the column of the tenants table that says so, "" for another place.
	Column() string
	// Suspended reports whether a tenant is suspended.
	Suspended(ctx context.Context, conn *pgx.Conn, tenant string) (bool, error)
	// Suspend suspends a tenant, or lets it in again.
	Suspend(ctx context.Context, conn *pgx.Conn, tenant string, suspended bool) error
}

// States of a tenant.
const (
	Active    = "active"
	Suspended = "suspended"
)

// errNoGate stops what may not run while the tenant is served.
var errNoGate = errors.New("nothing says where a tenant's suspension stands")

func (o *Operator) state(ctx context.Context, tenant string) (string, error) {
	if o.by.Gate == nil {
		return Active, nil
	}
	suspended, err := o.by.Gate.Suspended(ctx, o.conn, tenant)
	if err != nil {
		return "", fmt.Errorf("read the tenant's state: %w", err)
	}
	if suspended {
		return Suspended, nil
	}
	return Active, nil
}

// Suspend locks a tenant out of everything that serves, and Resume lets it in again.
func (o *Operator) Suspend(ctx context.Context, tenant string) error {
	return o.switchTo(ctx, tenant, "suspended the tenant", true)
}

// Resume lets a suspended tenant in again.
func (o *Operator) Resume(ctx context.Context, tenant string) error {
	return o.switchTo(ctx, tenant, "resumed the tenant", false)
}

var errErasing = errors.New("this tenant's erasure is requested or under way: cancel it first")

func (o *Operator) switchTo(ctx context.Context, tenant, action string, suspended bool) error {
	id, err := o.known(ctx, tenant)
	if err != nil {
		return err
	}
	if !suspended {
		if open, err := o.request(ctx, id); err != nil || open != nil {
			return cmp.Or(err, errErasing)
		}
	}
	if err := o.log(ctx, action, id, ""); err != nil {
		return err
	}
	// Whoever suspends a tenant by hand decides when it comes back, and no restore does.
	if _, err := o.conn.Exec(ctx, "DELETE FROM moat.restoring WHERE tenant = $1", id); err != nil {
		return fmt.Errorf("change the tenant's state: %w", err)
	}
	return o.set(ctx, id, suspended)
}

func (o *Operator) set(ctx context.Context, tenant string, suspended bool) error {
	if o.by.Gate == nil {
		return errNoGate
	}
	if err := o.by.Gate.Suspend(ctx, o.conn, tenant, suspended); err != nil {
		return fmt.Errorf("change the tenant's state: %w", err)
	}
	return nil
}

func (o *Operator) suspend(ctx context.Context, tenant string) error { return o.set(ctx, tenant, true) }
func (o *Operator) resume(ctx context.Context, tenant string) error  { return o.set(ctx, tenant, false) }
