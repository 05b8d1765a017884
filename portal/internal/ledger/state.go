package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Kept reads one of the things the console keeps, which are no tenant's rows: nothing is logged.
func (l *Ledger) Kept(ctx context.Context, name string, into any) (at time.Time, err error) {
	if err := l.Prepare(ctx); err != nil {
		return time.Time{}, err
	}
	err = pgx.BeginFunc(ctx, l.Pool, func(tx pgx.Tx) (err error) {
		at, err = State(ctx, tx, name, into)
		return err
	})
	return at, err
}

// State reads one of the things the console keeps; the time is zero when it was never
// kept.
func State(ctx context.Context, tx pgx.Tx, name string, into any) (at time.Time, err error) {
	var text []byte
	err = tx.QueryRow(ctx, "select at, value from moat.console_state where name = $1", name).Scan(&at, &text)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return at, json.Unmarshal(text, into)
}

// Past reads what was kept under names that begin so, the newest first.
func Past[T any](ctx context.Context, tx pgx.Tx, begins string, most int) ([]T, error) {
	rows, _ := tx.Query(ctx, `select value from moat.console_state where starts_with(name, $1)
		order by at desc limit $2`, begins, most)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (one T, err error) {
		var text []byte
		if err := row.Scan(&text); err != nil {
			return one, err
		}
		return one, json.Unmarshal(text, &one)
	})
}

// Keep keeps it.
func Keep(ctx context.Context, tx pgx.Tx, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "insert into moat.console_state (name, at, value) values ($1, clock_timestamp(), $2) "+
		"on conflict (name) do update set at = excluded.at, value = excluded.value", name, string(text))
	return err
}
