package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/bench/relay"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/seal"
)

// sealedPair is packages moat and moatsql twice over one link: with the plain setting, over one
// database, and sealed, over a copy of it.
type sealedPair struct {
	link  string
	modes [2]*moat.DB // plain, sealed
	pools [2]*pgxpool.Pool
	sql   [2]*sql.DB // the same two through moatsql
}

// runSealed measures sealed mode against plain mode, both through package moat or both through
// moatsql, with the same pool settings, statement by statement in turn.
func runSealed(ctx context.Context, server *postgres.Server, slow *relay.Delay, rows int, window time.Duration) error {
	const tenants = 1000
	b, err := setUp(ctx, server, slow, tenants, rows)
	if err != nil {
		return err
	}
	b.close()
	plain, sealed := fmt.Sprintf("bench_%d", tenants), fmt.Sprintf("bench_%d_sealed", tenants)
	key := seal.NewKey()
	if err := sealCopy(ctx, server, plain, sealed, key); err != nil {
		return err
	}
	fmt.Printf("PostgreSQL %s, %d rows of %d tenants, the same package on both sides\n\n", server.Version(), rows, tenants)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "tenants\tshape\tlink\tplain p50\tsealed p50\tratio\tplain p99\tsealed p99\tratio\t")
	for _, l := range []struct {
		link string
		url  func(database, role string) string
	}{{"socket", server.URL}, {"+1 ms", slow.URL}} {
		p, err := connectSealed(ctx, l.link, l.url(plain, "app"), l.url(sealed, "app"), key)
		if err != nil {
			return err
		}
		err = p.measure(ctx, out, tenants, rows/tenants, window)
		if p.close(); err != nil {
			return err
		}
	}
	return out.Flush()
}

// sealCopy copies the database, so that both have the same pages, and seals the copy.
func sealCopy(ctx context.Context, server *postgres.Server, from, to string, key seal.Key) error {
	if err := exec(ctx, server.URL("postgres", postgres.Superuser), "create database "+to+" template "+from); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, server.URL(to, postgres.Superuser))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if err := seal.Install(ctx, conn, seal.InstallOptions{Applications: []string{"app"}}); err != nil {
		return err
	}
	if err := seal.AddKey(ctx, conn, key, seal.KeyOptions{}); err != nil {
		return err
	}
	_, err = seal.Switch(ctx, conn, seal.Sealed, nil)
	return err
}

func connectSealed(ctx context.Context, link, plain, sealed string, key seal.Key) (sealedPair, error) {
	p := sealedPair{link: link}
	sealer, err := seal.New(key.Signer(), nil)
	if err != nil {
		return p, err
	}
	for i, url := range []string{plain, sealed} {
		if p.pools[i], err = newPool(ctx, url); err != nil {
			return p, err
		}
		o := moat.Options{}
		if i == 1 {
			o.Sealer = sealer
		}
		if p.modes[i], err = moat.New(p.pools[i], &o); err != nil {
			return p, err
		}
		if p.sql[i], err = openSQL(ctx, url, o); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p sealedPair) close() {
	for i, pool := range p.pools {
		pool.Close()
		_ = p.sql[i].Close()
	}
}

// measure prints a row for each shape through package moat, and each through moatsql.
func (p sealedPair) measure(ctx context.Context, out *tabwriter.Writer, tenants, perTenant int,
	window time.Duration) error {
	row := func(name string, once func(mode int) error) error {
		took, err := alternate(window, once)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		printLatencies(out, tenants, name, p.link, took)
		return nil
	}
	for _, sh := range shapes() {
		if err := row(sh.name, func(mode int) error {
			return sh.moat(scoped(ctx, rand.IntN(tenants)), p.modes[mode], rand.Int64N(int64(perTenant)))
		}); err != nil {
			return err
		}
	}
	for _, sh := range sqlShapes() {
		if err := row("sql: "+sh.name, func(mode int) error {
			return sh.scoped(ctx, p.sql[mode], tenants, perTenant)
		}); err != nil {
			return err
		}
	}
	return nil
}
