package moat

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// bulkRows is how many rows one statement of a bulk insert carries: large enough to
// amortise a statement, small enough to keep the message in memory.
const bulkRows = 1000

// BulkInsert inserts many rows as the tenant of ctx, all of them or none, and returns
// how many. It stands in for COPY FROM, which PostgreSQL refuses under row-level
// security: rows go as arrays through unnest, a thousand to a statement.
//
// The arguments are those of pgx's CopyFrom. Leave the tenant column out where its
// default is the setting; a row of another tenant fails the policy and with it the
// whole insert.
func (db *DB) BulkInsert(ctx context.Context, table pgx.Identifier, columns []string,
	src pgx.CopyFromSource) (int64, error) {
	var n int64
	err := db.InTx(ctx, func(tx pgx.Tx) error {
		var err error
		n, err = tx.CopyFrom(ctx, table, columns, src)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// CopyFrom is [DB.BulkInsert] under the name that pgx and sqlc (:copyfrom) use.
func (db *DB) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string,
	src pgx.CopyFromSource) (int64, error) {
	return db.BulkInsert(ctx, table, columns, src)
}

// querier is what a bulk insert needs of a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Conn() *pgx.Conn
}

func bulkInsert(ctx context.Context, q querier, table pgx.Identifier, columns []string,
	src pgx.CopyFromSource, spread bool) (int64, error) {
	if len(columns) == 0 {
		return 0, fmt.Errorf("bulk insert: no columns")
	}
	types, err := columnTypes(ctx, q, table, columns)
	if err != nil {
		return 0, fmt.Errorf("bulk insert: %w", err)
	}
	statement := bulkStatement(table, columns, types, spread)
	var total int64
	for {
		batch, more, err := nextRows(src, len(columns))
		if err != nil {
			return 0, fmt.Errorf("bulk insert: %w", err)
		}
		if len(batch[0]) > 0 {
			n, err := insertRows(ctx, q, statement, types, batch)
			if err != nil {
				return 0, err
			}
			total += n
		}
		if !more {
			return total, nil
		}
	}
}

// columnType is a column's type: its OID for encoding values, its name for the cast.
type columnType struct {
	OID  uint32
	Name string
}

// columnTypes asks the server for the columns' types, in the given order and without
// their length: a cast to varchar(5) would cut what an INSERT refuses. The
// relation is named by what search_path finds, as in the INSERT.
func columnTypes(ctx context.Context, q querier, table pgx.Identifier, columns []string) ([]columnType, error) {
	rows, err := q.Query(ctx, `
		select a.atttypid, pg_catalog.format_type(a.atttypid, -1)
		from unnest($2::text[]) with ordinality as want(name, position)
		join pg_catalog.pg_attribute a on a.attrelid = $1::text::pg_catalog.regclass
			and a.attname = want.name and a.attnum > 0 and not a.attisdropped
		order by want.position`, table.Sanitize(), columns)
	if err != nil {
		return nil, err
	}
	types, err := pgx.CollectRows(rows, pgx.RowToStructByPos[columnType])
	if err != nil {
		return nil, err
	}
	if len(types) != len(columns) {
		return nil, fmt.Errorf("table %s lacks some of the columns %s", table.Sanitize(), strings.Join(columns, ", "))
	}
	return types, nil
}

// namesTenant refuses to leave the tenant of a wide scope's rows to a column's default,
// which is the scope's own tenant: a client's rows would become the agency's.
func (t *tx) namesTenant(ctx context.Context, table pgx.Identifier, columns []string) error {
	if t.scope.Width == Own {
		return nil
	}
	rows, err := t.Query(ctx, `
		select a.attname::text from pg_catalog.pg_attribute a
		join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
		where a.attrelid = $1::text::pg_catalog.regclass and not a.attisdropped and a.attname <> all ($2::text[])
		and (pg_catalog.strpos(pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.quote_literal($3::text)) > 0
			or pg_catalog.strpos(pg_catalog.pg_get_expr(d.adbin, d.adrelid), 'moat.current_tenant()') > 0)`,
		table.Sanitize(), columns, t.bind.tenantSetting)
	if err != nil {
		return err
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("the rows of a wide scope must name their tenant: add the column %s", missing[0])
	}
	return err
}

// bulkStatement renders the INSERT. Every column travels as an array of text, which
// the server turns into the column's type: unnest would flatten a column that is
// itself an array.
func bulkStatement(table pgx.Identifier, columns []string, types []columnType, spread bool) string {
	var names, params, casts, fields []string
	for i, c := range columns {
		names = append(names, pgx.Identifier{c}.Sanitize())
		params = append(params, fmt.Sprintf("$%d::text[]", i+1))
		fields = append(fields, fmt.Sprintf("c%d", i+1))
		casts = append(casts, fmt.Sprintf("v.c%d::%s", i+1, types[i].Name))
	}
	// Without RETURNING, Citus sends the rows on by COPY, which row-level security refuses.
	returning := ""
	if spread {
		returning = " returning true"
	}
	return fmt.Sprintf("insert into %s (%s) select %s from unnest(%s) as v(%s)", table.Sanitize(),
		strings.Join(names, ", "), strings.Join(casts, ", "), strings.Join(params, ", "), strings.Join(fields, ", ")) +
		returning
}

// nextRows reads up to bulkRows rows, by column.
func nextRows(src pgx.CopyFromSource, width int) (columns [][]any, more bool, err error) {
	columns = make([][]any, width)
	for len(columns[0]) < bulkRows {
		if !src.Next() {
			return columns, false, src.Err()
		}
		values, err := src.Values()
		if err != nil {
			return nil, false, err
		}
		if len(values) != width {
			return nil, false, fmt.Errorf("row has %d values for %d columns", len(values), width)
		}
		for i, v := range values {
			columns[i] = append(columns[i], v)
		}
	}
	return columns, true, nil
}

func insertRows(ctx context.Context, q querier, statement string, types []columnType, columns [][]any) (int64, error) {
	args := make([]any, len(columns))
	for i, values := range columns {
		texts, err := encodeTexts(q.Conn(), types[i], values)
		if err != nil {
			return 0, fmt.Errorf("bulk insert: column %d: %w", i+1, err)
		}
		args[i] = texts
	}
	tag, err := q.Exec(ctx, statement, args...)
	return tag.RowsAffected(), err
}

// encodeTexts writes values in the text format of the column's type; nil stays NULL.
func encodeTexts(conn *pgx.Conn, t columnType, values []any) ([]*string, error) {
	texts := make([]*string, len(values))
	for i, v := range values {
		if s, ok := v.(string); ok {
			texts[i] = &s
			continue
		}
		b, err := conn.TypeMap().Encode(t.OID, pgx.TextFormatCode, v, nil)
		if err != nil {
			return nil, err
		}
		if b != nil {
			s := string(b)
			texts[i] = &s
		}
	}
	return texts, nil
}
