package console

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/schema"
)

// member is a person of a client, as the model says who that is.
type member struct{ Who, Role string }

// members lists the first hundred who belongs to a client: by the table that says which caller does, or by the
// one that links people to tenants; none where neither is known.
func members(ctx context.Context, tx pgx.Tx, sc *schema.Schema, one tenant) ([]member, error) {
	sql := membersSQL(sc)
	if sql == "" {
		return nil, nil
	}
	rows, err := tx.Query(ctx, sql, one.ID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[member])
}

func membersSQL(sc *schema.Schema) string {
	shapes := &sc.Model.Shapes
	if c := shapes.Caller; c != nil {
		role := "''"
		if c.Role != "" {
			role = "coalesce(m." + sqltext.Ident(c.Role) + "::text, '')"
		}
		return "select coalesce(m." + sqltext.Ident(c.Subject) + "::text, ''), " + role + " from " + c.Table.SQL() +
			" m where m." + sqltext.Ident(c.Tenant) + " = $1 order by 1 limit 100"
	}
	if len(shapes.Members) == 0 {
		return ""
	}
	m := &shapes.Members[0]
	link := sc.Relation(m.Through)
	if link == nil {
		return ""
	}
	shown := []string{"''"}
	for _, name := range m.Columns {
		if name != m.Key {
			shown = append(shown, "p."+sqltext.Ident(name)+"::text")
		}
	}
	role := "''"
	if link.Column("role") != nil {
		role = "coalesce(m.role::text, '')"
	}
	return "select concat_ws(' ', " + strings.Join(shown[min(1, len(shown)-1):], ", ") + "), " + role + " from " +
		m.Through.SQL() + " m join " + m.Table.SQL() + " p on p." + sqltext.Ident(m.Key) + " = m." +
		sqltext.Ident(m.Person) + " where m." + sqltext.Ident(sc.TenantColumn(link)) + " = $1 order by 1 limit 100"
}
