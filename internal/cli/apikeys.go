package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/alive"
	"github.com/moat-db/moat/internal/apikey"
)

// keysURLVariable names the connection of the role that makes and looks up API keys.
const keysURLVariable = "MOAT_KEYS_URL"

// openKeys opens that connection; without one there are no keys.
func (s *service) openKeys(ctx context.Context) error {
	if s.keysURL == "" {
		return nil
	}
	pc, err := pgxpool.ParseConfig(s.keysURL)
	if err != nil {
		return connectError(err)
	}
	app, err := pgx.ParseConfig(s.appURL)
	if err != nil {
		return connectError(err)
	}
	pc.MaxConns = 4
	alive.Pool(pc)
	if s.keys, err = pgxpool.NewWithConfig(ctx, pc); err != nil {
		return connectError(err)
	}
	s.onClose(s.keys.Close)
	return s.checkKeys(ctx, app.User)
}

// keysApart is whether the application role can neither reach the table of keys nor become
// the role that can, and this one can do nothing beyond it.
const keysApart = `select k.oid is not null,
	coalesce(pg_catalog.has_table_privilege($1, k.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER'), false)
		or coalesce(pg_catalog.has_any_column_privilege($1, k.oid, 'SELECT, INSERT, UPDATE, REFERENCES'), false)
		or pg_catalog.pg_has_role($1, current_user, 'MEMBER'),
	(select rolsuper or rolbypassrls or rolcreaterole from pg_catalog.pg_roles where rolname = current_user)
	from (select pg_catalog.to_regclass('moat.api_key')::oid) as k (oid)`

func (s *service) checkKeys(ctx context.Context, application string) error {
	var there, reaches, powerful bool
	//moat:unscoped a key is looked up before its tenant is known
	if err := s.keys.QueryRow(ctx, keysApart, application).Scan(&there, &reaches, &powerful); err != nil {
		return fmt.Errorf("%s: %w", keysURLVariable, connectError(err))
	}
	switch {
	case !there:
		return withHint(errors.New("API keys: there is no table moat.api_key"), "moat key setup --apply makes it")
	case reaches:
		return fmt.Errorf("API keys: the application role %s has a right on moat.api_key, or can become who has", application)
	case powerful:
		return withHint(fmt.Errorf("%s: its role can do more than make and look up keys", keysURLVariable),
			"connect as %s, which moat key setup makes", apikey.Role)
	}
	return nil
}

func keysURL() string { return os.Getenv(keysURLVariable) }

type keyVerifier = func(context.Context, string) (auth.Identity, error)

// keyVerifier verifies API keys; nil where there are none.
func (s *service) keyVerifier() keyVerifier {
	if s.keys == nil {
		return nil
	}
	guarded := &apikey.Guarded{DB: s.keys, PerSecond: s.config.Limits.KeyRequestsPerSecond}
	return guarded.Verify
}
