package ledger

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/ledger"
)

// NotPreparedError says that the tables are missing and may not be created.
type NotPreparedError = ledger.NotPreparedError

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

// create makes the tables, unless they are there: an admin need not be at hand once they
// are.
func (l *Ledger) create(ctx context.Context) error {
	if ledger.Ready(ctx, l.Pool) {
		return nil
	}
	var operator string
	//moat:unscoped the operator's own name
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
	return ledger.Install(ctx, conn, v, operator, v.Snapshot.User)
}

// Connect connects as who may create the tables and read the whole catalog.
func (l *Ledger) Connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.ConnectConfig(ctx, l.AdminConfig())
}

// AdminConfig is how to connect as that role: the operator itself where no other is known.
func (l *Ledger) AdminConfig() *pgx.ConnConfig {
	return cmp.Or(l.Admin, l.Pool.Config().ConnConfig).Copy()
}
