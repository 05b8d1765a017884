// Command lifecycle measures what a tenant's export, erasure and restore take, beside COPY of the
// same rows, in a table of many times as many, while another tenant goes on writing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/tenancy"
)

func main() {
	rows := flag.Int("rows", 1_000_000, "rows of the tenant; nine others have as many each")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rows); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

const schema = `
CREATE TABLE tenants (id bigint PRIMARY KEY, name text NOT NULL, suspended_at timestamptz);
INSERT INTO tenants SELECT n, 'tenant ' || n FROM generate_series(1, 10) n;
CREATE TABLE leads (
    tenant_id bigint NOT NULL, id bigint NOT NULL, name text NOT NULL, email text,
    notes text, value numeric(12,2), data jsonb, created_at timestamptz NOT NULL DEFAULT now());
INSERT INTO leads SELECT 1 + n %% 10, n, 'Lead number ' || n, 'lead' || n || '@example.com', repeat(md5(n::text), 3),
    n / 7.0, jsonb_build_object('source', 'web', 'score', n %% 100) FROM generate_series(1, %d) n;
ALTER TABLE leads ADD PRIMARY KEY (tenant_id, id), ADD FOREIGN KEY (tenant_id) REFERENCES tenants;
CREATE INDEX ON leads (tenant_id, created_at);
VACUUM ANALYZE leads`

func run(ctx context.Context, rows int) error {
	server, err := postgres.Start(ctx, postgres.Options{Settings: map[string]string{"shared_buffers": "1GB",
		"max_wal_size": "8GB", "maintenance_work_mem": "1GB", "jit": "off",
		// A wait for a lock of 100 ms or more is logged.
		"log_lock_waits": "on", "deadlock_timeout": "100ms"}})
	if err != nil {
		return err
	}
	defer server.Stop()
	conn, err := pgx.Connect(ctx, server.URL("postgres", "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := setUp(ctx, conn, rows*10); err != nil {
		return err
	}
	view, err := tenancy.Read(ctx, conn, tenancy.Options{})
	if err != nil {
		return err
	}
	o, err := lifecycle.NewOperator(ctx, conn, view, lifecycle.Options{Reason: "a benchmark", Gate: gate{}})
	if err != nil {
		return err
	}
	fmt.Printf("PostgreSQL %s, %d rows of %d\n", server.Version(), rows, rows*10)
	file, err := os.CreateTemp("", "moat-bench-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := export(ctx, conn, o, file); err != nil {
		return err
	}
	if err := erase(ctx, server.URL("postgres", "postgres"), o, rows); err != nil {
		return err
	}
	if err := restore(ctx, o, file); err != nil {
		return err
	}
	log, err := os.ReadFile(server.LogFile())
	fmt.Printf("waits for a lock of 100 ms or more: %d\n", strings.Count(string(log), "still waiting for"))
	return err
}

func setUp(ctx context.Context, conn *pgx.Conn, rows int) error {
	for _, s := range sqltext.Split(fmt.Sprintf(schema, rows)) {
		if _, err := conn.Exec(ctx, s.Text); err != nil {
			return err
		}
	}
	return nil
}

// export is timed in turns with COPY of the same rows.
func export(ctx context.Context, conn *pgx.Conn, o *lifecycle.Operator, into *os.File) error {
	for range 3 {
		if err := errors.Join(into.Truncate(0), start(into)); err != nil {
			return err
		}
		began := time.Now()
		tag, err := conn.PgConn().CopyTo(ctx, io.Discard, "COPY (SELECT * FROM leads WHERE tenant_id = 1) TO STDOUT")
		if err != nil {
			return err
		}
		plain := time.Since(began)
		began = time.Now()
		m, err := o.Export(ctx, "1", into, lifecycle.ExportOptions{})
		if err != nil {
			return err
		}
		took := time.Since(began)
		size, err := into.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		fmt.Printf("COPY %d rows: %s; export %d rows: %s into %d MB: %.2f of COPY's speed; heap %d MB\n", tag.RowsAffected(),
			plain.Round(time.Millisecond), m.Rows(), took.Round(time.Millisecond), size>>20, plain.Seconds()/took.Seconds(),
			heap())
	}
	return nil
}

// erase runs while another tenant writes, and says how long its slowest write took.
func erase(ctx context.Context, url string, o *lifecycle.Operator, rows int) error {
	writer, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer writer.Close(context.WithoutCancel(ctx))
	stop := make(chan struct{})
	done := make(chan string)
	go func() { done <- write(ctx, writer, rows*10, stop) }()
	time.Sleep(3 * time.Second)
	close(stop)
	fmt.Println("alone:        ", <-done)
	stop = make(chan struct{})
	go func() { done <- write(ctx, writer, rows*20, stop) }()
	began := time.Now()
	c, err := o.Erase(ctx, "1", lifecycle.EraseOptions{})
	close(stop)
	said := <-done
	if err != nil {
		return err
	}
	fmt.Println("during erase: ", said)
	fmt.Printf("erased %v in %s; heap %d MB\n", c.Removed, time.Since(began).Round(time.Millisecond), heap())
	return nil
}

func write(ctx context.Context, conn *pgx.Conn, id int, stop chan struct{}) string {
	var n int
	var slowest time.Duration
	for {
		select {
		case <-stop:
			return fmt.Sprintf("%d writes of another tenant, the slowest %s", n, slowest.Round(time.Microsecond))
		default:
		}
		began := time.Now()
		_, err := conn.Exec(ctx, "INSERT INTO leads (tenant_id, id, name) VALUES (2, $1, 'busy')", id+n)
		if err != nil {
			return err.Error()
		}
		slowest = max(slowest, time.Since(began))
		n++
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys >> 20
}

func start(f *os.File) error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// restore brings the erased tenant back.
func restore(ctx context.Context, o *lifecycle.Operator, from *os.File) error {
	if err := start(from); err != nil {
		return err
	}
	began := time.Now()
	d, err := o.Restore(ctx, "1", from, lifecycle.RestoreOptions{Apply: true, RevokeCertificate: true})
	if err != nil {
		return err
	}
	for _, c := range d.Tables {
		fmt.Printf("restored %d rows of %s\n", c.Add, c.Table)
	}
	fmt.Printf("in %s; heap %d MB\n", time.Since(began).Round(time.Millisecond), heap())
	return nil
}

type gate struct{}

func (gate) Column() string { return "suspended_at" }

func (gate) Suspended(context.Context, *pgx.Conn, string) (bool, error) { return false, nil }

func (gate) Suspend(ctx context.Context, conn *pgx.Conn, tenant string, _ bool) error {
	_, err := conn.Exec(ctx, "UPDATE tenants SET suspended_at = now() WHERE id = $1", tenant)
	return err
}
