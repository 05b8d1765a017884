package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/cli"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/seal"
)

//go:embed schema.sql
var schema string

//go:embed moat.yaml
var declaration string

// set is what is compared, and the pools it runs over.
type set struct {
	baseline    string
	comparisons []comparison
	pools       []*pgxpool.Pool
}

func (s *set) close() {
	for _, p := range s.pools {
		p.Close()
	}
}

// fresh has all connections opened anew.
func (s *set) fresh() {
	for _, p := range s.pools {
		p.Reset()
	}
}

// setUp makes the plain schema, copies it, and protects the original with the tree and the
// copy without: both have the same rows.
func setUp(ctx context.Context, server *postgres.Server, rows int, sealed bool) (*set, error) {
	root := func(database string) string { return server.URL(database, postgres.Superuser) }
	filled := strings.ReplaceAll(schema, ":rows", fmt.Sprint(rows))
	err := exec(ctx, root("postgres"), "create role plain login bypassrls", "create database tree")
	if err != nil {
		return nil, err
	}
	if err := exec(ctx, root("tree"), filled); err != nil {
		return nil, err
	}
	if err := exec(ctx, root("postgres"), "create database flat template tree"); err != nil {
		return nil, err
	}
	for database, config := range map[string]string{"tree": declaration,
		"flat": "tenant: {column: tenant_id, table: app.tenants, key: id}\n" +
			"tables: {schemas: [app], ignore: [app.users, app.orders, app.board, app.board_share]}\n" +
			"protect: {one_tenant: [app.tenants]}\n"} {
		if err := protect(ctx, root(database), config); err != nil {
			return nil, fmt.Errorf("protect %s: %w", database, err)
		}
		// The second VACUUM writes the visibility map, which a database in use has, and FULL takes away.
		if err := exec(ctx, root(database), "grant usage on schema app, moat to plain",
			"grant select, insert on all tables in schema app, moat to plain", "vacuum (full, analyze, freeze)",
			"vacuum", "checkpoint"); err != nil {
			return nil, err
		}
	}
	if sealed {
		return setUpSealed(ctx, server)
	}
	return compareWithPlain(ctx, server)
}

func exec(ctx context.Context, url string, statements ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

// protect runs the command, as a user would.
func protect(ctx context.Context, url, config string) error {
	dir, err := os.MkdirTemp("", "moat-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "moat.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return err
	}
	var said strings.Builder
	if code := cli.Main(ctx, []string{"protect", "--apply", "--until", "guards", "--config", file, url},
		cli.IO{In: strings.NewReader(""), Out: &said, Err: &said}); code != 0 {
		return errors.New(said.String())
	}
	return nil
}

// open opens a DB as the application, for one statement at a time.
func (s *set) open(ctx context.Context, url string, o moat.Options) (*moat.DB, error) {
	pool, err := s.pool(ctx, url)
	if err != nil {
		return nil, err
	}
	o.TreeRole = "moat_tree"
	return moat.New(pool, &o)
}

func (s *set) pool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 1
	config.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err == nil {
		s.pools = append(s.pools, pool)
	}
	return pool, err
}

// setUpSealed copies the tree and seals the copy.
func setUpSealed(ctx context.Context, server *postgres.Server) (*set, error) {
	root := func(database string) string { return server.URL(database, postgres.Superuser) }
	if err := exec(ctx, root("postgres"), "create database sealed template tree"); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, root("sealed"))
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	key := seal.NewKey()
	install := seal.InstallOptions{Applications: []string{"moat_app", "moat_tree"}}
	if err := seal.Install(ctx, conn, install); err != nil {
		return nil, err
	}
	if err := seal.AddKey(ctx, conn, key, seal.KeyOptions{}); err != nil {
		return nil, err
	}
	if _, err := seal.Switch(ctx, conn, seal.Sealed, nil); err != nil {
		return nil, err
	}
	sealer, err := seal.New(key.Signer(), nil)
	if err != nil {
		return nil, err
	}
	return compareWithSealed(ctx, server, sealer)
}
