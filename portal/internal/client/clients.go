package client

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
)

// agency is what an agency's pages have in common: a period, and figures of its tenants.
type agency struct {
	timeframe
	Title   string // which days
	Ranges  []tab
	Figures []figure
	Keep    url.Values // of the address, for forms
	all     *Visit     // of the tenant and those below it
	main    *schema.Table
	counted tallies
	last    map[string]time.Time
}

// clientLine is one tenant of the tree. A suspended one has no figures.
type clientLine struct {
	ID, Name, Path string
	Cells          []figureCell
	Last           time.Time // zero: never
	Suspended, Own bool

	numbers []float64
}

// figureCell is a figure of a tenant.
type figureCell struct {
	Title, Text, Change, Before string
	Share                       float64 // of the largest, 0 to 100
}

// above reports whether there are tenants below the visitor's.
func (p *Pages) above(v *Visit) (is bool, err error) {
	if v.Schema.Below == nil {
		return false, nil
	}
	list := v.Schema.Below.Tenants
	err = p.DB.QueryRow(v.widened(), "select exists (select from "+list.QName().SQL()+" where "+
		sqltext.Ident(list.Key)+"::text <> $1)", v.Tenant).Scan(&is)
	if errors.Is(err, moat.ErrNoTree) { // the program that opened the DB wants none
		return false, nil
	}
	return is, err
}

// widened is the visit's context for what is below the tenant as well.
func (v *Visit) widened() context.Context {
	scope, _ := moat.ScopeFrom(v)
	scope.Width = moat.Descendants
	return moat.WithScope(v.Context, scope)
}

// wide is the visit of the tenant and those below it, or of one of these.
func (v *Visit) wide(tenant string) (*Visit, *schema.Table, error) {
	if !v.Agency || v.Schema.Below == nil {
		return nil, nil, frame.ErrNotFound
	}
	t := v.Schema.Below.Shown(nameOf(v.Schema.Main()))
	if t == nil {
		return nil, nil, frame.ErrNotFound
	}
	out := *v
	out.Context, out.Tenant = v.widened(), tenant
	return &out, t, nil
}

func nameOf(t *schema.Table) (name catalog.QName) {
	if t != nil {
		name = t.Name
	}
	return name
}

// agency reads the period of a page, for all tenants or for one.
func (p *Pages) agency(r *http.Request, v *Visit, path, tenant string) (*agency, error) {
	all, t, err := v.wide(tenant)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	g := &agency{timeframe: timeframeOf(q, v.Zone, p.Now()), all: all, main: t}
	g.Title, g.Keep = g.title(v.Locale), g.values()
	for _, name := range []string{"c", "sort", "dir"} {
		if len(q[name]) > 0 {
			g.Keep[name] = q[name]
		}
	}
	g.Ranges, g.Figures = g.ranges(path, g.Keep), p.figuresOf(v.Schema.Below.Tables, t)
	return g, nil
}

func (g *agency) count(tx pgx.Tx) (err error) {
	if g.counted, err = g.all.tally(tx, g.Figures, g.timeframe); err == nil {
		g.last, err = g.all.lastActivity(tx, g.main)
	}
	return err
}

// cells are the figures of a tenant, or of all where id is empty.
func (g *agency) cells(id string) ([]figureCell, []float64) {
	one := g.counted.of(id, len(g.Figures))
	cells, numbers := make([]figureCell, len(g.Figures)), make([]float64, len(g.Figures))
	for i, f := range g.Figures {
		now, before := one.now[i], one.before[i]
		cells[i] = figureCell{Title: f.Title, Text: f.write(now, g.all.Locale), Change: f.change(now, before)}
		if f.date != nil {
			cells[i].Before = f.write(before, g.all.Locale)
		}
		numbers[i], _ = f.value(now)
	}
	return cells, numbers
}

// cards are the figures as cards.
func (g *agency) cards(id string) []card {
	cells, _ := g.cells(id)
	out := make([]card, len(cells))
	for i, c := range cells {
		out[i] = card{Title: c.Title, Value: c.Text, Change: c.Change, Note: "as it is now"}
		if c.Before != "" {
			out[i].Note = c.Before + " before"
		}
	}
	return out
}

// maxClients bounds how many tenants an agency's pages know, perClients how many they list.
const (
	maxClients = 10_000
	perClients = 200
)

// below lists the tenants of the tree, the visitor's own first.
func (v *Visit) below(tx pgx.Tx, own string, opens bool) ([]clientLine, error) {
	list := v.Schema.Below.Tenants
	key, label := sqltext.Ident(list.Key)+"::text", sqltext.Ident(list.Key)+"::text"
	if list.Label != "" {
		label = "coalesce(" + sqltext.Ident(list.Label) + "::text, " + key + ")"
	}
	rows, _ := tx.Query(v, "select "+key+", "+label+", "+list.Suspension.SQL()+" from "+list.QName().SQL()+
		" order by "+key+" <> $1, 2, 1 limit $2", own, maxClients)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c clientLine, err error) {
		err = row.Scan(&c.ID, &c.Name, &c.Suspended)
		c.Own = c.ID == own
		if opens && !c.Suspended && !c.Own {
			c.Path = frame.Base + "/clients/" + url.PathEscape(c.ID)
		}
		return c, err
	})
}

// lines are the tenants with their figures.
func (g *agency) lines(tx pgx.Tx, own string, opens bool) ([]clientLine, error) {
	lines, err := g.all.below(tx, own, opens)
	if err != nil {
		return nil, err
	}
	for c := range catalog.Each(lines) {
		if !c.Suspended {
			c.Cells, c.numbers = g.cells(c.ID)
			c.Last = g.last[c.ID]
		}
	}
	return lines, nil
}

// clientsPage is what an agency sees of itself and its clients: together, and each.
type clientsPage struct {
	*agency
	Cards      []card
	Clients    []clientLine
	Sorts      []sortLink
	Export     string
	Count      int
	Prev, Next string
	Opens      bool
}

// sortLink is the head of a column.
type sortLink struct {
	Title, Href, Sorted string // ascending, descending, or ""
	Number              bool
}

// clients serves the figures of all together, and of each beside its name.
func (p *Pages) clients(w http.ResponseWriter, r *http.Request, v *Visit) error {
	page, err := p.overview(r, v)
	if err != nil {
		return err
	}
	page.turn(r.URL.Query())
	out := p.Page(r, v, "Clients", "clients")
	out.Data = page
	return p.Render(w, http.StatusOK, "clients", out)
}

func (p *Pages) overview(r *http.Request, v *Visit) (*clientsPage, error) {
	g, err := p.agency(r, v, "/clients", "")
	if err != nil {
		return nil, err
	}
	page := &clientsPage{agency: g, Opens: p.opens(v), Export: frame.Base + "/clients/export" + suffix(g.Keep)}
	err = p.read(g.all, func(tx pgx.Tx) error {
		if err := g.count(tx); err != nil {
			return err
		}
		page.Clients, err = g.lines(tx, v.Tenant, page.Opens)
		return err
	})
	if err != nil {
		return nil, err
	}
	page.Cards = g.cards("")
	page.sort(r.URL.Query())
	return page, nil
}

// sort orders the tenants by a column: name, last, or the place of a figure. The visitor's own
// and those without figures stay at the ends.
func (g *clientsPage) sort(q url.Values) {
	by, desc := q.Get("sort"), q.Get("dir") != "asc"
	place, err := strconv.Atoi(by)
	switch {
	case by == "name":
		desc = q.Get("dir") == "desc"
	case by != "last" && (err != nil || place < 0 || place >= len(g.Figures)):
		by, place, desc = "0", 0, true
	}
	slices.SortStableFunc(g.Clients, func(a, b clientLine) int {
		order := 0
		switch {
		case a.Own != b.Own:
			return map[bool]int{true: -1, false: 1}[a.Own]
		case a.Suspended != b.Suspended:
			return map[bool]int{true: 1, false: -1}[a.Suspended]
		case by == "name":
			order = cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		case by == "last":
			order = a.Last.Compare(b.Last)
		case len(a.numbers) > place && len(b.numbers) > place:
			order = cmp.Compare(a.numbers[place], b.numbers[place])
		}
		if desc {
			order = -order
		}
		return order
	})
	g.heads(by, desc)
}

func (g *clientsPage) heads(by string, desc bool) {
	head := func(title, name string) {
		l := sortLink{Title: title, Number: name != "name" && name != "last"}
		values := url.Values{"sort": {name}, "dir": {direction(name != "name")}}
		if name == by {
			l.Sorted = map[bool]string{true: "descending", false: "ascending"}[desc]
			values.Set("dir", direction(!desc))
		}
		for key, value := range g.timeframe.values() {
			values[key] = value
		}
		l.Href = frame.Base + "/clients" + suffix(values)
		g.Sorts = append(g.Sorts, l)
	}
	head("Client", "name")
	for i, f := range g.Figures {
		head(f.Title, strconv.Itoa(i))
	}
	if g.main.Created != nil {
		head("Last activity", "last")
	}
}

// turn keeps the tenants of one page.
func (g *clientsPage) turn(q url.Values) {
	g.Count = len(g.Clients)
	n, err := strconv.Atoi(q.Get("page"))
	if last := max(1, (g.Count+perClients-1)/perClients); err != nil || n < 1 || n > last {
		n = 1
	}
	link := func(n int) string {
		v := url.Values{"page": {strconv.Itoa(n)}}
		for key, value := range g.Keep {
			v[key] = value
		}
		return frame.Base + "/clients" + suffix(v)
	}
	first, end := (n-1)*perClients, min(n*perClients, g.Count)
	if first > 0 {
		g.Prev = link(n - 1)
	}
	if end < g.Count {
		g.Next = link(n + 1)
	}
	g.Clients = g.Clients[first:end]
}

// Dated says whether there is a last activity to show.
func (g *clientsPage) Dated() bool { return g.main.Created != nil }
