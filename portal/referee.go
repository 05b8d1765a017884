package portal

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
)

// The referee says whose a row is that came back. It looks the row up, past row-level
// security, in the table that the columns come from: what the answer says of itself
// proves nothing.

// referee finds the owner of each row and counts what there is.
func (p *Portal) referee(v *visit, d *breakInPage) error {
	names := map[string]string{}
	for _, c := range p.config.Demo.Clients {
		names[string(c.Tenant)] = c.Name
	}
	claim := d.claims(v)
	if p.config.Demo.Referee == nil {
		d.own(v, names, claim)
		return nil
	}
	ctx, cancel := context.WithTimeout(v, 10*time.Second)
	defer cancel()
	err := pgx.BeginTxFunc(ctx, p.config.Demo.Referee, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := limit(ctx, tx, breakInTimeout); err != nil {
			return err
		}
		for _, t := range v.schema.tables {
			if err := d.lookUp(ctx, tx, v, t, claim); err != nil {
				return err
			}
			if err := d.lookUpIDs(ctx, tx, v, t, claim, names); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.own(v, names, claim)
	return p.refereeCounts(v, d)
}

// owners is the tenant found for each row by its number.
type owners map[int]string

// note keeps an owner; one that is not the visitor stays.
func (o owners) note(v *visit, row int, tenant string) {
	if now, ok := o[row]; !ok || now == string(v.tenant) {
		o[row] = tenant
	}
}

func (d *breakInPage) own(v *visit, names map[string]string, claim owners) {
	for i, tenant := range claim {
		d.Rows[i].Other = tenant != string(v.tenant)
		d.Rows[i].Owner = names[tenant]
		if d.Rows[i].Owner == "" {
			d.Rows[i].Owner = tenant
		}
	}
}

// claims are the tenants that the rows name in a tenant column.
func (d *breakInPage) claims(v *visit) owners {
	out := owners{}
	for i, f := range d.fields {
		if _, c := origin(v.schema, f.TableOID, f.TableAttributeNumber); c == nil || !c.tenant {
			continue
		}
		for n, r := range d.Rows {
			if r.Values[i] != nil {
				out.note(v, n, *r.Values[i])
			}
		}
	}
	return out
}

// from is the column of a table that a column of the answer comes from.
type from struct {
	name   string
	tenant bool
	key    bool
}

func origin(s *schema, oid uint32, number uint16) (*table, *from) {
	if oid == 0 {
		return nil, nil
	}
	for i := range s.snapshot.Relations {
		r := &s.snapshot.Relations[i]
		if r.OID != catalog.OID(oid) {
			continue
		}
		t := s.byName(r.QName())
		for _, c := range r.Columns {
			if c.Num != int16(number) {
				continue
			}
			if t == nil {
				tenants := s.tenants != nil && s.tenants.QName() == r.QName() && s.tenants.Key == c.Name
				return nil, &from{name: c.Name, tenant: tenants}
			}
			return t, &from{name: c.Name, tenant: c.Name == t.Tenant, key: len(t.Key) == 1 && t.Key[0].Name == c.Name}
		}
	}
	return nil, nil
}

// lookUp finds the rows of the answer in one table: by the key where the answer has it,
// else by all the columns that come from the table together.
func (d *breakInPage) lookUp(ctx context.Context, tx pgx.Tx, v *visit, t *table, claim owners) error {
	columns := d.columnsOf(v, t)
	if t.Tenant == "" || len(d.Rows) == 0 || len(columns) == 0 {
		return nil
	}
	numbers := make([]int, len(d.Rows))
	for n := range d.Rows {
		numbers[n] = n
	}
	args := []any{numbers, string(v.tenant)}
	holes, names, on := []string{"$1::int[]"}, []string{"n"}, []string{}
	for name, i := range columns {
		args = append(args, d.column(i))
		alias := fmt.Sprintf("v%d", i)
		holes, names = append(holes, fmt.Sprintf("$%d::text[]", len(args))), append(names, alias)
		on = append(on, fmt.Sprintf("coalesce(t.%s::text, '') = coalesce(r.%s, '')", quote(name), alias))
	}
	sql := "select r.n, coalesce(max(t.tenant) filter (where t.tenant = $2), max(t.tenant)) from unnest(" + strings.Join(holes, ", ") + ") as r(" + strings.Join(names, ", ") +
		") join (select *, " + quote(t.Tenant) + "::text as tenant from " + t.SQL() + ") t on " + strings.Join(on, " and ") + " group by r.n"
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	var n int
	var tenant string
	_, err = pgx.ForEachRow(rows, []any{&n, &tenant}, func() error { claim.note(v, n, tenant); return nil })
	return err
}

// columnsOf finds which columns of the answer come from a table, by their names there:
// the key alone where it is among them.
func (d *breakInPage) columnsOf(v *visit, t *table) map[string]int {
	columns := map[string]int{}
	for i, f := range d.fields {
		from, c := origin(v.schema, f.TableOID, f.TableAttributeNumber)
		if from != t || c == nil || c.tenant {
			continue
		}
		if c.key {
			return map[string]int{c.name: i}
		}
		if _, twice := columns[c.name]; !twice {
			columns[c.name] = i
		}
	}
	return columns
}

// column is a column of the answer.
func (d *breakInPage) column(i int) []*string {
	values := make([]*string, len(d.Rows))
	for n, r := range d.Rows {
		values[n] = r.Values[i]
	}
	return values
}

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// maxIDs bounds how many ids of an answer are looked up.
const maxIDs = 5000

// lookUpIDs finds the ids inside computed values (arrays, JSON, text), except those
// that the visitor typed.
func (d *breakInPage) lookUpIDs(ctx context.Context, tx pgx.Tx, v *visit, t *table, claim owners, names map[string]string) error {
	if t.Tenant == "" || len(t.Key) != 1 || t.Key[0].kind != kindUUID {
		return nil
	}
	typed := strings.ToLower(d.SQL)
	at := map[string][]int{}
	var ids []string
	for n, r := range d.Rows {
		for i, value := range r.Values {
			if value == nil || d.fields[i].TableOID != 0 {
				continue
			}
			for _, id := range anyUUID.FindAllString(*value, -1) {
				if strings.Contains(typed, id) || len(ids) >= maxIDs {
					continue
				}
				if names[id] != "" {
					claim.note(v, n, id)
				}
				ids, at[id] = append(ids, id), append(at[id], n)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, "select t."+t.Key[0].SQL()+"::text, t."+quote(t.Tenant)+"::text from "+t.SQL()+" t where t."+t.Key[0].SQL()+" = any($1::uuid[])", ids)
	if err != nil {
		return err
	}
	var id, tenant string
	_, err = pgx.ForEachRow(rows, []any{&id, &tenant}, func() error {
		for _, n := range at[id] {
			claim.note(v, n, tenant)
		}
		return nil
	})
	return err
}

// refereeCounts says what there is in the main table, whatever came back.
func (p *Portal) refereeCounts(v *visit, d *breakInPage) error {
	t := v.schema.main()
	if p.config.Demo.Referee == nil || t == nil || t.Tenant == "" {
		return nil
	}
	var all, own, tenants int64
	err := p.config.Demo.Referee.QueryRow(v, "select count(*), count(*) filter (where t."+quote(t.Tenant)+"::text = $1), count(distinct t."+quote(t.Tenant)+") from "+t.SQL()+" t",
		string(v.tenant)).Scan(&all, &own, &tenants)
	d.Truth = fmt.Sprintf("%s holds %s rows of %d clients; %s are yours.", t.Title, count(all), tenants, count(own))
	return err
}
