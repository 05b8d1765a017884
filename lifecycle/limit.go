package lifecycle

import (
	"context"
	"fmt"

	"github.com/moat-db/moat/internal/standing"
)

// Limit is what one tenant may take of a server. A nil field means what all may take.
type Limit = standing.Limit

// Limit returns what limits a tenant has of its own.
func (o *Operator) Limit(ctx context.Context, tenant string) (own Limit, err error) {
	id, err := o.known(ctx, tenant)
	if err != nil {
		return Limit{}, err
	}
	if err := o.log(ctx, "looked at the tenant's limits", id, ""); err != nil {
		return Limit{}, err
	}
	return own, own.Read(ctx, o.conn, o.view, id)
}

// SetLimit gives a tenant limits in place of those it had; the zero Limit takes them away.
func (o *Operator) SetLimit(ctx context.Context, tenant string, own Limit) error {
	id, err := o.known(ctx, tenant)
	if err != nil {
		return err
	}
	if err := o.log(ctx, "set the tenant's limits", id, own.String()); err != nil {
		return err
	}
	if err := standing.Install(ctx, o.conn, o.view, o.conn.Config().User, o.view.Model.Roles); err != nil {
		return err
	}
	if err := standing.SetLimit(ctx, o.conn, o.view, id, own); err != nil {
		return fmt.Errorf("set the tenant's limits: %w", err)
	}
	return nil
}
