package seal

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
)

// Status is what a database says of its sealed mode.
type Status struct {
	// Installed is whether the functions are there.
	Installed bool
	// Keys are its keys, the newest first.
	Keys []KeyStatus
	// Sealed and Plain are the policies ("schema.table policy") that read the tenant
	// the one way and the other.
	Sealed, Plain []string
	// Altered are the functions whose text is not the one that this version installs.
	Altered []string
}

// LoadStatus reads the status. conn may be any role's that may read the key table.
func LoadStatus(ctx context.Context, conn *pgx.Conn, o *SwitchOptions) (Status, error) {
	opts := o.withDefaults()
	var s Status
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)"); err != nil {
			return err
		}
		for mode, names := range map[Mode]*[]string{Sealed: &s.Plain, Plain: &s.Sealed} {
			policies, err := query[policyRow](ctx, tx, policiesQuery, rewriter(mode, opts).pattern)
			if err != nil {
				return err
			}
			*names = append(*names, list.Map(policies, func(p policyRow) string { return p.Relation + " " + p.Name })...)
		}
		err := tx.QueryRow(ctx, "select pg_catalog.to_regclass('moat.seal_key') is not null and "+
			"pg_catalog.to_regprocedure('moat.current_tenant()') is not null").Scan(&s.Installed)
		if err != nil || !s.Installed {
			return err
		}
		s.Altered, err = altered(ctx, tx, opts.Setting)
		return err
	})
	if err == nil && s.Installed {
		s.Keys, err = Keys(ctx, conn)
	}
	if err != nil {
		return Status{}, fmt.Errorf("status of sealed mode: %w", err)
	}
	return s, nil
}

// altered compares the functions' bodies with those that this version installs.
func altered(ctx context.Context, tx pgx.Tx, setting string) ([]string, error) {
	type body struct{ Name, Source string }
	found, err := query[body](ctx, tx, `select p.proname::text, p.prosrc from pg_catalog.pg_proc p
		where p.pronamespace = 'moat'::regnamespace and p.proname in ('enter', 'current_tenant', 'current_fact') order by 1`)
	if err != nil {
		return nil, err
	}
	want := Bodies(setting)
	names := list.Pick(found, func(f body) (string, bool) { return "moat." + f.Name, f.Source != want[f.Name] })
	return names, nil
}

// Bodies returns the bodies of the functions of schema moat, by name, as [Install]
// makes them for a plain setting: for telling whether one was replaced.
func Bodies(setting string) map[string]string {
	return map[string]string{
		"enter": bodyOf(enterSQL(setting)), "current_tenant": bodyOf(currentTenantSQL()),
		"current_fact": bodyOf(currentFactSQL()),
	}
}
