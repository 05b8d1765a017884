package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Stamp returns a text that changes whenever something does that [Load] reads, for a small
// part of its price: one round trip, some milliseconds for a thousand tables. A new Stamp
// does not say that two Snapshots differ; the same one says that they do not. Any role may
// ask.
func Stamp(ctx context.Context, conn *pgx.Conn) (string, error) {
	var version int
	const ask = "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4"
	if err := conn.QueryRow(ctx, ask).Scan(&version); err != nil {
		return "", fmt.Errorf("stamp of the catalog: %w", err)
	}
	text, err := queryText("stamp", version)
	if err != nil {
		return "", err
	}
	var stamp string
	if err := conn.QueryRow(ctx, text).Scan(&stamp); err != nil {
		return "", fmt.Errorf("stamp of the catalog: %w", err)
	}
	return fmt.Sprint(version, "-", stamp), nil
}
