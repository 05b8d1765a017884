package migrations

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/sqltext"
)

// Hidden is a statement that reads or changes rows of a table, as a role that the table's
// policies bind: on a database with rows it meets none of them, and says nothing.
type Hidden struct {
	Place
	Schema, Table string
}

// hidden looks for what is hidden from a statement: it runs it, taken back, as the role of
// the file without its being a superuser, and with row_security off, under which the
// server names each table whose rows a policy would hide.
func (a *applier) hidden(ctx context.Context, file string, s sqltext.Statement) error {
	a.speaks = a.speaks || namesTenant(s)
	if a.bypasses || !touchesRows(s) {
		return nil
	}
	bound, err := a.binding(ctx)
	if err != nil || !bound.any {
		return err
	}
	if a.speaks {
		if !a.told {
			a.told = true
			a.note("%s:%d: from here on the file sets parameters of its own, so it was not tried whether policies hide rows "+
				"from it.", file, s.Line)
		}
		return nil
	}
	place := Place{file, s.Line}
	open := bound.open
	for {
		name, err := a.trial(ctx, bound.role, open, s)
		if err != nil {
			a.note("%s:%d: whether policies hide rows from this statement could not be tried: %v", file, s.Line, err)
		}
		tables := bound.named(name)
		tables = slices.DeleteFunc(tables, func(t policed) bool { return slices.Contains(open, t.oid) })
		if len(tables) == 0 {
			return nil
		}
		for _, t := range tables {
			a.result.Hidden = append(a.result.Hidden, Hidden{place, t.schema, t.name})
			open = append(open, t.oid)
		}
	}
}

// touchesRows says whether a statement reads or changes rows of tables when it runs. COPY
// FROM is refused under policies, so nobody misses what it does.
func touchesRows(s sqltext.Statement) bool {
	tokens := sqltext.Code(s.Text)
	if s.Copy != nil || len(tokens) == 0 {
		return false
	}
	first := strings.ToLower(tokens[0].Text)
	makes := first == "create" && slices.ContainsFunc(tokens, func(t sqltext.Token) bool { return t.Is("as") }) &&
		slices.Contains([]string{"create table", "create view"}, verb(tokens))
	rows := []string{"update", "delete", "insert", "merge", "with", "select", "do", "call", "values", "table"}
	return makes || slices.Contains(rows, first)
}

var setsParameter = regexp.MustCompile(`(?i)\bset_config\s*\(|\bset\s+((local|session)\s+)?"?\w+"?\."?\w`)

// namesTenant says whether a statement sets a parameter that policies may read.
func namesTenant(s sqltext.Statement) bool { return setsParameter.MatchString(s.Text) }

// policed is a table whose row-level security is on.
type policed struct {
	oid          uint32
	schema, name string
}

// binding is what may hide rows from the role that the file runs as.
type binding struct {
	any    bool // whether there is anything to try
	role   string
	tables []policed
	open   []uint32 // those of which policies show the role every row
}

func (b binding) named(name string) []policed {
	return slices.DeleteFunc(slices.Clone(b.tables), func(t policed) bool { return t.name != name })
}

const policedTables = `SELECT c.oid, n.nspname, c.relname,
       EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd = '*'
         AND (0 = ANY (p.polroles) OR EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) r
           WHERE pg_catalog.pg_has_role(current_user, r, 'USAGE')))
         AND pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true'
         AND coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive) AS open
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relrowsecurity ORDER BY n.nspname, c.relname`

// binding asks where the file stands. A file that turns row_security off is told by the
// server itself.
func (a *applier) binding(ctx context.Context) (binding, error) {
	var b binding
	if a.conn.PgConn().TxStatus() == 'E' {
		return b, nil
	}
	var rowSecurity bool
	err := a.conn.QueryRow(ctx, "SELECT current_user, current_setting('row_security')::boolean",
		pgx.QueryExecModeSimpleProtocol).Scan(&b.role, &rowSecurity)
	if err != nil || !rowSecurity {
		return b, err
	}
	rows, _ := a.conn.Query(ctx, policedTables, pgx.QueryExecModeSimpleProtocol)
	var t policed
	var open bool
	_, err = pgx.ForEachRow(rows, []any{&t.oid, &t.schema, &t.name, &open}, func() error {
		b.tables = append(b.tables, t)
		if open {
			b.open = append(b.open, t.oid)
		}
		return nil
	})
	b.any = len(b.tables) > 0
	return b, err
}

var hidingTable = regexp.MustCompile(`row-level security policy for table "(.+)"$`)

// trial runs a statement and takes it back. It returns the name of the table whose rows
// would be hidden, "" where none is, and the error of a statement that failed otherwise.
func (a *applier) trial(ctx context.Context, role string, open []uint32, s sqltext.Statement) (string, error) {
	begin, back := "BEGIN", "ROLLBACK"
	if a.conn.PgConn().TxStatus() == 'T' {
		begin, back = "SAVEPOINT moat_trial", "ROLLBACK TO SAVEPOINT moat_trial; RELEASE SAVEPOINT moat_trial"
	}
	// The owner of the database may create what a superuser may in its schemas. Row-level
	// security is switched off in the catalog: a guard may stand in the way of ALTER TABLE.
	ids := "'{" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(open)), ","), "[]") + "}'::oid[]"
	stage := begin + "; SET LOCAL SESSION AUTHORIZATION DEFAULT; ALTER ROLE " + Migrator + " NOSUPERUSER;" +
		"ALTER DATABASE " + pgx.Identifier{a.conn.Config().Database}.Sanitize() + " OWNER TO " + Migrator + ";" +
		"UPDATE pg_catalog.pg_class SET relrowsecurity = false WHERE oid = ANY (" + ids + ");" +
		"SET LOCAL ROLE " + pgx.Identifier{role}.Sanitize() + "; SET LOCAL row_security = off"
	err := a.exec(ctx, stage)
	if err == nil {
		err = a.exec(ctx, s.Text)
	}
	if taken := a.exec(ctx, back); taken != nil {
		return "", errors.Join(err, taken)
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "42501" {
		if m := hidingTable.FindStringSubmatch(pgErr.Message); m != nil {
			return m[1], nil
		}
	}
	return "", err
}
