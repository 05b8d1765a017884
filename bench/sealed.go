package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/bench/relay"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/seal"
)

// sealedPair is package moat twice over one link: with the plain setting, over one
// database, and sealed, over a copy of it.
type sealedPair struct {
	link  string
	modes [2]*moat.DB // plain, sealed
	pools [2]*pgxpool.Pool
}

// runSealed measures sealed mode against plain mode, both through package moat with
// the same pool settings, statement by statement in turn.
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
	fmt.Printf("PostgreSQL %s, %d rows of %d tenants, package moat on both sides\n\n", server.Version(), rows, tenants)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "shape\tlink\tplain p50\tsealed p50\tratio\tplain p99\tsealed p99\tratio\t")
	for _, l := range []struct {
		link string
		url  func(database, role string) string
	}{{"socket", server.URL}, {"+1 ms", slow.URL}} {
		p, err := connectSealed(ctx, l.link, l.url(plain, "app"), l.url(sealed, "app"), key)
		if err != nil {
			return err
		}
		for _, sh := range shapes() {
			if err := p.measure(ctx, out, sh, tenants, rows/tenants, window); err != nil {
				return fmt.Errorf("%s: %w", sh.name, err)
			}
		}
		p.close()
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
		o := &moat.Options{}
		if i == 1 {
			o.Sealer = sealer
		}
		if p.modes[i], err = moat.New(p.pools[i], o); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p sealedPair) close() {
	for _, pool := range p.pools {
		pool.Close()
	}
}

func (p sealedPair) measure(ctx context.Context, out *tabwriter.Writer, sh shape, tenants, perTenant int,
	window time.Duration) error {
	var took [2][]time.Duration
	until := time.Now().Add(2 * window)
	for i := 0; time.Now().Before(until); i++ {
		tenant, k := rand.IntN(tenants), rand.Int64N(int64(perTenant))
		start := time.Now()
		if err := sh.moat(scoped(ctx, tenant), p.modes[i%2], k); err != nil {
			return err
		}
		if i > 40 { // the first ones prepare the statement and warm the caches
			took[i%2] = append(took[i%2], time.Since(start))
		}
	}
	var p50, p99 [2]time.Duration
	for side := range took {
		slices.Sort(took[side])
		p50[side], p99[side] = took[side][len(took[side])/2], took[side][len(took[side])*99/100]
	}
	fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%.2f\t%s\t%s\t%.2f\t\n", sh.name, p.link,
		micro(p50[0]), micro(p50[1]), ratio(p50[1], p50[0]), micro(p99[0]), micro(p99[1]), ratio(p99[1], p99[0]))
	return out.Flush()
}
