package frame

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

//go:embed session.sql
var installSessions string

// maxSessions is how many sessions somebody has at a time; one more ends the oldest. They
// are counted by subject, so nobody ends another's.
const maxSessions = 20

// renewTime is how long one server has to renew a session before another tries.
const renewTime = 15 * time.Second

// Store keeps sessions in moat.portal_session, for all servers of a database.
type Store struct {
	// Pool connects as a role that may write the table and is not the application's.
	Pool *pgxpool.Pool
	// Admin connects as who may create the table; nil means the role of Pool.
	Admin *pgx.ConnConfig
}

// SessionsNotPreparedError says that the table of sessions is missing and may not be
// created. SQL creates it, once, as an administrator.
type SessionsNotPreparedError struct{ SQL string }

func (e *SessionsNotPreparedError) Error() string {
	return "moat.portal_session is missing, and the role that keeps sessions may not create it"
}

// Prepare creates the table unless it is there. It is an error when the application role
// has any right on it: every client's statements run as that role.
func (s *Store) Prepare(ctx context.Context, application string) error {
	var keeper string
	var ready bool
	const look = `select current_user::text, exists (select from pg_catalog.pg_class c
		join pg_catalog.pg_namespace n on n.oid = c.relnamespace join pg_catalog.pg_attribute a on a.attrelid = c.oid
		where n.nspname = 'moat' and c.relname = 'portal_session' and a.attname = 'about'
		and pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'DELETE'))`
	if err := s.Pool.QueryRow(ctx, look).Scan(&keeper, &ready); err != nil {
		return fmt.Errorf("look for moat.portal_session: %w", err)
	}
	if keeper == application {
		return fmt.Errorf("role %s is the application's, and must not keep sessions", keeper)
	}
	if !ready {
		if err := s.create(ctx, application, keeper); err != nil {
			return err
		}
	}
	return s.apart(ctx, application)
}

func (s *Store) create(ctx context.Context, application, keeper string) error {
	sql := SessionsSQL([]string{application}, keeper)
	conn, err := pgx.ConnectConfig(ctx, cmp.Or(s.Admin, s.Pool.Config().ConnConfig).Copy())
	if err != nil {
		return fmt.Errorf("create moat.portal_session: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" {
		return &SessionsNotPreparedError{SQL: sql}
	}
	return err
}

// SessionsSQL creates the table for the role that keeps sessions. It may be run again.
func SessionsSQL(applications []string, keeper string) string {
	from := []string{"PUBLIC"}
	from = append(from, list.Map(applications, sqltext.Role)...)
	return strings.NewReplacer("{{public}}", strings.Join(from, ", "), "{{keeper}}", sqltext.Role(keeper)).
		Replace(installSessions)
}

// apart looks at every role that the application role is or can become.
func (s *Store) apart(ctx context.Context, application string) error {
	const rights = `select coalesce(min(r.rolname::text), '') from pg_catalog.pg_roles r
		where pg_catalog.pg_has_role($1, r.oid, 'MEMBER') and (
			pg_catalog.has_any_column_privilege(r.oid, 'moat.portal_session', 'SELECT, INSERT, UPDATE')
			or pg_catalog.has_table_privilege(r.oid, 'moat.portal_session', 'DELETE, TRUNCATE, TRIGGER'))`
	var role string
	if err := s.Pool.QueryRow(ctx, rights, application).Scan(&role); err != nil {
		return fmt.Errorf("look at the rights on moat.portal_session: %w", err)
	}
	if role != "" {
		return fmt.Errorf("role %s, which the application role is or can become, has rights on moat.portal_session: "+
			"revoke them", role)
	}
	return nil
}

// kept is a row of the table.
type kept struct {
	id, owner        []byte
	created, expires time.Time
	value            []byte
	about            string // the browser, for its owner to recognise
}

// put keeps a session, ends the oldest of the same owner beyond the bound, and clears away
// some of what has expired. Rows that another server is about to delete are left to it.
func (s *Store) put(ctx context.Context, k kept) error {
	b := &pgx.Batch{}
	b.Queue(`insert into moat.portal_session (id, owner, created, expires, value, about)
		values ($1, $2, $3, $4, $5, $6)`, k.id, k.owner, k.created, k.expires, k.value, k.about)
	b.Queue(`delete from moat.portal_session where id in (select id from moat.portal_session where owner = $1
		order by created desc, id offset $2 for update skip locked)`, k.owner, maxSessions)
	b.Queue(`delete from moat.portal_session where id in (select id from moat.portal_session where expires <= $1
		limit 100 for update skip locked)`, k.created)
	return s.Pool.SendBatch(ctx, b).Close()
}

// get returns the value of a session, nil where there is none.
func (s *Store) get(ctx context.Context, id []byte, now time.Time) (value []byte, err error) {
	err = s.Pool.QueryRow(ctx, `select value from moat.portal_session where id = $1 and expires > $2`, id, now).
		Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return value, err
}

// lease says whether it is the caller who renews a session now: a provider may take a
// refresh token only once, whatever number of servers and requests see that it is time.
func (s *Store) lease(ctx context.Context, id []byte, now time.Time) (bool, error) {
	tag, err := s.Pool.Exec(ctx, `update moat.portal_session set renewed = $2 where id = $1 and
		(renewed is null or renewed <= $3)`, id, now, now.Add(-renewTime))
	return tag.RowsAffected() == 1, err
}

// replace puts a renewed session in the place of what it was, and lets it be renewed again.
// One that was signed out of meanwhile stays so.
func (s *Store) replace(ctx context.Context, id, value []byte) error {
	_, err := s.Pool.Exec(ctx, `update moat.portal_session set value = $2, renewed = null where id = $1`, id, value)
	return err
}

func (s *Store) end(ctx context.Context, id []byte) error {
	_, err := s.Pool.Exec(ctx, `delete from moat.portal_session where id = $1`, id)
	return err
}

// of lists the sessions of an owner, the newest first.
func (s *Store) of(ctx context.Context, owner []byte, now time.Time) ([]kept, error) {
	rows, _ := s.Pool.Query(ctx, `select id, created, expires, about from moat.portal_session
		where owner = $1 and expires > $2 order by created desc, id`, owner, now)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (k kept, err error) {
		err = row.Scan(&k.id, &k.created, &k.expires, &k.about)
		return k, err
	})
}

// endOf ends a session of an owner, or all but one of them where id is nil.
func (s *Store) endOf(ctx context.Context, owner, id, but []byte) error {
	_, err := s.Pool.Exec(ctx, `delete from moat.portal_session where owner = $1 and
		case when $2::bytea is null then id <> $3 else id = $2 end`, owner, id, but)
	return err
}
