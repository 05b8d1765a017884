package audit_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/sqltext"
)

// The SQL of a finding, run alone on a fixture of its rule, shows no tenant more of
// others' rows, gives no right that was not there, and takes none of its own rows from it, to
// read, update or delete, unless the finding says that the SQL takes something.
func TestFixesKeepWhatTenantsSee(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	setup := audittest.Setups(t, c)
	var fixed, tried sync.Map // rules
	t.Run("each", func(t *testing.T) {
		for i, h := range append(audittest.Holes(t), audittest.Controls(t)...) {
			if !h.Applies(c.Major) {
				continue
			}
			t.Run(h.ID, func(t *testing.T) {
				t.Parallel()
				if i%12 != 0 {
					pgtest.Full(t)
				}
				s := newSpectator(t, setup(t, h), "app")
				before := s.look(t)
				for _, x := range run(t, s.Fixture).Findings {
					if len(x.Fix) == 0 {
						continue
					}
					fixed.Store(x.Rule, true)
					_, done := tried.LoadOrStore(x.Rule, true)
					if done && !slices.Contains(x.Holes, h.ID) && x.Severity == audit.Low {
						continue // what is true of every server is tried once
					}
					s.exec(t, "SAVEPOINT fix")
					s.apply(t, x)
					s.compare(t, x, before, s.look(t))
					s.exec(t, "ROLLBACK TO fix")
				}
			})
		}
	})
	fixed.Range(func(rule, _ any) bool {
		if _, ok := tried.Load(rule); !ok {
			t.Errorf("no fixture tries the SQL of %s", rule)
		}
		return true
	})
}

// spectator sees what each tenant can do to the tables of a fixture, in a transaction
// that is rolled back.
type spectator struct {
	*audittest.Fixture
	conn   *pgx.Conn
	tables []string
	column map[string]string // one to set to itself
	// bind speaks for a tenant; nil sets the plain setting.
	bind func(context.Context, *pgx.Conn, string) error
}

func newSpectator(t *testing.T, f *audittest.Fixture, schemas ...string) *spectator {
	t.Helper()
	s := &spectator{Fixture: f, conn: f.Admin(t), column: map[string]string{}}
	if s.conn.PgConn().TxStatus() == 'I' {
		s.exec(t, "BEGIN")
	}
	rows, err := s.conn.Query(t.Context(), `SELECT a.attrelid::regclass::text, max(quote_ident(a.attname))
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text = ANY ($1)
		AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = '' GROUP BY 1 ORDER BY 1`,
		schemas)
	if err != nil {
		t.Fatal(err)
	}
	var table, column string
	if _, err := pgx.ForEachRow(rows, []any{&table, &column}, func() error {
		s.tables, s.column[table] = append(s.tables, table), column
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *spectator) exec(t *testing.T, sql string) {
	t.Helper()
	if _, err := s.conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// apply runs a finding's SQL.
func (s *spectator) apply(t *testing.T, x audit.Finding) {
	t.Helper()
	for _, sql := range x.Fix {
		if _, err := s.conn.Exec(context.Background(), sql); err != nil {
			t.Fatalf("%s %s: %v\n%s", x.Rule, x.Object, err, sql)
		}
	}
}

// sight is what one tenant does to one table: the rows it reads, updates or deletes, or
// the code of the error.
type sight struct {
	tenant, command, table string
	rows                   []string
	refused                string
}

// look tries every command on every table as tenant A, as B and without one.
func (s *spectator) look(t *testing.T) []sight {
	t.Helper()
	var all []sight
	for _, table := range s.tables {
		stored := s.rows(t, table)
		for _, tenant := range []string{audittest.TenantA, audittest.TenantB, ""} {
			for _, command := range []string{"SELECT", "UPDATE", "DELETE"} {
				x := sight{tenant: tenant, command: command, table: table}
				x.rows, x.refused = s.touched(t, x, stored)
				all = append(all, x)
			}
		}
	}
	return all
}

// touched returns the rows that a command reads or changes.
func (s *spectator) touched(t *testing.T, x sight, stored map[string]string) (rows []string, refused string) {
	t.Helper()
	defer s.exec(t, "ROLLBACK TO look")
	_, err := s.conn.PgConn().Exec(t.Context(), fmt.Sprintf(
		"SAVEPOINT look; SET LOCAL app.current_tenant = %s; SET LOCAL request.jwt.claims = %s; SET LOCAL ROLE %s",
		sqltext.Literal(x.tenant), sqltext.Literal(`{"tenant_id": "`+x.tenant+`", "sub": "`+x.tenant+`"}`),
		sqltext.Ident(s.App))).ReadAll()
	if err == nil && s.bind != nil && x.tenant != "" {
		err = s.bind(t.Context(), s.conn, x.tenant)
	}
	if err != nil {
		t.Fatal(err)
	}
	if x.command == "SELECT" {
		rows, err := s.conn.Query(t.Context(), "SELECT to_jsonb(x)::text FROM ONLY "+x.table+" AS x", pgx.QueryExecModeExec)
		if err == nil {
			found, failed := pgx.CollectRows(rows, pgx.RowTo[string])
			if failed == nil {
				slices.Sort(found)
				return found, ""
			}
			err = failed
		}
		return nil, code(err)
	}
	statement := "DELETE FROM ONLY " + x.table
	if x.command == "UPDATE" {
		statement = fmt.Sprintf("UPDATE ONLY %s SET %[2]s = %[2]s", x.table, s.column[x.table])
	}
	if _, err := s.conn.PgConn().Exec(t.Context(), statement).ReadAll(); err != nil {
		return nil, code(err)
	}
	s.exec(t, "RESET ROLE")
	left := s.rows(t, x.table)
	for at, row := range stored {
		if _, same := left[at]; !same {
			rows = append(rows, row)
		}
	}
	slices.Sort(rows)
	return rows, ""
}

// rows returns the rows of a table by where they are stored, whatever the policies.
func (s *spectator) rows(t *testing.T, table string) map[string]string {
	t.Helper()
	rows, err := s.conn.Query(t.Context(), "SELECT ctid::text, to_jsonb(x)::text FROM ONLY "+table+" AS x",
		pgx.QueryExecModeExec)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	var at, row string
	if _, err := pgx.ForEachRow(rows, []any{&at, &row}, func() error { all[at] = row; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func code(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return err.Error()
}

// belongs says whose a row of the fixtures is: it names the tenant or starts a text with
// its letter.
func belongs(row string) string {
	for tenant, letter := range map[string]string{audittest.TenantA: "a", audittest.TenantB: "b"} {
		if strings.Contains(row, tenant) || regexp.MustCompile(`": "`+letter+`\b`).MatchString(row) {
			return tenant
		}
	}
	return ""
}

func (s *spectator) compare(t *testing.T, x audit.Finding, before, after []sight) {
	t.Helper()
	grants := slices.ContainsFunc(x.Fix, func(sql string) bool { return strings.HasPrefix(sql, "GRANT ") })
	says := strings.Contains(x.Message+x.Why, "The SQL takes")
	for i, was := range before {
		is := after[i]
		if grants && was.refused == "42501" && is.refused == "" && len(is.rows) > 0 {
			t.Errorf("%s %s gives a right: tenant %s can %s %v\n%s", x.Rule, x.Object, cmp.Or(was.tenant, "none"), was.command,
				is.rows, strings.Join(x.Fix, ";\n"))
		}
		for _, row := range is.rows {
			kept := slices.ContainsFunc(was.rows, func(old string) bool { return extends(row, old) })
			if !kept && belongs(row) != was.tenant {
				t.Errorf("%s %s widens: tenant %s can %s %s\n%s", x.Rule, x.Object, cmp.Or(was.tenant, "none"), was.command, row,
					strings.Join(x.Fix, ";\n"))
			}
		}
		for _, row := range was.rows {
			kept := slices.ContainsFunc(is.rows, func(now string) bool { return extends(now, row) })
			if !kept && !says && belongs(row) == was.tenant && was.tenant != "" {
				t.Errorf("%s %s loses: tenant %s can no longer %s %s (%s)\n%s", x.Rule, x.Object, was.tenant, was.command, row,
					is.refused, strings.Join(x.Fix, ";\n"))
			}
		}
	}
}

// extends says whether a row is an older one, whatever columns were added.
func extends(row, old string) bool {
	var now, was map[string]any
	if json.Unmarshal([]byte(row), &now) != nil || json.Unmarshal([]byte(old), &was) != nil {
		return false
	}
	for column, value := range was {
		if !reflect.DeepEqual(now[column], value) {
			return false
		}
	}
	return true
}
