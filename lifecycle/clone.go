package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/sqltext"
)

// CloneOptions say how the copy differs.
type CloneOptions struct {
	// Set gives columns, as schema.table.column, a text in which {} stands for the value of
	// the row that is copied. A column that is unique over all tenants needs one.
	Set map[string]string
	// Include are tables that are copied only when they are named: those that say who is a
	// member or whom rows are shared with, and those in which others would see the copies.
	Include []string
}

// Clone copies all rows of a tenant as a new one, in one transaction. Keys that hold the
// tenant stay as they are; those that are unique over all tenants are made anew, by their
// column's default or at random, and what refers to them follows. It returns how many rows
// were made, by table.
func (o *Operator) Clone(ctx context.Context, tenant, as string, opts CloneOptions) ([]Removed, error) {
	id, err := o.known(ctx, tenant)
	if err != nil {
		return nil, err
	}
	to, found, err := o.lookUp(ctx, as)
	if err != nil {
		return nil, err
	}
	if found {
		return nil, fmt.Errorf("tenant %s exists already", to)
	}
	if err := o.log(ctx, "cloned the tenant", id, "as "+to); err != nil {
		return nil, err
	}
	c := &clone{Operator: o, from: id, to: to, opts: opts, maps: map[*part]string{}}
	if err := c.plan(); err != nil {
		return nil, err
	}
	if o.view.Model.Shapes.Tree != nil {
		err = c.inTree(ctx)
	} else {
		err = c.within(ctx, pgx.RepeatableRead, c.run)
	}
	return c.made, err
}

// within runs fn in a transaction.
func (c *clone) within(ctx context.Context, level pgx.TxIsoLevel, fn func(context.Context) error) error {
	return pgx.BeginTxFunc(ctx, c.conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
		c.tx = tx
		return toUnnamed(fn(ctx), c.left)
	})
}

// inTree copies the tenant's own row first, in a transaction of its own: a tree of tenants grows
// in none that keeps one snapshot, which the other rows need. If they cannot be copied, that row
// goes again; a crash in between leaves a tenant without rows.
func (c *clone) inTree(ctx context.Context) error {
	root := find(c.view, c.parts, c.view.Model.Tenants)
	if root == nil {
		return c.within(ctx, pgx.RepeatableRead, c.run)
	}
	if err := c.standsAlone(root); err != nil {
		return err
	}
	err := c.within(ctx, pgx.RepeatableRead, c.seenByOthers)
	if err == nil {
		err = c.within(ctx, pgx.ReadCommitted, func(ctx context.Context) error { return c.copyParts(ctx, root) })
	}
	if err != nil {
		return err
	}
	c.root = root
	if err = c.within(ctx, pgx.RepeatableRead, c.run); err != nil {
		_, gone := c.conn.Exec(context.WithoutCancel(ctx), "DELETE FROM "+root.name().SQL()+" WHERE "+
			sqltext.Ident(c.view.Model.Key)+"::text = $1", c.to)
		return errors.Join(err, gone)
	}
	return nil
}

// standsAlone refuses a tenant whose own row refers to other rows of its, or has another key that
// they refer to.
func (c *clone) standsAlone(root *part) error {
	for _, p := range c.parts {
		for k := range catalog.Each(p.table.Constraints) {
			to := find(c.view, c.parts, k.References)
			anew := to == root && slices.ContainsFunc(k.RefColumns, func(n string) bool {
				return c.fresh[catalog.ColumnRef{Relation: root.name(), Column: n}] != ""
			})
			if k.Type == catalog.ForeignKey && (anew || p == root && to != nil && to != root) {
				return fmt.Errorf("cannot copy this tenant: %s of %s ties the row of the tenant to others of its, and in a "+
					"tree that row comes first", k.Name, p.name())
			}
		}
	}
	return nil
}

type clone struct {
	*Operator
	from, to string
	opts     CloneOptions
	parts    []*part
	// fresh is the expression of a new value for each key column that is unique over all
	// tenants, and maps the temporary table from old to new.
	fresh map[catalog.ColumnRef]string
	maps  map[*part]string
	left  []string // tables that are not copied, because they are not named
	root  *part    // has been copied already; nil where it is copied with the others
	tx    pgx.Tx
	made  []Removed
}

// plan finds the keys that have to be made anew, and refuses what it cannot copy.
func (c *clone) plan() error {
	all, err := parts(c.view, c.from)
	if err != nil {
		return err
	}
	var reasons []string
	for _, p := range all {
		name := p.name()
		switch {
		case grants(c.view, name) != "" && !slices.Contains(c.opts.Include, name.String()):
			c.left = append(c.left, name.String())
			continue
		case p.foreign:
			reasons = append(reasons, name.String()+": is on another server")
		}
		c.parts = append(c.parts, p)
	}
	c.fresh = map[catalog.ColumnRef]string{}
	for _, p := range c.parts {
		reasons = append(reasons, c.keys(p)...)
	}
	for set := range c.opts.Set {
		if !slices.ContainsFunc(c.parts, func(p *part) bool { return c.setOf(p, set) != "" }) {
			reasons = append(reasons, set+": no such column; write it as schema.table.column")
		}
	}
	if len(reasons) > 0 {
		slices.Sort(reasons)
		return fmt.Errorf("cannot copy this tenant:\n  %s", strings.Join(reasons, "\n  "))
	}
	return c.require(c.parts, "SELECT", "INSERT")
}

func (c *clone) setOf(p *part, set string) string {
	column, ok := strings.CutPrefix(set, p.name().String()+".")
	if !ok || p.table.Column(column) == nil {
		return ""
	}
	return column
}

// keys finds, for each unique key that does not hold the tenant, the column that is made
// anew.
func (c *clone) keys(p *part) (reasons []string) {
	for x := range catalog.Each(p.table.Indexes) {
		if !x.Unique || !x.Valid || c.holdsTenant(p, x.Columns()) || c.followsParent(p, x.Columns()) {
			continue
		}
		column := ""
		for _, name := range x.Columns() {
			ref := catalog.ColumnRef{Relation: p.name(), Column: name}
			if name == "" || c.fresh[ref] != "" || c.opts.Set[ref.String()] != "" {
				column = name
				break
			}
			if expression := c.anew(p.table.Column(name)); expression != "" && !c.refers(p, name) {
				c.fresh[ref], column = expression, name
				break
			}
		}
		if column == "" {
			reasons = append(reasons, fmt.Sprintf("%s: %s (%s) is unique over all tenants; give it a value: --set "+
				"%s.%s='{}-copy'",
				p.name(), x.Name, strings.Join(x.Columns(), ", "), p.name(), x.Columns()[0]))
		}
	}
	return reasons
}

func (c *clone) holdsTenant(p *part, names []string) bool {
	return p.owned == nil && slices.Contains(names, c.view.TenantColumn(p.table))
}

// followsParent reports whether a key has a column that refers to a key that is made anew.
func (c *clone) followsParent(p *part, names []string) bool {
	for k := range catalog.Each(p.table.Constraints) {
		if k.Type == catalog.ForeignKey && find(c.view, c.parts, k.References) != nil &&
			slices.ContainsFunc(k.Columns, func(n string) bool { return slices.Contains(names, n) }) && !c.holdsTenant(p,
			k.Columns) {
			return true
		}
	}
	return false
}

func (c *clone) refers(p *part, name string) bool {
	return slices.ContainsFunc(p.table.Constraints, func(k catalog.Constraint) bool {
		return k.Type == catalog.ForeignKey && slices.Contains(k.Columns, name) && !slices.Contains(k.Columns,
			c.view.TenantColumn(p.table))
	})
}

// anew is the expression of a new value of a column; "" where nothing makes one.
func (c *clone) anew(column *catalog.Column) string {
	switch base := c.view.BaseType(column.Type); {
	case base == "uuid":
		return "gen_random_uuid()"
	case strings.HasPrefix(column.Default, "nextval("):
		return column.Default
	case column.Identity != "":
		return "identity"
	}
	return ""
}

func (c *clone) run(ctx context.Context) error {
	oids, err := c.objectIDs(ctx, c.parts)
	if err := cmp.Or(err, c.mayReach(ctx, oids, true)); err != nil {
		return err
	}
	if err := c.seenByOthers(ctx); err != nil {
		return err
	}
	if _, err := c.tx.Exec(ctx, "SET CONSTRAINTS ALL DEFERRED"); err != nil {
		return err
	}
	others := slices.DeleteFunc(slices.Clone(c.parts), func(p *part) bool { return p == c.root })
	if err := c.copyParts(ctx, others...); err != nil {
		return err
	}
	if err := c.giveObjects(ctx); err != nil {
		return err
	}
	_, err = c.tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE")
	return err
}

// copyParts makes the new keys, and copies the rows in the order of their keys.
func (c *clone) copyParts(ctx context.Context, list ...*part) error {
	for _, p := range list {
		if err := c.number(ctx, p); err != nil {
			return fmt.Errorf("make new keys for %s: %w", p.name(), err)
		}
	}
	for _, g := range ordered(c.view, list) {
		if err := c.copyGroup(ctx, g); err != nil {
			return fmt.Errorf("copy the rows of %s: %w", names(g), err)
		}
	}
	return nil
}

// seenByOthers refuses copies that other tenants would see, as a party of the row.
func (c *clone) seenByOthers(ctx context.Context) error {
	var reasons []string
	for _, p := range c.parts {
		parties := c.view.Model.Shapes.PartiesOf(p.name())
		if parties == nil || slices.Contains(c.opts.Include, p.name().String()) {
			continue
		}
		for _, column := range parties.Reads {
			if c.opts.Set[p.name().String()+"."+column] != "" {
				continue
			}
			var n int64
			err := c.tx.QueryRow(ctx, "SELECT count(*) FROM "+p.from()+" WHERE "+p.where()+" AND (x."+sqltext.Ident(column)+
				equals+literal(c.view, c.from, p.table.Column(column).Type)+") IS FALSE").Scan(&n)
			if err != nil {
				return fmt.Errorf("look for other parties in %s: %w", p.name(), err)
			}
			if n > 0 {
				reasons = append(reasons, fmt.Sprintf("%s: %s other tenants (%s), who would see the copies; --include %[1]s",
					p.name(), english.Count(n, "row names", "rows name"), column))
			}
		}
	}
	if len(reasons) > 0 {
		return fmt.Errorf("cannot copy this tenant:\n  %s", strings.Join(reasons, "\n  "))
	}
	return nil
}

// giveObjects gives the copies of large objects to the role that the originals belong to.
func (c *clone) giveObjects(ctx context.Context) error {
	old, err := c.objectIDs(ctx, c.parts)
	if err != nil || len(old) == 0 {
		return err
	}
	all, err := parts(c.view, c.to)
	if err != nil {
		return err
	}
	made, err := c.objectIDs(ctx, all)
	if err != nil {
		return err
	}
	owner, err := c.objectOwner(ctx, old[0])
	for _, oid := range old {
		if one, failed := c.objectOwner(ctx, oid); failed != nil || one != owner {
			return errors.Join(failed, err, errors.New("the tenant's large objects belong to more than one role"))
		}
	}
	for _, oid := range made {
		if err := c.giveObject(ctx, c.tx, all, oid, owner); err != nil {
			return err
		}
	}
	return nil
}

// number makes the temporary table of a part's new keys.
func (c *clone) number(ctx context.Context, p *part) error {
	var selected []string
	for _, name := range writable(p.table) {
		expression, ok := c.fresh[catalog.ColumnRef{Relation: p.name(), Column: name}]
		if !ok {
			continue
		}
		if expression == "identity" {
			expression = "nextval(pg_get_serial_sequence(" + sqltext.Literal(p.name().SQL()) + ", " + sqltext.Literal(name) +
				"))"
		}
		selected = append(selected, "x."+sqltext.Ident(name)+" AS "+sqltext.Ident("old_"+name), expression+"::"+
			p.table.Column(name).Type+" AS "+sqltext.Ident("new_"+name))
	}
	if len(selected) == 0 {
		return nil
	}
	c.maps[p] = fmt.Sprintf("moat_clone_%d", len(c.maps))
	_, err := c.tx.Exec(ctx, "CREATE TEMPORARY TABLE "+c.maps[p]+" ON COMMIT DROP AS SELECT "+strings.Join(selected, ", ")+
		" FROM "+p.from()+" WHERE "+p.where())
	if err == nil {
		_, err = c.tx.Exec(ctx, "ANALYZE pg_temp."+c.maps[p])
	}
	return err
}

// copyGroup inserts the copies of a group's rows, in one statement.
func (c *clone) copyGroup(ctx context.Context, g group) error {
	with, sums := make([]string, len(g.parts)), make([]string, len(g.parts))
	for i, p := range g.parts {
		with[i] = fmt.Sprintf("c%d AS (%s RETURNING 1)", i, c.copy(p))
		sums[i] = fmt.Sprintf("(SELECT count(*) FROM c%d)", i)
	}
	counts := make([]int64, len(g.parts))
	into := make([]any, len(g.parts))
	for i := range counts {
		into[i] = &counts[i]
	}
	err := c.tx.QueryRow(ctx, "WITH "+strings.Join(with, ", ")+" SELECT "+strings.Join(sums, ", ")).Scan(into...)
	if err != nil {
		if sqlState(err) == uniqueViolation {
			err = errors.Join(err, errors.New("a value must stay unique over all tenants: --set schema.table.column='{}-copy'"))
		}
		return err
	}
	for i, p := range g.parts {
		c.made = append(c.made, Removed{p.name().String(), counts[i]})
	}
	return nil
}

// copy inserts the copies of a part's rows.
func (c *clone) copy(p *part) string {
	from := []string{p.from()}
	var joins []string
	values := map[string]string{}
	if own := c.maps[p]; own != "" {
		for ref := range c.fresh {
			if ref.Relation == p.name() {
				values[ref.Column] = "m." + sqltext.Ident("new_"+ref.Column)
				joins = append(joins, "m."+sqltext.Ident("old_"+ref.Column)+" = x."+sqltext.Ident(ref.Column))
			}
		}
		from = append(from, "JOIN pg_temp."+own+" m ON "+strings.Join(joins, " AND "))
	}
	if p.owned == nil && c.view.Table(p.name()).Class != catalog.ChildTable {
		column := c.view.TenantColumn(p.table)
		values[column] = literal(c.view, c.to, p.table.Column(column).Type)
	}
	for _, name := range holders(c.view, p.table) {
		values[name] = "CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_largeobject_metadata l WHERE l.oid = x." +
			sqltext.Ident(name) + ") THEN lo_from_bytea(0, lo_get(x." + sqltext.Ident(name) + ")) ELSE x." +
			sqltext.Ident(name) + " END"
	}
	for i := range p.table.Constraints {
		join, followed := c.follow(p, &p.table.Constraints[i], i)
		if join != "" {
			from = append(from, join)
		}
		maps.Copy(values, followed)
	}
	names := writable(p.table)
	selected := make([]string, len(names))
	for i, name := range names {
		selected[i] = values[name]
		if selected[i] == "" {
			selected[i] = "x." + sqltext.Ident(name)
		}
		if set, ok := c.opts.Set[p.name().String()+"."+name]; ok {
			selected[i] = "replace(" + sqltext.Literal(set) + ", '{}', x." + sqltext.Ident(name) + "::text)::" +
				p.table.Column(name).Type
		}
	}
	return "INSERT INTO " + p.name().SQL() + " (" + sqltext.Idents(names) + ") OVERRIDING SYSTEM VALUE SELECT " +
		strings.Join(selected, ", ") + " FROM " + strings.Join(from, " ") + " WHERE " + p.where()
}

// follow gives the columns of a foreign key the new value of what they refer to.
func (c *clone) follow(p *part, k *catalog.Constraint, n int) (join string, values map[string]string) {
	if k.Type != catalog.ForeignKey {
		return "", nil
	}
	to := find(c.view, c.parts, k.References)
	if to == nil {
		return "", nil
	}
	values = map[string]string{}
	alias := fmt.Sprintf("k%d", n)
	var on []string
	for i, column := range k.Columns {
		ref := catalog.ColumnRef{Relation: to.name(), Column: k.RefColumns[i]}
		if ref.Relation == c.view.Model.Tenants && ref.Column == c.view.Model.Key {
			// The tenant itself, by whatever column; another tenant stays who it is.
			values[column] = fmt.Sprintf("CASE WHEN x.%[1]s%[2]s%[3]s THEN %[4]s ELSE x.%[1]s END", sqltext.Ident(column),
				equals,
				literal(c.view, c.from, p.table.Column(column).Type), literal(c.view, c.to, p.table.Column(column).Type))
			continue
		}
		if c.fresh[ref] == "" {
			continue
		}
		on = append(on, alias+"."+sqltext.Ident("old_"+ref.Column)+" = x."+sqltext.Ident(column))
		values[column] = "coalesce(" + alias + "." + sqltext.Ident("new_"+ref.Column) + ", x." + sqltext.Ident(column) + ")"
	}
	if len(on) == 0 {
		return "", values
	}
	return "LEFT JOIN pg_temp." + c.maps[to] + " " + alias + " ON " + strings.Join(on, " AND "), values
}
