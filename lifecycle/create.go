package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// Create adds a tenant: one row of the tenants table with these values, by column, as
// texts. What is not given takes its default; an id that has none and is a uuid is made. It
// returns the id.
func (o *Operator) Create(ctx context.Context, values map[string]string) (id string, err error) {
	m := o.view.Model
	r := o.view.Relation(m.Tenants)
	if r == nil {
		return "", errors.New("there is no table that lists the tenants: a tenant exists when it has rows")
	}
	if key := r.Column(m.Key); values[m.Key] == "" && Makes(key) {
		values = maps.Clone(values)
		if values == nil {
			values = map[string]string{}
		}
		if err := o.conn.QueryRow(ctx, "SELECT gen_random_uuid()::text").Scan(&id); err != nil {
			return "", err
		}
		values[m.Key] = id
	}
	names, args, err := valuesOf(r, values)
	if err != nil {
		return "", err
	}
	sql := "INSERT INTO " + m.Tenants.SQL() + " DEFAULT VALUES"
	if len(names) > 0 {
		sql = "INSERT INTO " + m.Tenants.SQL() + " (" + sqltext.Idents(names) + ") SELECT " + castAll(r, names)
	}
	if err := o.prepare(ctx); err != nil {
		return "", err
	}
	// Only the row says which id a default gave it, so its line of the log is written beside it.
	err = pgx.BeginFunc(ctx, o.conn, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, sql+" RETURNING "+sqltext.Ident(m.Key)+"::text", args...).Scan(&id); err != nil {
			return err
		}
		return o.log(ctx, "created the tenant", id, strings.Join(names, ", "))
	})
	if sqlState(err) == "23502" {
		return "", fmt.Errorf("create the tenant: a column without a default needs a value (--set COLUMN=VALUE): %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("create the tenant: %w", err)
	}
	return id, nil
}

// Makes reports whether [Operator.Create] makes the value of a key where none is given.
func Makes(key *catalog.Column) bool {
	return key.Type == "uuid" && key.Default == "" && key.Generated == ""
}

// valuesOf are the columns in a stable order and their texts. A name that is not a column
// is an error.
func valuesOf(r *catalog.Relation, values map[string]string) (names []string, args []any, err error) {
	for name := range values {
		if c := r.Column(name); c == nil || c.Generated != "" {
			return nil, nil, fmt.Errorf("%s has no column %s that can be written: %s", r.QName(), name,
				strings.Join(writable(r), ", "))
		}
		names = append(names, name)
	}
	slices.Sort(names)
	args = append(args, list.Map(names, func(name string) any { return values[name] })...)
	return names, append([]any{pgx.QueryExecModeExec}, args...), nil
}

// castAll reads parameters that are texts as the columns' types.
func castAll(r *catalog.Relation, names []string) string {
	casts := make([]string, len(names))
	for i, name := range names {
		casts[i] = fmt.Sprintf("$%d::text::%s", i+1, r.Column(name).Type)
	}
	return strings.Join(casts, ", ")
}
