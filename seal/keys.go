package seal

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// KeyOptions say how the database may use a key. The zero value works.
type KeyOptions struct {
	// AnyBackend accepts tokens of this key on every connection, for a pooler that
	// hides the server process. See [Options].AnyBackend.
	AnyBackend bool
}

// KeyStatus is what the database knows of a key, its secret left out.
type KeyStatus struct {
	ID         string
	AnyBackend bool
	Created    time.Time
	// ValidUntil is when the database stops accepting it; nil means never.
	ValidUntil *time.Time
	// Valid reports whether it is accepted now.
	Valid bool
}

// AddKey gives a key to the database, which from then on accepts it in addition to the
// others. Adding a key that is there, with the same secret or another, is an error.
//
// The key travels as a bind parameter; where the role may, logging of statements and
// parameters is turned off for it.
func AddKey(ctx context.Context, conn *pgx.Conn, k Key, o KeyOptions) error {
	tokenInner, tokenOuter := pads(k.secret[:])
	seal := make([]byte, 32)
	rand.Read(seal)
	sealInner, sealOuter := pads(seal)
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := quiet(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `insert into moat.seal_key (id, token_inner, token_outer, seal_inner, seal_outer, any_backend)
			values ($1, $2, $3, $4, $5, $6)`, k.id, append(tokenInner, messagePrefix...), tokenOuter, sealInner, sealOuter,
			o.AnyBackend)
		if err != nil {
			return err
		}
		// So that the planner knows it is one page: reading that beats the index.
		_, err = tx.Exec(ctx, "analyze moat.seal_key")
		return err
	})
	if err != nil {
		return fmt.Errorf("add %s: %w", k, err)
	}
	return nil
}

// quiet keeps the statements of a transaction, and their parameters, out of the
// server's log, as far as the role is allowed to.
func quiet(ctx context.Context, tx pgx.Tx) error {
	for _, set := range []string{
		"set local log_parameter_max_length_on_error = 0",
		"set local log_parameter_max_length = 0",
		"set local log_statement = 'none'",
		"set local log_min_duration_statement = -1",
	} {
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, set)
			return err
		})
		if err != nil && !hasCode(err, codePrivilege) {
			return err
		}
	}
	return nil
}

// RetireKey makes the database refuse a key from a time on: now, or later so that
// clients have time to sign with the next one. What is bound already stays bound to
// the end of its transaction.
func RetireKey(ctx context.Context, conn *pgx.Conn, id string, from time.Time) error {
	tag, err := conn.Exec(ctx, "update moat.seal_key set valid_until = $2 where id = $1", id, from)
	return one(tag, err, "retire", id)
}

// DropKey deletes a key. Transactions that were bound with it see no more rows.
func DropKey(ctx context.Context, conn *pgx.Conn, id string) error {
	tag, err := conn.Exec(ctx, "delete from moat.seal_key where id = $1", id)
	return one(tag, err, "drop", id)
}

func one(tag pgconn.CommandTag, err error, verb, id string) error {
	if err == nil && tag.RowsAffected() == 0 {
		err = fmt.Errorf("no such key")
	}
	if err != nil {
		return fmt.Errorf("%s seal key %s: %w", verb, id, err)
	}
	return nil
}

// RetireOthers retires, from a time on, every key but the named one, and returns
// their ids. A key that is to be retired earlier stays so.
func RetireOthers(ctx context.Context, conn *pgx.Conn, keep string, from time.Time) ([]string, error) {
	rows, _ := conn.Query(ctx, `update moat.seal_key set valid_until = $2
		where id <> $1 and (valid_until is null or valid_until > $2)
		and exists (select from moat.seal_key where id = $1)
		returning id`, keep, from)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("retire seal keys: %w", err)
	}
	return ids, nil
}

// Keys lists the keys of the database, the newest first.
func Keys(ctx context.Context, conn *pgx.Conn) ([]KeyStatus, error) {
	rows, _ := conn.Query(ctx,
		`select id, any_backend, created_at, valid_until, valid_until is null or valid_until > clock_timestamp()
		from moat.seal_key order by created_at desc, id`)
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[KeyStatus])
	if err != nil {
		return nil, fmt.Errorf("list seal keys: %w", err)
	}
	return keys, nil
}
