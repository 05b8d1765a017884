package portal

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/tenancy"
)

//go:embed install.sql
var installSQL string

// Prepare creates what the console keeps in the schema moat, as the admin role: the
// operator log, when clients were last seen, and the last known good state. It may be
// run again. Without an operator it does nothing. The console does it by itself before
// its first use; a server does it at its start, so that the first client is seen.
func (p *Portal) Prepare(ctx context.Context) error {
	if p.console == nil {
		return nil
	}
	return p.console.install(ctx)
}

func (c *console) install(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.installed {
		return nil
	}
	if err := c.create(ctx); err != nil {
		return fmt.Errorf("prepare the operator log: %w", err)
	}
	c.installed = true
	return nil
}

// create runs install.sql, unless the tables are there: an admin need not be at hand
// once they are.
func (c *console) create(ctx context.Context) error {
	read, err := c.p.config.Source(ctx)
	if err != nil {
		return err
	}
	snapshot, model, role := read.Snapshot, read.Model, read.Snapshot.User
	var there bool
	if err := c.pool.QueryRow(ctx, "select pg_catalog.to_regclass('moat.console_state') is not null and pg_catalog.has_table_privilege('moat.operator_log', 'INSERT')").Scan(&there); err == nil && there {
		return nil
	}
	var operator string
	if err := c.pool.QueryRow(ctx, "select current_user::text").Scan(&operator); err != nil {
		return err
	}
	sql := strings.NewReplacer("{{column}}", quote(model.Column), "{{type}}", typeName(model.Type), "{{isolation}}", strings.ReplaceAll(isolation(snapshot, model), "%", "%%"),
		"{{application-in-format}}", strings.ReplaceAll(quote(role), "%", "%%"),
		"{{application}}", quote(role), "{{operator}}", quote(operator)).Replace(installSQL)
	conn, err := c.adminConn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" {
		return &NotPreparedError{SQL: sql}
	}
	return err
}

// NotPreparedError is returned by [Portal.Prepare] when the console's tables are
// missing and its role may not create them. SQL creates them, once, as an
// administrator.
type NotPreparedError struct{ SQL string }

func (e *NotPreparedError) Error() string {
	return "moat.operator_log is missing, and the operator role may not create it"
}

// adminConn connects as who may create the tables and read the whole catalog.
func (c *console) adminConn(ctx context.Context) (*pgx.Conn, error) {
	config := c.config.Admin
	if config == nil {
		config = c.pool.Config().ConnConfig
	}
	return pgx.ConnectConfig(ctx, config.Copy())
}

// typeName keeps anything that is not the name of a type out of the DDL.
func typeName(name string) string {
	switch name {
	case "uuid", "bigint", "integer", "text":
		return name
	}
	return quote(name)
}

// isolation is the condition that the tenant tables have, so that the log is isolated
// in the way they are, sealed mode included; where there is none yet, the plain one.
func isolation(s *catalog.Snapshot, m *catalog.Model) string {
	for _, t := range m.Tables {
		if t.Class != catalog.TenantTable || t.Column != m.Column {
			continue
		}
		for _, r := range s.Relations {
			if r.QName() != t.Table {
				continue
			}
			for _, p := range r.Policies {
				if !p.Permissive && p.Command == "ALL" && p.Using != nil && namesOnly(p.Using.Root, m.Column) {
					return p.Using.Text
				}
			}
		}
	}
	setting := m.Setting
	if !settingName.MatchString(setting) {
		setting = tenancy.DefaultSetting
	}
	return fmt.Sprintf("%s = (SELECT nullif(pg_catalog.current_setting('%s', true), '')::%s)", quote(m.Column), setting, typeName(m.Type))
}

var settingName = regexp.MustCompile(`^[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)+$`)

// namesOnly says whether the only column an expression reads is the one named.
func namesOnly(n *catalog.Node, column string) bool {
	if n == nil {
		return false
	}
	names := map[string]bool{}
	collect(n, names)
	return len(names) == 1 && names[column]
}

func collect(n *catalog.Node, names map[string]bool) {
	if n.Kind == catalog.NodeColumn {
		names[n.Column] = true
	}
	for _, a := range n.Args {
		collect(a, names)
	}
	if n.Query != nil && (!n.Query.Simple || len(n.Query.Tables) > 0) {
		names["another table"] = true // a condition that reads one is of that table's own making
	}
}
