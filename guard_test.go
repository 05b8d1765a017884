package moat_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/guard"
)

// seesLead lets a statement run where the tenant sees a lead of this name: a guard that were
// asked before the tenant is bound would see none.
func seesLead(name string) guard.Guard {
	return guard.Guard{SQL: "(case when exists (select from leads where name = $1) then '0'::text else 'refused' " +
		"end)::integer", Args: []any{name}}
}

// What a guard refuses does not run, however the tenant is bound, and what it lets run sees
// the tenant's rows.
func TestGuardIsAskedFirst(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) (*moat.DB, moat.Scope){
		"joined": func(t *testing.T) (*moat.DB, moat.Scope) {
			return newLeads(t).open(t, 1, moat.Options{RoleSetting: "app.role"}), moat.Scope{Tenant: tenantA, Role: "x"}
		},
		"sealed": func(t *testing.T) (*moat.DB, moat.Scope) {
			f := newLeads(t)
			return f.open(t, 1, moat.Options{Sealer: sealForAny(t, f)}), moat.Scope{Tenant: tenantA}
		},
		"wide": func(t *testing.T) (*moat.DB, moat.Scope) {
			f := newTree(t)
			f.Exec(t, "insert into leads (tenant_id, id, name) values ($1::text::uuid, 2, 'a1')", string(agency))
			return f.open(t, 1, moat.Options{TreeRole: f.role, WritesBelow: true}),
				moat.Scope{Tenant: agency, Width: moat.Descendants}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, scope := open(t)
			ctx := moat.WithScope(context.Background(), scope)
			const write = "insert into leads (tenant_id, id, name) values ($1::text::uuid, 9, 'written')"
			refused := guard.With(ctx, seesLead("b1"))
			_, err := db.Exec(refused, write, string(scope.Tenant))
			expectRefused(t, err)
			expectRefused(t, db.InTx(refused, func(pgx.Tx) error { t.Error("the transaction began"); return nil }))
			if got := names(t, ctx, db, "select name from leads where name = 'written'"); len(got) != 0 {
				t.Errorf("what was refused has run: %q", got)
			}
			let := guard.With(ctx, seesLead("a1"))
			must(t, db.InTx(let, func(tx pgx.Tx) error {
				_, err := tx.Exec(let, write, string(scope.Tenant))
				return err
			}))
			if got := names(t, let, db, "select name from leads where name = 'written'"); len(got) != 1 {
				t.Errorf("what was let run: %q", got)
			}
		})
	}
}

func expectRefused(t *testing.T, err error) {
	t.Helper()
	if !errors.As(err, new(*guard.RefusedError)) {
		t.Errorf("a guard that refuses: %v", err)
	}
}
