package lifecycle

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// eraser deletes the rows of one tenant.
type eraser struct {
	*Operator
	id     int64 // of moat.erasure
	tenant string
	opts   EraseOptions
	done   map[string]int64
}

const (
	batchRows = 5_000
	// peels is how often the rows are looked for to which no other row of the group refers;
	// what is left after so many turns is deleted in one statement.
	peels = 16
)

// remove deletes everything: first large objects, which only the rows name, then the rows,
// and last moat's own. Triggers may write rows anew, for example into a log, so that it is
// done again until nothing is found.
func (w *eraser) remove(ctx context.Context, objects []uint32, groups []group) error {
	w.done = map[string]int64{}
	if err := w.unlink(ctx, objects); err != nil {
		return err
	}
	const turns = 5
	for range turns {
		var n int64
		for _, g := range groups {
			some, err := w.group(ctx, g)
			if err != nil {
				return err
			}
			n += some
		}
		if n == 0 {
			return w.ownTables(ctx)
		}
	}
	return fmt.Errorf("rows of the tenant come back: a trigger writes them when others are deleted (%s)",
		quotedList(deleteTriggers(flat(groups))))
}

func flat(groups []group) (all []*part) {
	for _, g := range groups {
		all = append(all, g.parts...)
	}
	return all
}

func (w *eraser) unlink(ctx context.Context, objects []uint32) error {
	size := cmp.Or(w.opts.Batch, batchRows)
	for len(objects) > 0 {
		some := objects[:min(size, len(objects))]
		objects = objects[len(some):]
		_, err := w.batch(ctx, "large objects", func(tx pgx.Tx) ([]Removed, error) {
			tag, err := tx.Exec(ctx, "SELECT lo_unlink(o) FROM unnest($1::oid[]) o WHERE EXISTS "+
				"(SELECT 1 FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = o)", some)
			return []Removed{{"large objects", tag.RowsAffected()}}, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// batch runs one transaction and notes with it what was removed: killed at any moment, the
// counts say what is gone.
func (w *eraser) batch(ctx context.Context, what string, fn func(tx pgx.Tx) ([]Removed, error)) (n int64, err error) {
	var gone []Removed
	err = pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) (err error) {
		if _, err = tx.Exec(ctx, "SET LOCAL lock_timeout = '10s'"); err != nil {
			return err
		}
		if gone, err = fn(tx); err != nil {
			return err
		}
		for _, r := range gone {
			_, err = tx.Exec(ctx, "UPDATE moat.erasure SET removed = jsonb_set(removed, ARRAY[$2], "+
				"to_jsonb(coalesce((removed->>$2)::bigint, 0) + $3)) WHERE id = $1 AND $3 > 0", w.id, r.Table, r.Rows)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("delete from %s: %w", what, err)
	}
	for _, r := range gone {
		n += r.Rows
		if w.done[r.Table] += r.Rows; r.Rows > 0 && w.opts.Progress != nil {
			w.opts.Progress(r.Table, w.done[r.Table])
		}
	}
	return n, nil
}

// group deletes the rows of one group.
func (w *eraser) group(ctx context.Context, g group) (n int64, err error) {
	if !g.cyclic {
		return w.rows(ctx, g.parts[0], "")
	}
	for range peels {
		var some int64
		for _, p := range g.parts {
			m, err := w.rows(ctx, p, w.unreferred(g, p))
			if err != nil {
				return n, err
			}
			some += m
		}
		if n += some; some == 0 {
			break
		}
	}
	rest, err := w.together(ctx, g)
	return n + rest, err
}

// unreferred is the condition that no row of the group refers to a row but the row itself.
func (w *eraser) unreferred(g group, p *part) string {
	var b strings.Builder
	for _, l := range links(w.view, g.parts) {
		if l.to != p || find(w.view, g.parts, l.from.QName()) == nil {
			continue
		}
		fmt.Fprintf(&b, " AND NOT EXISTS (SELECT 1 FROM %s f WHERE %s", l.from.QName().SQL(),
			joined("f", l.key.Columns, "x", l.key.RefColumns))
		if l.from == p.table {
			b.WriteString(" AND (f.tableoid, f.ctid) IS DISTINCT FROM (x.tableoid, x.ctid)")
		}
		b.WriteString(")")
	}
	return b.String()
}

// rows deletes the rows of a part that meet a further condition, in batches. Row by row is
// said where they stand, and again whose they are: a place may have been taken by another
// row in between.
func (w *eraser) rows(ctx context.Context, p *part, and string) (total int64, err error) {
	for _, heap := range p.heaps(w.view) {
		for {
			places, err := w.places(ctx, p, heap, and)
			if err != nil {
				return total, err
			}
			if len(places) == 0 {
				break
			}
			var n int64
			for from := 0; from < len(places); from += cmp.Or(w.opts.Batch, batchRows) {
				some := places[from:min(from+cmp.Or(w.opts.Batch, batchRows), len(places))]
				m, err := w.batch(ctx, p.name().String(), func(tx pgx.Tx) ([]Removed, error) {
					return w.deleteAt(ctx, tx, p, heap, some)
				})
				if err != nil {
					return total, err
				}
				n += m
			}
			if total += n; n == 0 {
				return total, fmt.Errorf("rows of %s are not deleted: a trigger or a rule keeps them", p.name())
			}
			if and != "" {
				break // what is now free is found in the next turn
			}
		}
	}
	return total, nil
}

// of is a heap of a part as it stands in FROM, called x, and the start of a condition. Rights
// on a partitioned table are not rights on its partitions: without those the rows are
// reached through it, which looks into the others as well.
func (w *eraser) of(p *part, heap *catalog.Relation) (from, within string) {
	role := w.conn.Config().User
	may := func(privilege string) bool { return w.view.HasTablePrivilege(role, heap, privilege) }
	if heap == p.table || may("SELECT") && may("DELETE") {
		return "ONLY " + heap.QName().SQL() + " x", ""
	}
	return p.from(), "x.tableoid" + equals + sqltext.Literal(heap.QName().SQL()) + "::regclass AND "
}

// places are where rows are, at most so many that they fit into memory.
func (w *eraser) places(ctx context.Context, p *part, heap *catalog.Relation, and string) ([]string, error) {
	const most = 200_000
	from, within := w.of(p, heap)
	rows, _ := w.conn.Query(ctx, fmt.Sprintf("SELECT x.ctid::text FROM %s WHERE %s%s%s LIMIT %d", from, within,
		p.where(), and, most))
	places, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("find the rows of %s: %w", p.name(), err)
	}
	return places, nil
}

func (w *eraser) deleteAt(ctx context.Context, tx pgx.Tx, p *part, heap *catalog.Relation, places []string) (
	[]Removed, error,
) {
	from, within := w.of(p, heap)
	sql := "DELETE FROM " + from + " WHERE " + within + "x.ctid = ANY ($1::text[]::tid[]) AND " + p.where()
	owned := w.ownedThrough(p.name())
	if owned == nil {
		tag, err := tx.Exec(ctx, sql, places)
		return []Removed{{p.name().String(), tag.RowsAffected()}}, err
	}
	// The rows that these own are known by them only.
	gone, beside := Removed{Table: p.name().String()}, Removed{Table: owned.Table.String()}
	err := tx.QueryRow(ctx, "WITH gone AS ("+sql+" RETURNING x."+sqltext.Ident(owned.By.Column)+" AS k), beside AS "+
		"(DELETE FROM "+owned.Table.SQL()+" o USING gone WHERE o."+sqltext.Ident(owned.Key)+equals+"gone.k RETURNING 1) "+
		"SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM beside)", places).Scan(&gone.Rows, &beside.Rows)
	return []Removed{gone, beside}, err
}

// ownedThrough is the table whose rows belong to whoever refers to them from this one.
func (w *eraser) ownedThrough(name catalog.QName) *catalog.OwnedBy {
	for i := range w.view.Model.Shapes.OwnedBy {
		if o := &w.view.Model.Shapes.OwnedBy[i]; o.By.Relation == name {
			return o
		}
	}
	return nil
}

// together deletes what is left of a cycle in one statement: keys are checked at its end.
func (w *eraser) together(ctx context.Context, g group) (int64, error) {
	with, counts := make([]string, len(g.parts)), make([]string, len(g.parts))
	gone, into := make([]Removed, len(g.parts)), make([]any, len(g.parts))
	for i, p := range g.parts {
		with[i] = fmt.Sprintf("d%d AS (DELETE FROM %s WHERE %s RETURNING 1)", i, p.from(), p.where())
		counts[i] = fmt.Sprintf("(SELECT count(*) FROM d%d)", i)
		gone[i].Table, into[i] = p.name().String(), &gone[i].Rows
	}
	return w.batch(ctx, names(g), func(tx pgx.Tx) ([]Removed, error) {
		sql := "WITH " + strings.Join(with, ", ") + " SELECT " + strings.Join(counts, ", ")
		return gone, tx.QueryRow(ctx, sql).Scan(into...)
	})
}

// ownTables deletes moat's own rows of the tenant, its state among them: they come last,
// so that it stays suspended until nothing is left to serve.
func (w *eraser) ownTables(ctx context.Context) error {
	for _, p := range w.own(w.tenant) {
		if _, err := w.rows(ctx, p, ""); err != nil {
			return err
		}
	}
	return nil
}
