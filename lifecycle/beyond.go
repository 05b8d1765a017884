package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/ledger"
	"github.com/moat-db/moat/internal/list"
)

// keptLines says what stays of the tenant in the database, and why.
func (w *eraser) keptLines(ctx context.Context) ([]string, error) {
	var lines int64
	err := w.conn.QueryRow(ctx, "SELECT count(*) FROM moat.operator_log l WHERE l."+ledger.Column(w.view)+"::text = $1",
		w.tenant).Scan(&lines)
	if err != nil {
		return nil, fmt.Errorf("count the lines of the operator log: %w", err)
	}
	out := []string{"moat.operator_log: " + english.Count(lines, "line") + " on what operators did, with the tenant's id",
		"moat.erasure and moat.certificate: this erasure, with the tenant's id"}
	more, err := w.unattributed(ctx)
	if err != nil {
		return nil, err
	}
	out = append(out, more...)
	for _, m := range w.view.Model.Shapes.Members {
		out = append(out, m.Table.String()+": people, who may belong to other tenants; their links to this one are gone")
	}
	return out, nil
}

// unattributed are rows of moat's own that no column says the tenant of.
func (w *eraser) unattributed(ctx context.Context) (out []string, err error) {
	for _, q := range []struct{ table, sql string }{
		{"portal_session", `SELECT 'sessions of the portal, encrypted, whose tenant cannot be told; the last ends on ' ||
			pg_catalog.to_char(max(expires) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' FROM moat.portal_session
			WHERE expires > pg_catalog.now()`},
		{"console_state", `SELECT 'the last run of prove in the console, which may name the tenant until the next'
			FROM moat.console_state HAVING count(*) > 0`},
		{"notes", `SELECT 'statements that were noted while observing, with the values written into them'
			FROM moat.notes HAVING count(*) > 0`},
		{catalog.NamesTaken().Name, `SELECT 'hashes of names that tenants have had, with their ids, so that no other gets ' ||
			'them' FROM moat.tenant_name HAVING count(*) > 0`},
	} {
		r := w.view.Relation(catalog.QName{Schema: catalog.OwnSchema, Name: q.table})
		if r == nil {
			continue
		}
		text := new("rows that the operator may not read")
		if w.view.HasTablePrivilege(w.conn.Config().User, r, "SELECT") {
			err = w.conn.QueryRow(ctx, q.sql).Scan(&text)
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, fmt.Errorf("look at moat.%s: %w", q.table, err)
		}
		if err == nil && text != nil {
			out = append(out, r.QName().String()+": "+*text)
		}
	}
	return out, nil
}

// beyond says what an erasure in this database does not reach.
func (w *eraser) beyond(ctx context.Context, at time.Time, notVacuumed []string) ([]string, error) {
	out := []string{backups(at, w.opts.BackupsKept)}
	exports, err := w.exports(ctx)
	if err != nil {
		return nil, err
	}
	out = append(out, exports...)
	if len(notVacuumed) > 0 {
		out = append(out, "dead row versions and statistics until VACUUM (ANALYZE), which the operator may not run on: "+
			quotedList(notVacuumed))
	}
	out = append(out, w.copies(ctx)...)
	for _, t := range w.view.Model.Tables {
		if t.Class == catalog.IgnoredTable {
			out = append(out, t.Table.String()+": under tables.ignore; searched only by columns that may name a tenant")
		}
	}
	out = append(out, "the tenant's id, or what its people are called, inside texts, JSON and arrays of rows that "+
		"are not its own", "the server's logs and write-ahead log, files, caches, search indexes and other systems that "+
		"got rows")
	return append(out, w.opts.Beyond...), nil
}

// inDays writes a time as people do, where it is one of whole days.
func inDays(d time.Duration) string {
	const day = 24 * time.Hour
	if d%day != 0 {
		return d.String()
	}
	return english.Count(int64(d/day), "day")
}

// backups says how long backups hold the tenant. PostgreSQL keeps no list of them.
func backups(at time.Time, kept time.Duration) string {
	const again = "; after restoring one, run moat tenant erase --again"
	if kept == 0 {
		return "backups made before the erasure, and how long they are kept was not said" + again
	}
	return fmt.Sprintf("backups made before the erasure: kept for %s, so that the last is gone on %s%s",
		inDays(kept), at.Add(kept).Format("2 January 2006"), again)
}

// exports says which files moat itself has made of the tenant.
func (w *eraser) exports(ctx context.Context) ([]string, error) {
	var n int64
	var first, last *time.Time
	err := w.conn.QueryRow(ctx, "SELECT count(*), min(l.at), max(l.at) FROM moat.operator_log l "+
		"WHERE l.action = $1 AND l."+ledger.Column(w.view)+"::text = $2", exported, w.tenant).Scan(&n, &first, &last)
	if err != nil {
		return nil, fmt.Errorf("look for exports: %w", err)
	}
	if n == 0 {
		return nil, nil
	}
	const layout = "2006-01-02 15:04 UTC"
	when := last.UTC().Format(layout)
	if n > 1 {
		when = "from " + first.UTC().Format(layout) + " to " + when
	}
	return []string{english.Count(n, "export") + " of the tenant made with moat, " + when}, nil
}

// copies are what the server knows of that has rows of its own.
func (w *eraser) copies(ctx context.Context) (out []string) {
	for _, q := range []struct{ sql, say string }{
		{"SELECT 'archived WAL up to ' || to_char(last_archived_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' " +
			"FROM pg_stat_archiver WHERE last_archived_time IS NOT NULL", ""},
		{"SELECT 'replica ' || coalesce(nullif(application_name, ''), 'without a name') FROM pg_stat_replication",
			": it follows within its lag"},
		{"SELECT 'replication slot ' || slot_name FROM pg_replication_slots WHERE slot_type = 'logical'",
			": its subscriber has rows of its own"},
	} {
		rows, err := w.conn.Query(ctx, q.sql)
		if err != nil {
			out = append(out, "what this role may not see: archives, replicas and slots")
			break
		}
		names, _ := pgx.CollectRows(rows, pgx.RowTo[string])
		out = append(out, list.Map(names, func(name string) string { return name + q.say })...)
	}
	for _, p := range w.view.Snapshot.Publications {
		out = append(out, "publication "+p.Name+": subscribers have rows of their own")
	}
	return out
}
