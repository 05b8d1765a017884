package client

import (
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/schema"
)

// tally is what was counted of one tenant, or of all together, in the order of the figures.
type tally struct{ now, before []amount }

// tallies are those of each tenant by its key, and of all under "".
type tallies map[string]*tally

func (all tallies) of(id string, figures int) *tally {
	if all[id] == nil {
		all[id] = &tally{make([]amount, figures), make([]amount, figures)}
	}
	return all[id]
}

// tally counts the figures of a visit's tenants: one pass for each table and column of dates.
func (v *Visit) tally(tx pgx.Tx, figures []figure, t timeframe) (tallies, error) {
	out, done := tallies{}, map[int]bool{}
	out.of("", len(figures))
	for i, f := range figures {
		if done[i] {
			continue
		}
		var together []int
		for j := i; j < len(figures); j++ {
			if figures[j].table == f.table && figures[j].date == f.date {
				together, done[j] = append(together, j), true
			}
		}
		if err := v.pass(tx, figures, together, t, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pass reads a table once, for the figures of those places.
func (v *Visit) pass(tx pgx.Tx, figures []figure, places []int, t timeframe, into tallies) error {
	table, date := figures[places[0]].table, figures[places[0]].date
	a, key := &schema.Arguments{}, "t."+sqltext.Ident(table.Tenant)
	outputs := []string{key + "::text"}
	for _, i := range places {
		for _, when := range t.when(a, date) {
			outputs = append(outputs, figures[i].aggregate(figures[i].condition(v, a, when)))
		}
	}
	where := append(table.TenantWhere(a, v.Tenant), "true")
	if date != nil {
		where = append(where, t.where(a, date))
	}
	rows, _ := tx.Query(v, "select "+strings.Join(outputs, ", ")+" from "+table.SQL()+" t where "+
		strings.Join(where, " and ")+" group by "+key, a.Values...)
	var id *string
	found := make([]amount, 2*len(places))
	dest := []any{&id}
	for i := range found {
		dest = append(dest, &found[i].sum, &found[i].n, &found[i].least, &found[i].most)
	}
	_, err := pgx.ForEachRow(rows, dest, func() error {
		if id == nil { // rows of nobody
			return nil
		}
		one, all := into.of(*id, len(figures)), into.of("", len(figures))
		for n, i := range places {
			one.now[i], one.before[i] = found[2*n], found[2*n+1]
			all.now[i], all.before[i] = all.now[i].plus(found[2*n]), all.before[i].plus(found[2*n+1])
		}
		return nil
	})
	return err
}

// when tells the rows of the two periods apart, among those that where leaves.
func (t timeframe) when(a *schema.Arguments, c *schema.Column) [2]string {
	if c == nil {
		return [2]string{"true", "true"}
	}
	if !t.before.to.Equal(t.now.from) {
		return [2]string{t.now.where(a, c), t.before.where(a, c)}
	}
	from := a.Add(stampIn(c, t.now.from))
	return [2]string{"t." + c.SQL() + " >= " + from, "t." + c.SQL() + " < " + from}
}

// where is both periods, as one where they touch.
func (t timeframe) where(a *schema.Arguments, c *schema.Column) string {
	if t.before.to.Equal(t.now.from) {
		return interval{t.before.from, t.now.to}.where(a, c)
	}
	return "(" + t.now.where(a, c) + " or " + t.before.where(a, c) + ")"
}

// lastActivity is when each tenant's newest row came: by the index that most tables have, or
// by a look at all rows.
func (v *Visit) lastActivity(tx pgx.Tx, t *schema.Table) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	if t.Created == nil {
		return out, nil
	}
	a := &schema.Arguments{}
	newest := "max(t." + t.Created.SQL() + ")::timestamptz"
	where := append(t.TenantWhere(a, v.Tenant), "true")
	sql := "select t." + sqltext.Ident(t.Tenant) + "::text, " + newest + " from " + t.SQL() + " t where " +
		strings.Join(where, " and ") + " group by 1"
	if list := v.Schema.Below.Tenants; v.Schema.Led(t, t.Created) {
		sql = "select x." + sqltext.Ident(list.Key) + "::text, (select " + newest + " from " + t.SQL() + " t where t." +
			sqltext.Ident(t.Tenant) + " = x." + sqltext.Ident(list.Key) + " and " + strings.Join(where, " and ") + ") from " +
			list.QName().SQL() + " x"
	}
	rows, _ := tx.Query(v, sql, a.Values...)
	var id *string
	var at *time.Time
	_, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		if id != nil && at != nil {
			out[*id] = *at
		}
		return nil
	})
	return out, err
}
