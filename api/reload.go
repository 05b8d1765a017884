package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/api/internal/schema"
)

// A peer that went silent without ending its connection must stop nothing for ever:
// loadTimeout bounds reading the schema, askTimeout one statement of the watcher's.
const (
	loadTimeout = time.Minute
	askTimeout  = 10 * time.Second
)

// Reload reads the schema again. Requests continue with the old one until the new one is
// complete; when it cannot be read the old one stays.
func (h *Handler) Reload(ctx context.Context) error {
	h.reloading.Lock()
	defer h.reloading.Unlock()
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	view, err := h.config.Load(ctx)
	if err != nil {
		return fmt.Errorf("load schema: %w", err)
	}
	exposed, err := h.config.Door.Expose(view)
	if err != nil {
		return err
	}
	built, err := schema.Build(view, schema.Options{Schemas: h.config.Schemas, Exposure: exposed})
	if err != nil {
		return fmt.Errorf("build schema: %w", err)
	}
	next := &state{Schema: built, version: 1, plans: newPlans()}
	if next.check, err = h.config.Door.Check(view); err != nil {
		return err
	}
	if err := checkPreRequest(view, h.config.PreRequest); err != nil {
		return err
	}
	if old := h.schema.Load(); old != nil {
		next.version = old.version + 1
	}
	h.loadBelow(view, next)
	h.schema.Store(next)
	h.config.Door.Flush()
	h.logSchema(next)
	return nil
}

func (h *Handler) logSchema(s *state) {
	log := h.config.Logger
	log.Info("schema loaded", "schemas", s.Schemas, "tables", len(s.Tables), "functions", len(s.Functions),
		"hidden", len(s.Hidden))
	for _, hidden := range s.Hidden {
		log.Warn("not exposed", "relation", hidden.Name.String(), "reason", hidden.Reason)
	}
	if t := s.check.Tenants; t != nil && !t.Checked {
		log.Warn("tenants are not checked: the application role cannot read the tenants table",
			"table", t.QName().String())
	}
}

// fingerprint changes whenever something does that a Schema is built from: it reads
// the newest row version of each catalog, and how many rows there are.
const fingerprint = `
select pg_catalog.md5(pg_catalog.string_agg(n || ':' || coalesce(x, 0), ',')) from (
	select pg_catalog.count(*) as n, pg_catalog.sum(xmin::text::bigint) as x from pg_catalog.pg_class where oid >= 16384
	union all select pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint) from pg_catalog.pg_attribute
		where attrelid >= 16384 and attnum > 0
	union all select pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint) from pg_catalog.pg_constraint
		where oid >= 16384
	union all select pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint) from pg_catalog.pg_proc where oid >= 16384
	union all select pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint) from pg_catalog.pg_policy
	union all select pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint) from pg_catalog.pg_attrdef
	union all select pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint) from pg_catalog.pg_description
		where objoid >= 16384
	union all select pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint) from pg_catalog.pg_enum
	union all select pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint) from pg_catalog.pg_namespace
	union all select pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint) from pg_catalog.pg_auth_members
) as parts`

// The channels that are listened to: PostgREST's own name for a reload, moat's, and
// the one that empties the tenant cache.
var channels = []string{"pgrst", "moat", "moat_tenants"}

// watch keeps the schema current until ctx ends.
func (h *Handler) watch(ctx context.Context) {
	defer close(h.done)
	if h.config.Connect == nil {
		return
	}
	wait := time.Second / 4
	for ctx.Err() == nil {
		err := h.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		h.config.Logger.Warn("schema is not being watched, trying again", "error", describe(err).Code)
		sleep(ctx, wait)
		wait = min(2*wait, 5*time.Second)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// follow watches over one connection. Notifications that were sent while there was
// none are made up for by comparing the fingerprint at once, and the tenant cache is
// emptied.
func (h *Handler) follow(ctx context.Context) error {
	conn, err := h.listener(ctx)
	if err != nil {
		return err
	}
	defer closeSoon(ctx, conn)
	h.config.Door.Flush()
	last := ""
	for {
		if last, err = h.compare(ctx, conn, last); err != nil {
			return err
		}
		if err := h.listen(ctx, conn); err != nil {
			return err
		}
	}
}

// listener connects and listens to the channels. A standby knows no LISTEN: there the
// comparison alone tells of changes.
func (h *Handler) listener(ctx context.Context) (*pgx.Conn, error) {
	short, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := h.config.Connect(short)
	if err != nil {
		return nil, err
	}
	for _, name := range channels {
		_, err := conn.Exec(short, "listen "+pgx.Identifier{name}.Sanitize())
		if standby(err) {
			return conn, nil
		}
		if err != nil {
			closeSoon(ctx, conn)
			return nil, err
		}
	}
	return conn, nil
}

// standby reports whether a statement was refused because the server is a hot standby, or
// its transaction read-only.
func standby(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "25006" || pgErr.Code == "55000")
}

// closeSoon closes a connection whose peer may not answer any more.
func closeSoon(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it is not used any more
}

// compare reloads when the fingerprint differs from the last one. The first one is
// compared with nothing, so it reloads once after a lost connection.
func (h *Handler) compare(ctx context.Context, conn *pgx.Conn, last string) (string, error) {
	var now string
	short, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := conn.QueryRow(short, fingerprint).Scan(&now); err != nil {
		return last, err
	}
	if now == last {
		return now, nil
	}
	if last == "" && h.schema.Load().version == 1 {
		// New has only just loaded it, but something may have changed since.
		last = now
	}
	if err := h.Reload(ctx); err != nil {
		h.config.Logger.Error("schema could not be reloaded, the old one stays", "error", describe(err).Code)
		return last, nil
	}
	return now, nil
}

// listen handles notifications until it is time to compare again.
func (h *Handler) listen(ctx context.Context, conn *pgx.Conn) error {
	until, cancel := context.WithTimeout(ctx, h.config.PollInterval)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(until)
		if err != nil {
			if ctx.Err() == nil && errors.Is(until.Err(), context.DeadlineExceeded) && !conn.IsClosed() && pgconn.Timeout(err) {
				return nil
			}
			return err
		}
		switch {
		case n.Channel == "moat_tenants":
			h.config.Door.Flush()
		case n.Payload == "" || n.Payload == "reload schema":
			return h.Reload(ctx)
		}
	}
}
