package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/schema"
)

// tenant is one client, as the operator sees it.
type tenant struct {
	ID, Name  string
	Suspended bool
	Rows      int64 // in all tables
	Fresh     int64 // of them in the last 30 days
	Share     float64
	Tables    []tableCount
	Activity  *time.Time // the newest row
	Seen      *time.Time // last in the portal
}

// Path is the client's page.
func (t tenant) Path() string { return base + "/tenants/" + url.PathEscape(t.ID) }

type tableCount struct {
	Title       string
	Rows, Fresh int64
	Last        *time.Time
}

type tenantsPage struct {
	Clients   []tenant
	Rows      int64
	Fresh     int64
	Suspended int
	Uncounted bool
	CanCreate bool
}

func (p *Pages) tenantsPage(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	ctx := r.Context()
	sc, err := p.Source.Schema(ctx)
	if err != nil {
		return err
	}
	data := &tenantsPage{CanCreate: sc.Tenants != nil}
	err = p.Ledger.Use(ctx, ledger.Entry{By: s, Action: ledger.LookedAtAll}, func(tx pgx.Tx) error {
		data.Clients, data.Uncounted, err = p.tenants(ctx, tx, sc, "")
		return err
	})
	if err != nil {
		return err
	}
	data.sum()
	return p.show(w, r, s, "tenants", "Clients", "Clients", data)
}

func (d *tenantsPage) sum() {
	most := int64(1)
	for _, one := range d.Clients {
		d.Rows += one.Rows
		d.Fresh += one.Fresh
		most = max(most, one.Rows)
		if one.Suspended {
			d.Suspended++
		}
	}
	for i := range d.Clients {
		d.Clients[i].Share = 100 * float64(d.Clients[i].Rows) / float64(most)
	}
}

// tenants reads the tenants, or the one named, with their sizes. Where counting takes
// too long the sizes are left out and uncounted is true.
func (p *Pages) tenants(ctx context.Context, tx pgx.Tx, sc *schema.Schema, only string) (all []tenant, uncounted bool,
	err error) {
	if sc.Tenants != nil {
		if all, err = readTenants(ctx, tx, sc.Tenants, only); err != nil {
			return nil, false, err
		}
	}
	counting, err := tx.Begin(ctx) // a savepoint: the rest is to be shown without the numbers
	if err != nil {
		return nil, false, err
	}
	sizes, err := sizes(ctx, counting, sc, only)
	if uncounted = err != nil; uncounted && frame.Explain(err) != frame.ErrSlow {
		return nil, false, err
	}
	if err := counting.Rollback(ctx); err != nil {
		return nil, false, err
	}
	if sc.Tenants == nil { // who has rows is all that is known of them
		for id := range sizes {
			all = append(all, tenant{ID: id, Name: id})
		}
	}
	seen, err := p.Ledger.LastSeen(ctx, tx)
	for i := range all {
		all[i].sum(sizes[all[i].ID])
		if at, ok := seen[all[i].ID]; ok {
			all[i].Seen = &at
		}
	}
	slices.SortStableFunc(all, func(a, b tenant) int {
		return cmp.Or(cmp.Compare(b.Rows, a.Rows), cmp.Compare(a.Name, b.Name))
	})
	return all, uncounted, err
}

// readTenants reads the tenants table.
func readTenants(ctx context.Context, tx pgx.Tx, t *serving.Tenants, only string) ([]tenant, error) {
	key := sqltext.Ident(t.Key)
	label := sqltext.Ident(cmp.Or(t.Label, t.Key)) + "::text"
	sql := "select " + key + "::text, coalesce(" + label + ", ''), " + t.Suspension.SQL() + " from " + t.QName().SQL()
	var args []any
	if only != "" {
		sql, args = sql+" where "+key+" = $1", []any{only}
	}
	rows, _ := tx.Query(ctx, sql+" order by 2 limit 1000", args...)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (tenant, error) {
		var one tenant
		err := row.Scan(&one.ID, &one.Name, &one.Suspended)
		return one, err
	})
}

// sizes counts the rows of each tenant in each table.
func sizes(ctx context.Context, tx pgx.Tx, sc *schema.Schema, only string) (map[string][]tableCount, error) {
	out := map[string][]tableCount{}
	sql, args := countSQL(sc.Tables, only)
	if sql == "" {
		return out, nil
	}
	rows, _ := tx.Query(ctx, sql, args...)
	var id *string
	var one tableCount
	_, err := pgx.ForEachRow(rows, []any{&id, &one.Title, &one.Rows, &one.Fresh, &one.Last}, func() error {
		if id != nil {
			out[*id] = append(out[*id], one)
		}
		one.Last = nil
		return nil
	})
	return out, err
}

// countSQL counts all tables in one statement; "" where none has a tenant.
func countSQL(tables []*schema.Table, only string) (sql string, args []any) {
	var parts []string
	for _, t := range tables {
		if t.Tenant == "" {
			continue
		}
		fresh, last := "0", "null::timestamptz"
		if t.Created != nil {
			at := "t." + t.Created.SQL()
			fresh, last = "count(*) filter (where "+at+" > now() - interval '30 days')", "max("+at+")::timestamptz"
		}
		column, where := "t."+sqltext.Ident(t.Tenant), ""
		if only != "" {
			where, args = " where "+column+" = $1", []any{only}
		}
		parts = append(parts, "select "+column+"::text, "+sqltext.Literal(t.Title)+"::text, count(*), "+fresh+", "+last+
			" from "+t.SQL()+" t"+where+" group by 1")
	}
	return strings.Join(parts, " union all "), args
}

func (t *tenant) sum(tables []tableCount) {
	t.Tables = tables
	slices.SortFunc(t.Tables, func(a, b tableCount) int { return cmp.Compare(b.Rows, a.Rows) })
	for _, one := range tables {
		t.Rows += one.Rows
		t.Fresh += one.Fresh
		if one.Last != nil && (t.Activity == nil || one.Last.After(*t.Activity)) {
			t.Activity = one.Last
		}
	}
}
