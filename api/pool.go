package api

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat/internal/alive"
	"github.com/moat-db/moat/internal/serving"
)

// ConfigurePool prepares a pool for a [Handler]; it is a moat.Options.ConfigurePool.
//
// Values arrive in text form, which becomes JSON without being understood, dates in
// ISO form. Statements keep one generic plan: they carry the tenant as a parameter,
// so the plan is right for every tenant. timeout is the statement timeout; 0 leaves
// the server's own.
func ConfigurePool(timeout time.Duration) func(*pgxpool.Config) {
	return func(c *pgxpool.Config) {
		p := c.ConnConfig.RuntimeParams
		p["plan_cache_mode"] = "force_generic_plan"
		p["datestyle"] = "ISO"
		p["intervalstyle"] = "postgres"
		p["extra_float_digits"] = "1"
		serving.OneProcess(p)
		if p["application_name"] == "" {
			p["application_name"] = "moat"
		}
		if timeout > 0 {
			p["statement_timeout"] = milliseconds(timeout)
			trace(c, alive.Statements(timeout, c.ConnConfig.ConnectTimeout))
		}
		boundPrepared(c)
		before := c.AfterConnect
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			preferText(conn.TypeMap())
			if before != nil {
				return before(ctx, conn)
			}
			return nil
		}
	}
}

// trace adds a tracer to those of a pool.
func trace(c *pgxpool.Config, t pgx.QueryTracer) {
	if other := c.ConnConfig.Tracer; other != nil {
		t = multitracer.New(t, other)
	}
	c.ConnConfig.Tracer = t
}

// textCodec asks the server for text where the codec would ask for binary.
type textCodec struct{ pgtype.Codec }

func (textCodec) PreferredFormat() int16 { return pgtype.TextFormatCode }

// preferText covers every type that pgx knows by itself; others are text already.
// Their numbers are fixed and below the first one that a user's type can have.
func preferText(m *pgtype.Map) {
	for oid := range uint32(16384) {
		if t, ok := m.TypeForOID(oid); ok && t.Codec.PreferredFormat() != pgtype.TextFormatCode &&
			t.Codec.FormatSupported(pgtype.TextFormatCode) {
			m.RegisterType(&pgtype.Type{Name: t.Name, OID: t.OID, Codec: textCodec{t.Codec}})
		}
	}
}

// WithoutTenant returns a Sender over a plain pool of the application role for
// tokens without a tenant: every batch first sets the given settings to nothing, so
// that policies see no tenant whatever the session holds.
func WithoutTenant(pool *pgxpool.Pool, settings ...string) Sender {
	return withoutTenant{pool, settings}
}

type withoutTenant struct {
	pool     *pgxpool.Pool
	settings []string
}

func (w withoutTenant) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	all := &pgx.Batch{}
	for _, name := range w.settings {
		all.Queue("select pg_catalog.set_config($1, '', true)", name)
	}
	all.QueuedQueries = append(all.QueuedQueries, b.QueuedQueries...)
	br := w.pool.SendBatch(ctx, all) //moat:unscoped callers without a tenant, whose settings are emptied
	for range w.settings {
		if _, err := br.Exec(); err != nil {
			_ = br.Close() // the first error says more
			return brokenBatch{err}
		}
	}
	return br
}

// brokenBatch are the results of a batch that did not get as far as its statements.
type brokenBatch struct{ err error }

func (b brokenBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, b.err }
func (b brokenBatch) Query() (pgx.Rows, error)         { return nil, b.err }
func (b brokenBatch) QueryRow() pgx.Row                { return brokenRow(b) }
func (b brokenBatch) Close() error                     { return b.err }
func (b brokenBatch) Tx() pgx.Tx                       { return nil }

type brokenRow struct{ err error }

func (r brokenRow) Scan(...any) error { return r.err }
