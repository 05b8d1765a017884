package portal

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
)

// client is one tenant, as the operator sees it.
type client struct {
	ID, Name  string
	Suspended bool
	Rows      int64 // in all tables
	Fresh     int64 // of them in the last 30 days
	Share     float64
	Tables    []tableCount
	Activity  *time.Time // the newest row
	Seen      *time.Time // last in the portal
	Path      string
}

type tableCount struct {
	Title       string
	Rows, Fresh int64
	Last        *time.Time
}

type tenantsPage struct {
	Clients    []client
	Rows       int64
	Fresh      int64
	Suspended  int
	CanSuspend bool
	Uncounted  bool
}

func (c *console) tenantsPage(w http.ResponseWriter, r *http.Request, s *session) error {
	sc, err := c.p.view(r.Context())
	if err != nil {
		return err
	}
	out := c.page(r, s, "Clients", "Clients")
	data := &tenantsPage{CanSuspend: sc.canSuspend()}
	err = c.use(r.Context(), entryOf{by: s, action: "looked at all clients"}, func(tx pgx.Tx) error {
		data.Clients, data.Uncounted, err = c.clients(r.Context(), tx, sc, "")
		return err
	})
	if err != nil {
		return err
	}
	most := int64(1)
	for _, one := range data.Clients {
		data.Rows += one.Rows
		data.Fresh += one.Fresh
		most = max(most, one.Rows)
		if one.Suspended {
			data.Suspended++
		}
	}
	for i := range data.Clients {
		data.Clients[i].Share = 100 * float64(data.Clients[i].Rows) / float64(most)
	}
	out.Data = data
	return c.p.render(w, http.StatusOK, "operator-tenants", out)
}

// clients reads the tenants, or the one named, with their sizes. Where counting takes
// too long the sizes are left out and uncounted is true.
func (c *console) clients(ctx context.Context, tx pgx.Tx, sc *schema, only string) (all []client, uncounted bool, err error) {
	byID := map[string]*client{}
	if sc.tenants != nil {
		if all, err = readTenants(ctx, tx, sc.tenants, only); err != nil {
			return nil, false, err
		}
	}
	counting, err := tx.Begin(ctx) // a savepoint: the rest is to be shown without the numbers
	if err != nil {
		return nil, false, err
	}
	sizes, err := sizes(ctx, counting, sc, only)
	if uncounted = err != nil; uncounted && explain(err) != errSlow {
		return nil, false, err
	}
	if err := counting.Rollback(ctx); err != nil {
		return nil, false, err
	}
	for i := range all {
		byID[all[i].ID] = &all[i]
	}
	for id, tables := range sizes {
		if byID[id] == nil && sc.tenants == nil {
			all = append(all, client{ID: id, Name: id})
			byID[id] = nil
		}
		for i := range all {
			if all[i].ID == id {
				all[i].sum(tables)
			}
		}
	}
	for i := range all {
		all[i].Path = base + "/operator/tenants/" + url.PathEscape(all[i].ID)
	}
	slices.SortStableFunc(all, func(a, b client) int { return cmp.Or(cmp.Compare(b.Rows, a.Rows), cmp.Compare(a.Name, b.Name)) })
	return all, uncounted, c.addSeen(ctx, tx, sc, all)
}

// readTenants reads the tenants table.
func readTenants(ctx context.Context, tx pgx.Tx, t *serving.Tenants, only string) ([]client, error) {
	sql := "select " + quote(t.Key) + "::text, coalesce(" + labelOf(t) + ", ''), " + t.Suspension.SQL() + " from " + t.QName().SQL()
	var args []any
	if only != "" {
		sql, args = sql+" where "+quote(t.Key)+" = $1", []any{only}
	}
	rows, err := tx.Query(ctx, sql+" order by 2 limit 1000", args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (client, error) {
		var c client
		err := row.Scan(&c.ID, &c.Name, &c.Suspended)
		return c, err
	})
}

// sizes counts the rows of each tenant in each table.
func sizes(ctx context.Context, tx pgx.Tx, sc *schema, only string) (map[string][]tableCount, error) {
	var parts []string
	var args []any
	if only != "" {
		args = []any{only}
	}
	for _, t := range sc.tables {
		if t.Tenant == "" {
			continue
		}
		fresh, last := "0", "null::timestamptz"
		if t.Created != nil {
			name := "t." + t.Created.SQL()
			fresh, last = "count(*) filter (where "+name+" > now() - interval '30 days')", "max("+name+")::timestamptz"
		}
		part := "select t." + quote(t.Tenant) + "::text, " + literal(t.Title) + "::text, count(*), " + fresh + ", " + last + " from " + t.SQL() + " t"
		if only != "" {
			part += " where t." + quote(t.Tenant) + " = $1"
		}
		parts = append(parts, part+" group by 1")
	}
	out := map[string][]tableCount{}
	if len(parts) == 0 {
		return out, nil
	}
	rows, err := tx.Query(ctx, strings.Join(parts, " union all "), args...)
	if err != nil {
		return nil, err
	}
	var id *string
	var one tableCount
	_, err = pgx.ForEachRow(rows, []any{&id, &one.Title, &one.Rows, &one.Fresh, &one.Last}, func() error {
		if id != nil {
			out[*id] = append(out[*id], one)
		}
		one.Last = nil
		return nil
	})
	return out, err
}

// literal quotes a title that a table's name was made into.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func (c *client) sum(tables []tableCount) {
	c.Tables = tables
	slices.SortFunc(c.Tables, func(a, b tableCount) int { return cmp.Compare(b.Rows, a.Rows) })
	for _, t := range tables {
		c.Rows += t.Rows
		c.Fresh += t.Fresh
		if t.Last != nil && (c.Activity == nil || t.Last.After(*c.Activity)) {
			c.Activity = t.Last
		}
	}
}

// addSeen adds when each was last in the portal.
func (c *console) addSeen(ctx context.Context, tx pgx.Tx, sc *schema, all []client) error {
	rows, err := tx.Query(ctx, "select "+quote(sc.model.Column)+"::text, at from moat.tenant_seen")
	if err != nil {
		return err
	}
	var id string
	var at time.Time
	seen := map[string]time.Time{}
	if _, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error { seen[id] = at; return nil }); err != nil {
		return err
	}
	for i := range all {
		if at, ok := seen[all[i].ID]; ok {
			all[i].Seen = &at
		}
	}
	return nil
}

type tenantPage struct {
	Client     client
	CanSuspend bool
	Log        []logLine
	Done       string
}

// one reads the tenant of the address, after the look at it was logged.
func (c *console) one(r *http.Request, s *session, action, reason string, then func(tx pgx.Tx, sc *schema, one client) error) error {
	ctx, id := r.Context(), r.PathValue("id")
	sc, err := c.p.view(ctx)
	if err != nil {
		return err
	}
	if moat.TenantType(sc.model.Type).Validate(moat.Tenant(id)) != nil {
		return errNotFound
	}
	return c.use(ctx, entryOf{by: s, action: action, tenant: id, reason: reason}, func(tx pgx.Tx) error {
		all, _, err := c.clients(ctx, tx, sc, id)
		if err != nil {
			return err
		}
		if len(all) != 1 {
			return errNotFound
		}
		return then(tx, sc, all[0])
	})
}

func (c *console) tenantPage(w http.ResponseWriter, r *http.Request, s *session) error {
	data := &tenantPage{Done: r.URL.Query().Get("done")}
	err := c.one(r, s, "looked at the client", "", func(tx pgx.Tx, sc *schema, one client) (err error) {
		data.Client, data.CanSuspend = one, sc.canSuspend()
		data.Log, err = readLog(r.Context(), tx, sc, one.ID, true, 50)
		return err
	})
	if err != nil {
		return err
	}
	out := c.page(r, s, data.Client.Name, "Clients")
	out.Data = data
	return c.p.render(w, http.StatusOK, "operator-tenant", out)
}

// setState suspends a tenant or lets it in again.
func (c *console) setState(w http.ResponseWriter, r *http.Request, s *session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	suspend := r.PostFormValue("state") == "suspended"
	action, done := "resumed the client", "resumed"
	if suspend {
		action, done = "suspended the client", "suspended"
	}
	err = c.one(r, s, action, reason, func(tx pgx.Tx, sc *schema, one client) error {
		t := sc.tenants
		if !sc.canSuspend() {
			return sc.cannotSuspend()
		}
		value, _ := t.Suspension.Set(suspend)
		_, err := tx.Exec(r.Context(), "update "+t.QName().SQL()+" set "+quote(t.Suspension.Column)+" = "+value+" where "+quote(t.Key)+" = $1", one.ID)
		return err
	})
	if err != nil {
		return err
	}
	c.p.config.Door.Flush()
	redirect(w, r, base+"/operator/tenants/"+url.PathEscape(r.PathValue("id"))+"?done="+done)
	return nil
}

// viewTime is how long an operator may view as a client.
const viewTime = 30 * time.Minute

// viewAs signs the operator in as a client, to look and not to touch.
func (c *console) viewAs(w http.ResponseWriter, r *http.Request, s *session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	var tenant moat.Tenant
	if err := c.one(r, s, "viewed as the client", reason, func(_ pgx.Tx, _ *schema, one client) error {
		tenant = moat.Tenant(one.ID)
		return nil
	}); err != nil {
		return err
	}
	end := c.p.config.Now().Add(viewTime)
	if s.expires.Before(end) {
		end = s.expires
	}
	c.p.sessions.remove(r, clientCookie)
	value := c.p.sessions.add(&session{scope: moat.Scope{Tenant: tenant}, expires: end, viewAs: &viewAs{Operator: s.subject, Reason: reason}})
	c.p.setCookie(w, r, clientCookie, base, value)
	redirect(w, r, base+"/dashboard")
	return nil
}
