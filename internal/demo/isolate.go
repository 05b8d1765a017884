package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/protect"
	"github.com/moat-db/moat/tenancy"
)

// declared is the part of the demo's moat.yaml that says whose rows are whose.
//
//go:embed moat.yaml
var declared string

// doors is the rest: who may come in.
const doors = `auth:
  issuers:
    - {issuer: %s, audience: %s, secret_file: %s, tenant_claim: tenant_id, role_claim: role}
portal:
  people: {admins: [owner]}
  operator_issuers:
    - {issuer: %s, audience: %s, secret_file: %s}
sealed: {enabled: %t, key_file: %q}
`

// Model is what the demo declares of its tenants.
func Model() (tenancy.Options, error) {
	c, err := config.Parse([]byte(declared))
	return c.Model(), err
}

// isolate lets moat protect close the empty tables, up to the guards, which moat demo
// leaves to the reader.
func isolate(ctx context.Context, conn *pgx.Conn, url string) error {
	model, err := Model()
	if err != nil {
		return err
	}
	plan, _, unseen, err := protect.Look(ctx, conn, model, protect.Config{})
	if err := errors.Join(err, unseen); err != nil {
		return err
	}
	open := func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, url) }
	if _, err := protect.Apply(ctx, open, plan, protect.ApplyOptions{Until: protect.GroupEnforce}); err != nil {
		return fmt.Errorf("protect the demo's tables: %w", err)
	}
	return prepareOperator(ctx, conn, model)
}

// prepareOperator does what moat tenant setup does: the operator works on whole tenants.
func prepareOperator(ctx context.Context, conn *pgx.Conn, model tenancy.Options) error {
	view, err := tenancy.Read(ctx, conn, model)
	if err == nil {
		_, err = conn.PgConn().Exec(ctx, lifecycle.SetupSQL(view, OperatorRole)).ReadAll()
	}
	if err != nil {
		return fmt.Errorf("prepare the demo's operator: %w", err)
	}
	return nil
}
