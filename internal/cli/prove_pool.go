package cli

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/pool"
	"github.com/moat-db/moat/tenancy"
)

// mostTenants is how many tenants borrow from the pool.
const mostTenants = 300

// provePool attacks moat's own pool on the application's connection string (through
// whatever pooler it leads to), without and with Paranoid, and adds the probes. Through moat
// proxy the pool is one for all tenants.
func provePool(ctx context.Context, operatorURL, appURL string, r *prove.Report, o database.Options) error {
	p, err := poolTarget(ctx, operatorURL, o)
	if err != nil {
		return err
	}
	if o.Token != nil {
		p.options.Hostile = true
		found, err := attackProxyPool(ctx, appURL, o.Token, p.options)
		return addPool(r, found, "", err)
	}
	for _, paranoid := range []bool{false, true} {
		options := moat.Options{TenantSetting: r.Context.Setting, TenantType: p.kind, Paranoid: paranoid, Sealer: o.Sealer}
		p.options.Hostile = paranoid
		found, err := attackPool(ctx, appURL, options, p.options)
		suffix := ""
		if paranoid {
			suffix = " (paranoid)"
		}
		if err := addPool(r, found, suffix, err); err != nil {
			return err
		}
	}
	return nil
}

// addPool adds what an attack on a pool found.
func addPool(r, found *prove.Report, suffix string, err error) error {
	if err != nil {
		return fmt.Errorf("attack the pool: %w", err)
	}
	for _, probe := range found.Probes {
		probe.Object += suffix
		probe.ID = probe.Attack + ":" + probe.Object
		r.Probes = append(r.Probes, probe)
		r.Verdict = prove.Worst(r.Verdict, probe.Verdict)
	}
	return nil
}

func attackPool(ctx context.Context, appURL string, options moat.Options, o pool.Options) (*prove.Report, error) {
	cfg, err := pgxpool.ParseConfig(appURL)
	if err != nil {
		return nil, connectError(err)
	}
	cfg.MaxConns = 4
	if err := moat.Configure(cfg, options); err != nil {
		return nil, err
	}
	connections, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, connectError(err)
	}
	defer connections.Close()
	db, err := moat.New(connections, &options)
	if err != nil {
		return nil, err
	}
	return pool.Attack(ctx, pool.AcquireFrom(connections),
		func(ctx context.Context, tenant moat.Tenant, sql string) ([][]string, error) {
			return pool.Texts(db.Query(moat.WithScope(ctx, moat.Scope{Tenant: tenant}), sql))
		}, o)
}

type poolChoice struct {
	options pool.Options
	kind    moat.TenantType
}

// poolTarget picks the tenant table in which the most tenants have rows.
func poolTarget(ctx context.Context, operatorURL string, o database.Options) (poolChoice, error) {
	conn, err := administer(ctx, operatorURL)
	if err != nil {
		return poolChoice{}, connectError(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	view, err := tenancy.Read(ctx, conn, o.Model)
	if err != nil {
		return poolChoice{}, err
	}
	m := view.Model
	best := poolChoice{kind: moat.TenantType(m.Type)}
	for _, t := range m.Tables {
		if t.Class != catalog.TenantTable {
			continue
		}
		column := sqltext.Ident(t.Column)
		rows, err := pool.Texts(conn.Query(ctx, fmt.Sprintf("SELECT DISTINCT %s::text FROM (SELECT %s FROM %s WHERE %s "+
			"IS NOT NULL LIMIT 200000) x LIMIT %d",
			column, column, t.Table.SQL(), column, mostTenants)))
		if err != nil || len(rows) <= len(best.options.Tenants) {
			continue
		}
		best.options = pool.Options{Table: t.Table.SQL(), Column: t.Column, Setting: m.Setting}
		for _, r := range rows {
			best.options.Tenants = append(best.options.Tenants, moat.Tenant(r[0]))
		}
	}
	if len(best.options.Tenants) < 2 {
		return best, fmt.Errorf("no table has rows of two tenants: nothing to borrow a connection for")
	}
	return best, nil
}
