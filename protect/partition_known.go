package protect

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/sqltext"
)

//go:embed sql/dependents.sql
var dependentsSQL string

//go:embed sql/comments.sql
var commentsSQL string

// known is what the partitioner reads beside the Snapshot.
type known struct {
	literal    string // the tenant, as the server writes it, quoted
	exists     bool   // in the tenants table, where the model knows one
	hot        int64  // rows of the tenant
	dependents []string
	comments   []string
	options    []string // storage parameters, "name=value"
	identity   map[string]identity
}

// identity is the sequence of an identity column.
type identity struct {
	Name                               string
	Start, Increment, Min, Max, Cached int64
	Cycle                              bool
}

// readKnown looks at all tenants' rows: where row-level security binds the role, that is an
// error.
func readKnown(ctx context.Context, conn *pgx.Conn, w *partitioner) (known, error) {
	k := known{identity: map[string]identity{}, exists: true}
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		for _, set := range []string{"row_security = off", "search_path = pg_catalog"} {
			if _, err := tx.Exec(ctx, "SET LOCAL "+set); err != nil {
				return err
			}
		}
		if w.o.Tenant != "" {
			if err := k.tenant(ctx, tx, w); err != nil {
				return err
			}
		}
		return k.table(ctx, tx, w)
	})
	return k, err
}

func (k *known) tenant(ctx context.Context, tx pgx.Tx, w *partitioner) error {
	q, column := w.rel.QName().SQL(), sqltext.Ident(w.t.column)
	var text string
	err := tx.QueryRow(ctx, fmt.Sprintf("SELECT ($1::text::%s)::text", w.t.typ), w.o.Tenant).Scan(&text)
	if err != nil {
		return fmt.Errorf("read tenant %q: %w", w.o.Tenant, err)
	}
	k.literal = sqltext.Literal(text)
	if tenants := w.m.Tenants; tenants.Name != "" {
		err := tx.QueryRow(ctx, fmt.Sprintf("SELECT EXISTS (SELECT FROM %s WHERE %s = %s)", tenants.SQL(),
			sqltext.Ident(w.m.Key), k.literal)).Scan(&k.exists)
		if err != nil {
			return fmt.Errorf("look for the tenant: %w", err)
		}
	}
	err = tx.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s = %s", q, column, k.literal)).Scan(&k.hot)
	if err != nil {
		return fmt.Errorf("count the tenant's rows: %w", err)
	}
	return nil
}

func (k *known) table(ctx context.Context, tx pgx.Tx, w *partitioner) (err error) {
	q := w.rel.QName().SQL()
	if k.dependents, err = texts(ctx, tx, dependentsSQL, q); err != nil {
		return fmt.Errorf("look for what depends on the table: %w", err)
	}
	if k.comments, err = texts(ctx, tx, commentsSQL, q); err != nil {
		return fmt.Errorf("read comments: %w", err)
	}
	if k.options, err = texts(ctx, tx, "SELECT unnest(reloptions) FROM pg_catalog.pg_class WHERE oid = $1::regclass",
		q); err != nil {
		return fmt.Errorf("read storage parameters: %w", err)
	}
	rows, err := tx.Query(ctx, `
SELECT a.attname, c.relname, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_class c ON c.oid = d.objid
  JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
  JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refobjid = $1::regclass AND d.deptype = 'i'`, q)
	if err != nil {
		return fmt.Errorf("read identity columns: %w", err)
	}
	var column string
	var i identity
	_, err = pgx.ForEachRow(rows, []any{&column, &i.Name, &i.Start, &i.Increment, &i.Min, &i.Max, &i.Cached, &i.Cycle},
		func() error { k.identity[column] = i; return nil })
	return err
}

func texts(ctx context.Context, tx pgx.Tx, query string, args ...any) ([]string, error) {
	rows, _ := tx.Query(ctx, query, args...)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// generated writes the identity of a column as ADD does, with a sequence of the same name
// and kind.
func (i identity) generated(schema, kind string) string {
	cycle := "NO CYCLE"
	if i.Cycle {
		cycle = "CYCLE"
	}
	return fmt.Sprintf("ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s START WITH %d INCREMENT BY %d MINVALUE %d "+
		"MAXVALUE %d CACHE %d %s)", kind, sqltext.Ident(schema)+"."+sqltext.Ident(i.Name), i.Start, i.Increment, i.Min, i.Max,
		i.Cached, cycle)
}
