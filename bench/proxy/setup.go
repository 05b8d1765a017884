package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/proxy"
	"github.com/moat-db/moat/seal"
)

const tenant = "00000000-0000-4000-8000-000000000003"

const schema = `
create role app login password 'app';
create table leads (tenant_id uuid not null, id bigint not null, name text not null, primary key (tenant_id, id));
insert into leads select ('00000000-0000-4000-8000-' || lpad((i %% 10)::text, 12, '0'))::uuid, i / 10, 'Lead ' || i
	from generate_series(0, %d) i;
create policy tenant_isolation on leads as restrictive
	using (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
create policy tenant_access on leads to app using (true);
alter table leads enable row level security; alter table leads force row level security;
grant select on leads to app;
-- for the ways that bind no tenant themselves
alter role app in database plain set app.current_tenant = '%s'`

const read = "select name from leads where id = :id;\n"

// bench is the server and all ways to it.
type bench struct {
	options    options
	pgbench    string
	targets    []target
	closers    []func()
	admin      *pgx.Conn
	postmaster int
}

// target is one way to read.
type target struct {
	name, url, script string
	pid               int // of what stands between client and server, if anything does
}

func (b *bench) close() {
	for i := len(b.closers) - 1; i >= 0; i-- {
		b.closers[i]()
	}
}

func setUp(ctx context.Context, o options) (b *bench, err error) {
	b = &bench{options: o}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	server, err := postgres.Start(ctx, postgres.Options{Listen: "127.0.0.1:0",
		Settings: map[string]string{"jit": "off", "autovacuum": "off"}})
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, func() { _ = server.Stop() })
	if b.pgbench = filepath.Join(server.Bin(), "pgbench"); !exists(b.pgbench) {
		if b.pgbench, err = exec.LookPath("pgbench"); err != nil {
			return nil, err
		}
	}
	fmt.Printf("PostgreSQL %s\n", server.Version())
	return b, b.open(ctx, server)
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func (b *bench) open(ctx context.Context, server *postgres.Server) error {
	dir, err := os.MkdirTemp("", "moat-bench-")
	if err != nil {
		return err
	}
	b.closers = append(b.closers, func() { _ = os.RemoveAll(dir) })
	simple, today := filepath.Join(dir, "read.sql"), filepath.Join(dir, "today.sql")
	pick := fmt.Sprintf("\\set id random(1, %d)\n", b.options.rows/10-1)
	bind := fmt.Sprintf("select set_config('app.current_tenant', '%s', true);\n", tenant)
	err = errors.Join(os.WriteFile(simple, []byte(pick+read), 0o600),
		os.WriteFile(today, []byte(pick+"begin;\n"+bind+read+"end;\n"), 0o600))
	if err != nil {
		return err
	}
	if b.admin, err = pgx.Connect(ctx, server.URL("postgres", postgres.Superuser)); err != nil {
		return err
	}
	b.closers = append(b.closers, func() { _ = b.admin.Close(context.Background()) })
	if b.postmaster, err = parentOf(int(b.admin.PgConn().PID())); err != nil {
		return err
	}
	key, err := prepare(ctx, b.admin, server, b.options.rows)
	if err != nil {
		return err
	}
	plain, sealed := server.URL("plain", "app"), server.URL("sealed", "app")
	bouncer, err := postgres.StartBouncer(ctx, plain, postgres.BouncerOptions{Mode: "session", Size: b.options.clients})
	if err != nil {
		return err
	}
	b.closers = append(b.closers, bouncer.Stop)
	direct := fmt.Sprintf("postgres://app:app@%s/plain", server.Address())
	b.targets = []target{{name: "direct", url: direct, script: simple},
		{name: "as today", url: direct, script: today},
		{name: "direct, socket", url: plain, script: simple},
		{name: "as today, socket", url: plain, script: today},
		{name: "PgBouncer, session", url: bouncer.URL, script: simple, pid: bouncer.PID()}}
	if err := b.addProxy(ctx, "bare relay", settings{URL: plain, Bare: true}, simple); err != nil {
		return err
	}
	if err := b.addProxy(ctx, "proxy, plain", settings{URL: plain}, simple); err != nil {
		return err
	}
	return b.addProxy(ctx, "proxy, sealed", settings{sealed, key, b.options.profile, false}, simple)
}

// prepare makes a plain and a sealed database of the same rows, and returns the key of
// the sealed one.
func prepare(ctx context.Context, admin *pgx.Conn, server *postgres.Server, rows int) (string, error) {
	for _, sql := range []string{"create database plain", "create database sealed template plain"} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return "", err
		}
		if sql == "create database plain" {
			if err := fill(ctx, server, rows); err != nil {
				return "", err
			}
		}
	}
	conn, err := pgx.Connect(ctx, server.URL("sealed", postgres.Superuser))
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	key := seal.NewKey()
	if err := seal.Install(ctx, conn, seal.InstallOptions{Applications: []string{"app"}}); err != nil {
		return "", err
	}
	if err := seal.AddKey(ctx, conn, key, seal.KeyOptions{}); err != nil {
		return "", err
	}
	if _, err := seal.Switch(ctx, conn, seal.Sealed, nil); err != nil {
		return "", err
	}
	return key.Encode(), nil
}

func fill(ctx context.Context, server *postgres.Server, rows int) error {
	conn, err := pgx.Connect(ctx, server.URL("plain", postgres.Superuser))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{fmt.Sprintf(schema, rows-1, tenant), "vacuum (analyze, freeze)", "checkpoint"} {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

// settings are what a proxy's process is told.
type settings struct {
	URL, Key, Profile string
	Bare              bool // it copies bytes, and is no proxy
}

func (b *bench) addProxy(ctx context.Context, name string, s settings, script string) error {
	told, err := json.Marshal(s)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "serve", string(told))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.closers = append(b.closers, func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	var address string
	if _, err := fmt.Fscanln(out, &address); err != nil {
		return err
	}
	c, err := pgx.ParseConfig(s.URL)
	if err != nil {
		return err
	}
	b.targets = append(b.targets, target{name: name, script: script, pid: cmd.Process.Pid,
		url: fmt.Sprintf("postgres://app:token@%s/%s", address, c.Database)})
	return nil
}

// serve is the proxy's process: it prints its address and serves one tenant.
func serve(ctx context.Context, args []string) error {
	var told settings
	if err := json.Unmarshal([]byte(args[0]), &told); err != nil {
		return err
	}
	server, err := pgconn.ParseConfig(told.URL)
	if err != nil {
		return err
	}
	if told.Bare {
		return bare(ctx, server)
	}
	o := &moat.Options{}
	if told.Key != "" {
		key, err := seal.ParseKey(told.Key)
		if err != nil {
			return err
		}
		if o.Sealer, err = seal.New(key.Signer(), nil); err != nil {
			return err
		}
	}
	p, err := proxy.New(proxy.Config{Server: server, Options: o, Connections: 2 * idleConnections,
		TenantConnections: 2 * idleConnections,
		Verify: func(context.Context, string, string) (proxy.Caller, error) {
			return proxy.Caller{Scope: moat.Scope{Tenant: tenant, Subject: "bench"}, Expires: time.Now().Add(time.Hour),
				Admit: func(_ context.Context, s moat.Scope) (moat.Scope, error) { return s, nil }}, nil
		}})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer profiled(told.Profile)()
	fmt.Println(l.Addr())
	served := make(chan error, 1)
	go func() { served <- p.Serve(l) }()
	<-ctx.Done()
	p.Close()
	return <-served
}
