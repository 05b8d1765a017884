package demo

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// The referee says whose a row is that came back. It looks the row up, past row-level
// security, in the table that the columns come from: what the answer says of itself
// proves nothing.

// referee finds the owner of each row and counts what there is.
func (b *breakIn) referee(a *attack) error {
	names := map[string]string{}
	for _, c := range b.Clients {
		names[string(c.Tenant)] = c.Name
	}
	claim := a.claims()
	if b.Referee != nil {
		if err := b.lookUp(a, claim, names); err != nil {
			return err
		}
	}
	for i, tenant := range claim {
		a.Rows[i].Other = tenant != a.visit.Tenant
		a.Rows[i].Owner = cmp.Or(names[tenant], tenant)
	}
	return b.count(a)
}

// lookUp asks every table for the rows that came back.
func (b *breakIn) lookUp(a *attack, claim owners, names map[string]string) error {
	ctx, cancel := context.WithTimeout(a.visit, 10*time.Second)
	defer cancel()
	return pgx.BeginTxFunc(ctx, b.Referee, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := frame.Limit(ctx, tx, timeout); err != nil {
			return err
		}
		for _, t := range a.visit.Schema.Tables {
			if t.Tenant == "" {
				continue
			}
			if err := a.lookUpRows(ctx, tx, t, claim); err != nil {
				return err
			}
			if err := a.lookUpIDs(ctx, tx, t, claim, names); err != nil {
				return err
			}
		}
		return nil
	})
}

// owners is the tenant found for each row by its number.
type owners map[int]string

// note keeps an owner; one that is not the visitor stays.
func (a *attack) note(o owners, row int, tenant string) {
	if now, ok := o[row]; !ok || now == a.visit.Tenant {
		o[row] = tenant
	}
}

// claims are the tenants that the rows name in a tenant column.
func (a *attack) claims() owners {
	out := owners{}
	for i := range a.fields {
		r, c, t := a.origin(i)
		tenants := a.visit.Schema.Tenants
		isTenant := t != nil && c.Name == t.Tenant ||
			t == nil && r != nil && tenants != nil && tenants.QName() == r.QName() && tenants.Key == c.Name
		for n, row := range a.Rows {
			if isTenant && row.Values[i] != nil {
				a.note(out, n, *row.Values[i])
			}
		}
	}
	return out
}

// origin is where a column of the answer comes from, as PostgreSQL says itself, and the
// portal's table there; nil for what was computed.
func (a *attack) origin(i int) (*catalog.Relation, *catalog.Column, *schema.Table) {
	f := a.fields[i]
	r, c := a.visit.Schema.Numbered(catalog.OID(f.TableOID), int16(f.TableAttributeNumber))
	if r == nil || c == nil {
		return nil, nil, nil
	}
	return r, c, a.visit.Schema.Shown(r.QName())
}

// lookUpRows finds the rows of the answer in one table: by the key where the answer has
// it, else by all the columns that come from the table together.
func (a *attack) lookUpRows(ctx context.Context, tx pgx.Tx, t *schema.Table, claim owners) error {
	columns := a.columnsOf(t)
	if len(a.Rows) == 0 || len(columns) == 0 {
		return nil
	}
	numbers := make([]int, len(a.Rows))
	for n := range a.Rows {
		numbers[n] = n
	}
	args := []any{numbers, a.visit.Tenant}
	holes, names, on := []string{"$1::int[]"}, []string{"n"}, []string{}
	for name, i := range columns {
		args = append(args, a.column(i))
		alias := fmt.Sprintf("v%d", i)
		holes, names = append(holes, fmt.Sprintf("$%d::text[]", len(args))), append(names, alias)
		on = append(on, fmt.Sprintf("coalesce(t.%s::text, '') = coalesce(r.%s, '')", sqltext.Ident(name), alias))
	}
	sql := "select r.n, coalesce(max(t.tenant) filter (where t.tenant = $2), max(t.tenant)) from unnest(" +
		strings.Join(holes, ", ") + ") as r(" + strings.Join(names, ", ") + ") join (select *, " +
		sqltext.Ident(t.Tenant) + "::text as tenant from " + t.SQL() + ") t on " + strings.Join(on, " and ") + " group by r.n"
	rows, _ := tx.Query(ctx, sql, args...)
	var n int
	var tenant string
	_, err := pgx.ForEachRow(rows, []any{&n, &tenant}, func() error { a.note(claim, n, tenant); return nil })
	return err
}

// columnsOf finds which columns of the answer come from a table, by their names there:
// the key alone where it is among them.
func (a *attack) columnsOf(t *schema.Table) map[string]int {
	columns := map[string]int{}
	for i := range a.fields {
		_, c, from := a.origin(i)
		if from != t || c == nil || c.Name == t.Tenant {
			continue
		}
		if len(t.Key) == 1 && t.Key[0].Name == c.Name {
			return map[string]int{c.Name: i}
		}
		if _, twice := columns[c.Name]; !twice {
			columns[c.Name] = i
		}
	}
	return columns
}

// column is a column of the answer.
func (a *attack) column(i int) []*string {
	return list.Map(a.Rows, func(r answer) *string { return r.Values[i] })
}

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// maxIDs bounds how many ids of an answer are looked up.
const maxIDs = 5000

// lookUpIDs finds the ids inside computed values (arrays, JSON, text), except those
// that the visitor typed.
func (a *attack) lookUpIDs(ctx context.Context, tx pgx.Tx, t *schema.Table, claim owners,
	names map[string]string) error {
	if len(t.Key) != 1 || t.Key[0].Kind != schema.KindUUID {
		return nil
	}
	at := a.idsInside()
	var ids []string
	for id, rows := range at {
		ids = append(ids, id)
		for _, n := range rows {
			if names[id] != "" {
				a.note(claim, n, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	key := "t." + t.Key[0].SQL()
	rows, _ := tx.Query(ctx, "select "+key+"::text, t."+sqltext.Ident(t.Tenant)+"::text from "+t.SQL()+" t where "+
		key+" = any($1::uuid[])", ids)
	var id, tenant string
	_, err := pgx.ForEachRow(rows, []any{&id, &tenant}, func() error {
		for _, n := range at[id] {
			a.note(claim, n, tenant)
		}
		return nil
	})
	return err
}

// idsInside are the ids in computed values, each with the rows it is in.
func (a *attack) idsInside() map[string][]int {
	typed := strings.ToLower(a.SQL)
	at := map[string][]int{}
	for n, r := range a.Rows {
		for i, value := range r.Values {
			if value == nil || a.fields[i].TableOID != 0 {
				continue
			}
			for _, id := range anyUUID.FindAllString(*value, -1) {
				if !strings.Contains(typed, id) && len(at) < maxIDs {
					at[id] = append(at[id], n)
				}
			}
		}
	}
	return at
}

// count says what there is in the main table, whatever came back.
func (b *breakIn) count(a *attack) error {
	t := a.visit.Schema.Main()
	if b.Referee == nil {
		return nil
	}
	column := "t." + sqltext.Ident(t.Tenant)
	var all, own, tenants int64
	//moat:unscoped the referee counts all tenants' rows
	err := b.Referee.QueryRow(a.visit, "select count(*), count(*) filter (where "+column+"::text = $1), count(distinct "+
		column+") from "+t.SQL()+" t", a.visit.Tenant).Scan(&all, &own, &tenants)
	a.Truth = fmt.Sprintf("the table %s has %s of %s; %s %s yours.", t.Title, text.Counted(all, "row"),
		text.Counted(tenants, "client"), text.Count(own), english.Plural(own, "is", "are"))
	return err
}
