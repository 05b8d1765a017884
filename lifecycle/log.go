package lifecycle

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/moat-db/moat/internal/ledger"
	"github.com/moat-db/moat/internal/sqltext"
)

//go:embed install.sql
var installSQL string

// NotPreparedError says that moat's own tables are missing and that the operator may not
// create them. SQL creates them, once, as an administrator.
type NotPreparedError = ledger.NotPreparedError

// prepare creates moat's own tables, unless they are there.
func (o *Operator) prepare(ctx context.Context) error {
	role := o.conn.Config().User
	if !ledger.Ready(ctx, o.conn) {
		if err := ledger.Install(ctx, o.conn, o.view, role, o.view.Model.Roles...); err != nil {
			return fmt.Errorf("prepare the operator log: %w", err)
		}
	}
	const ready = `SELECT pg_catalog.has_table_privilege('moat.certificate', 'INSERT')
		AND pg_catalog.has_table_privilege('moat.erasure', 'INSERT')`
	var there bool
	if err := o.conn.QueryRow(ctx, ready).Scan(&there); err == nil && there {
		return nil
	}
	sql := strings.ReplaceAll(installSQL, "{{operator}}", sqltext.Role(role))
	_, err := o.conn.PgConn().Exec(ctx, sql).ReadAll()
	if sqlState(err) == "42501" {
		err = &NotPreparedError{SQL: sql}
	}
	if err != nil {
		return fmt.Errorf("prepare the tables of erasures: %w", err)
	}
	return nil
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
