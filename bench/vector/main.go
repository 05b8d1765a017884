// Command vector measures searches for nearest neighbours under row-level security: how many
// of its own rows a tenant finds, how many answers are short, and how long they take; and
// whether another tenant's rows show in the number of answers. It needs an empty database of a
// server with pgvector, which it fills, and a superuser:
//
//	go run ./bench/vector -url postgres://postgres@127.0.0.1/vectors
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/protect"
	"github.com/moat-db/moat/tenancy"
)

// bench is one measurement.
type bench struct {
	url                            string
	rows, tenants, dims, questions int
	conn                           *pgx.Conn
	asked                          map[int][]question // by the tenant's number
}

func main() {
	var b bench
	flag.StringVar(&b.url, "url", os.Getenv("MOAT_PGVECTOR_URL"), "the database, as a superuser")
	flag.IntVar(&b.rows, "rows", 200_000, "vectors")
	flag.IntVar(&b.tenants, "tenants", 200, "tenants, of sizes by Zipf's law")
	flag.IntVar(&b.dims, "dims", 128, "dimensions")
	flag.IntVar(&b.questions, "questions", 50, "searches for each size of tenant and each form")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "vector:", err)
		stop()
		os.Exit(1)
	}
}

func (b *bench) open(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, b.url) }

// run measures the forms one after the other: each changes the database a little more.
func (b *bench) run(ctx context.Context) (err error) {
	if b.conn, err = b.open(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer b.conn.Close(context.WithoutCancel(ctx))
	if err := b.fill(ctx); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if err := b.ask(ctx); err != nil {
		return fmt.Errorf("ask without an index: %w", err)
	}
	if err := b.protect(ctx); err != nil {
		return fmt.Errorf("protect: %w", err)
	}
	fmt.Printf("%-24s recall of the 10 nearest / short answers / median, by the rows of a tenant\n", "")
	const anyTenant, named = "$2::int IS NOT NULL", "tenant_id = $2::int"
	for _, f := range []struct {
		form
		prepare func(context.Context) error
	}{
		{form{"one HNSW, default", "app.docs", anyTenant},
			b.sql("ALTER ROLE " + application + " RESET hnsw.iterative_scan")},
		{form{"one HNSW, scans go on", "app.docs", anyTenant},
			b.sql("ALTER ROLE " + application + " SET hnsw.iterative_scan = 'relaxed_order'")},
		{form{"no HNSW", "app.plain", anyTenant}, b.sql("SELECT 1")},
		{form{"LIST, tenant named", "app.listed", named}, b.list},
		{form{"HASH 16, scans go on", "app.docs", anyTenant}, b.hash},
		{form{"HASH 16, ef_search 100", "app.docs", anyTenant},
			b.sql("ALTER ROLE " + application + " SET hnsw.ef_search = 100")},
	} {
		if err := f.prepare(ctx); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err := b.measure(ctx, f.form); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func (b *bench) sql(text string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := b.conn.PgConn().Exec(ctx, text).ReadAll()
		return err
	}
}

func (b *bench) model() (tenancy.Options, protect.Config) {
	return tenancy.Options{Schemas: []string{"app"}, Column: "tenant_id"},
		protect.Config{Roles: protect.Roles{Owner: "moat_vector_owner", Application: application,
			Operator: "moat_vector_operator", Definer: "moat_vector_definer"}}
}

func (b *bench) protect(ctx context.Context) error {
	m, c := b.model()
	plan, _, _, err := protect.Look(ctx, b.conn, m, c)
	if err != nil {
		return err
	}
	_, err = protect.Apply(ctx, b.open, plan, protect.ApplyOptions{Until: protect.GroupGuards})
	return err
}

// hash gives sixteenths of the tenants a partition each.
func (b *bench) hash(ctx context.Context) error {
	return b.partition(ctx, protect.Partition{Table: catalog.QName{Schema: "app", Name: "docs"}, Hash: 16})
}

// list gives the largest tenant a partition of its own.
func (b *bench) list(ctx context.Context) error {
	return b.partition(ctx, protect.Partition{Table: catalog.QName{Schema: "app", Name: "listed"},
		Tenant: strconv.Itoa(b.sizes()[0])})
}

func (b *bench) partition(ctx context.Context, p protect.Partition) error {
	m, c := b.model()
	plan, err := protect.LookPartition(ctx, b.conn, m, c, p)
	if err != nil {
		return err
	}
	if _, err := protect.Apply(ctx, b.open, plan, protect.ApplyOptions{}); err != nil {
		return err
	}
	return b.sql("ANALYZE " + p.Table.SQL())(ctx)
}
