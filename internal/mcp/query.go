package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
)

// ConfigurePool has each connection used once: nothing of a statement is there for the next, of
// whichever tenant.
func ConfigurePool(c *pgxpool.Config) {
	c.AfterRelease = func(*pgx.Conn) bool { return false }
	c.MinConns, c.MinIdleConns = 0, 0
	serving.OneProcess(c.ConnConfig.RuntimeParams)
}

type queryInput struct {
	SQL string `json:"sql" jsonschema:"one SELECT"`
}

func (in queryInput) String() string { return in.SQL }

// result is what a statement showed.
type result struct {
	Columns []string    `json:"columns"`
	Rows    [][]*string `json:"rows"`
	More    bool        `json:"more,omitempty"` // there are rows that were not read
}

func (h *Handler) query(r *http.Request, in queryInput) (string, error) {
	s, err := parse(in.SQL)
	if err != nil {
		return "", err
	}
	body, err := h.within(r, "mcp/query", func(ctx context.Context, w http.ResponseWriter, _ moat.Scope) error {
		found, err := h.run(ctx, s)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(found)
	})
	return string(body), err
}

var errDone = errors.New("roll back")

// run runs a statement in a read-only transaction of the scope of ctx.
func (h *Handler) run(ctx context.Context, s statement) (found result, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*h.config.Limits.Timeout)
	defer cancel()
	o := moat.TxOptions{TxOptions: pgx.TxOptions{AccessMode: pgx.ReadOnly}}
	err = h.config.Statements.InTxWith(ctx, o, func(tx pgx.Tx) error {
		tx.Conn().PgConn().Frontend().SetMaxBodyLen(4 * h.config.Limits.Bytes)
		if err := h.permit(ctx, tx, s); err != nil {
			return err
		}
		if found, err = h.fetch(ctx, tx, s); err != nil {
			return err
		}
		return errDone
	})
	if errors.Is(err, errDone) {
		err = nil
	}
	return found, err
}

// permit sets the time that a statement has, and asks whether it may have it: it calls nothing
// volatile, and the planner expects it to cost no more than the limit.
func (h *Handler) permit(ctx context.Context, tx pgx.Tx, s statement) error {
	const limit = "select pg_catalog.set_config('statement_timeout', $1, true), " +
		"pg_catalog.set_config('search_path', pg_catalog.current_setting('search_path'), true)"
	if _, err := tx.Exec(ctx, limit, strconv.FormatInt(h.config.Limits.Timeout.Milliseconds(), 10)); err != nil {
		return err
	}
	if err := s.refuseVolatile(ctx, tx); err != nil {
		return err
	}
	var text []byte
	if err := tx.QueryRow(ctx, "explain (format json) "+s.sql).Scan(&text); err != nil {
		return err
	}
	var plans []struct {
		Plan struct {
			Cost float64 `json:"Total Cost"`
		}
	}
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
		return errors.New("the planner does not say what the statement would cost")
	}
	if cost := plans[0].Plan.Cost; cost > h.config.Limits.Cost {
		return refuse("it would cost %.0f by the planner's estimate, and %.0f is the limit: filter by an indexed column, "+
			"or take a smaller range", cost, h.config.Limits.Cost)
	}
	return nil
}

// fetch reads through a cursor, which takes a SELECT and nothing else, and sends no more rows than
// are asked for.
func (h *Handler) fetch(ctx context.Context, tx pgx.Tx, s statement) (found result, err error) {
	if _, err := tx.Exec(ctx, "declare moat_agent no scroll cursor for "+s.sql); err != nil {
		return found, err
	}
	rows, err := tx.Query(ctx, fmt.Sprintf("fetch %d from moat_agent", h.config.Limits.Rows+1),
		pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		return found, err
	}
	defer rows.Close()
	found.Rows = [][]*string{}
	for _, f := range rows.FieldDescriptions() {
		found.Columns = append(found.Columns, f.Name)
	}
	for size := 0; rows.Next(); {
		if len(found.Rows) == h.config.Limits.Rows {
			found.More = true
			continue
		}
		row := make([]*string, len(found.Columns))
		for i, v := range rows.RawValues() {
			size += len(v)
			if v != nil {
				text := string(v)
				row[i] = &text
			}
		}
		if size > h.config.Limits.Bytes {
			return found, refuse("the answer has more than %d bytes: ask for fewer columns or rows", h.config.Limits.Bytes)
		}
		found.Rows = append(found.Rows, row)
	}
	return found, rows.Err()
}
