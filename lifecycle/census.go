package lifecycle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// Holding is what a tenant has in one table.
type Holding struct {
	Table string `json:"table"`
	// How says what makes the rows the tenant's.
	How  string `json:"how"`
	Rows int64  `json:"rows"`
	// Bytes are those of the rows' values, without indexes and free space.
	Bytes int64 `json:"bytes"`
	// LastWrite is the newest time in a column that usually tells, nil where there is none.
	LastWrite *time.Time `json:"last_write,omitempty"`
}

// Census is what a tenant has in all tables.
type Census struct {
	Tenant string `json:"tenant"`
	Name   string `json:"name,omitempty"`
	State  string `json:"state"`
	// Due is from when on the tenant is to be erased, nil where that is not requested.
	Due    *time.Time `json:"erasure_due,omitempty"`
	Tables []Holding  `json:"tables"`
	// People are those whom links of the tenant name; they may belong to others as well.
	People int64 `json:"people,omitempty"`
}

// Rows and Bytes are the sums over all tables, and LastWrite the newest.
func (c *Census) Rows() (n int64) {
	for _, h := range c.Tables {
		n += h.Rows
	}
	return n
}

// Bytes is the sum over all tables.
func (c *Census) Bytes() (n int64) {
	for _, h := range c.Tables {
		n += h.Bytes
	}
	return n
}

// LastWrite is the newest of all tables, nil where none tells.
func (c *Census) LastWrite() (last *time.Time) {
	for _, h := range c.Tables {
		if h.LastWrite != nil && (last == nil || h.LastWrite.After(*last)) {
			last = h.LastWrite
		}
	}
	return last
}

// Show counts what a tenant has, table by table.
func (o *Operator) Show(ctx context.Context, tenant string) (*Census, error) {
	id, err := o.known(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if err := o.log(ctx, "looked at the tenant's size", id, ""); err != nil {
		return nil, err
	}
	return o.censusAndDue(ctx, id)
}

func (o *Operator) censusAndDue(ctx context.Context, tenant string) (*Census, error) {
	c, err := o.census(ctx, tenant)
	if err != nil {
		return nil, err
	}
	r, err := o.open(ctx, tenant)
	if r != nil {
		c.Due = &r.due
	}
	return c, err
}

func (o *Operator) census(ctx context.Context, tenant string) (*Census, error) {
	all, err := parts(o.view, tenant)
	if err != nil {
		return nil, err
	}
	if err := o.require(all, "SELECT"); err != nil {
		return nil, err
	}
	c := &Census{Tenant: tenant}
	if c.State, err = o.state(ctx, tenant); err != nil {
		return nil, err
	}
	for _, p := range all {
		h := Holding{Table: p.name().String(), How: p.how}
		sql := "SELECT count(*), coalesce(sum(pg_column_size(x)), 0)::bigint, " + lastWrite(p.table) + " FROM " + p.from() +
			" WHERE " + p.where()
		if err := o.conn.QueryRow(ctx, sql).Scan(&h.Rows, &h.Bytes, &h.LastWrite); err != nil {
			return nil, fmt.Errorf("count the rows of %s: %w", p.name(), err)
		}
		c.Tables = append(c.Tables, h)
	}
	if c.Name, err = o.nameOf(ctx, tenant); err != nil {
		return nil, err
	}
	c.People, err = o.people(ctx, tenant)
	return c, err
}

// lastWrite is the newest time of columns that are usually written with the row.
func lastWrite(r *catalog.Relation) string {
	for _, name := range []string{"updated_at", "modified_at", "changed_at", "updatedAt", "created_at", "createdAt",
		"inserted_at", "at"} {
		if c := r.Column(name); c != nil && strings.HasPrefix(c.Type, "timestamp") {
			return "max(x." + sqltext.Ident(name) + ")::timestamptz"
		}
	}
	return "NULL::timestamptz"
}

// nameOf is the tenant's name for people, where the tenants table has one.
func (o *Operator) nameOf(ctx context.Context, tenant string) (string, error) {
	m := o.view.Model
	r := o.view.Relation(m.Tenants)
	if r == nil {
		return "", nil
	}
	for _, column := range []string{"name", "display_name", "title", "slug"} {
		if r.Column(column) == nil {
			continue
		}
		var name string
		err := o.conn.QueryRow(ctx, "SELECT coalesce((SELECT x."+sqltext.Ident(column)+"::text FROM "+m.Tenants.SQL()+
			" x WHERE "+is(o.view, r, "x", tenant)+"), '')").Scan(&name)
		return name, err
	}
	return "", nil
}

// people counts those whom links of the tenant name.
func (o *Operator) people(ctx context.Context, tenant string) (n int64, err error) {
	for _, m := range o.view.Model.Shapes.Members {
		link := o.view.Relation(m.Through)
		var some int64
		err := o.conn.QueryRow(ctx, "SELECT count(DISTINCT x."+sqltext.Ident(m.Person)+") FROM "+m.Through.SQL()+
			" x WHERE "+is(o.view, link, "x", tenant)).Scan(&some)
		if err != nil {
			return 0, fmt.Errorf("count the people of %s: %w", m.Table, err)
		}
		n += some
	}
	return n, nil
}

// List counts what every tenant has. It reads every tenant table once for each tenant.
func (o *Operator) List(ctx context.Context) ([]*Census, error) {
	ids, err := o.ids(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.log(ctx, "looked at the size of all tenants", "", ""); err != nil {
		return nil, err
	}
	all := make([]*Census, len(ids))
	for i, id := range ids {
		if all[i], err = o.censusAndDue(ctx, id); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ids are the tenants of the tenants table, or those that have rows where there is none.
func (o *Operator) ids(ctx context.Context) ([]string, error) {
	m := o.view.Model
	sql := ""
	if m.Key != "" {
		sql = "SELECT x." + sqltext.Ident(m.Key) + "::text FROM " + m.Tenants.SQL() + " x ORDER BY 1"
	} else {
		var selects []string
		for _, t := range m.Tables {
			if t.Class == catalog.TenantTable {
				column := sqltext.Ident(o.view.TenantColumn(o.view.Relation(t.Table)))
				selects = append(selects, "SELECT "+column+"::text FROM "+t.Table.SQL()+" WHERE "+column+" IS NOT NULL")
			}
		}
		sql = strings.Join(selects, " UNION ") + " ORDER BY 1"
	}
	rows, _ := o.conn.Query(ctx, sql)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the tenants: %w", err)
	}
	return ids, nil
}
