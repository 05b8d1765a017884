package policy

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// Rows are the rows of one table that a scope may touch, by command, as conditions over
// its columns. "false" is none.
type Rows struct {
	// Name is what policies that say so begin with; "" for a table of one tenant a row.
	Name                         string
	Read, Insert, Update, Delete string
}

// Same reports whether every command touches the same rows.
func (r Rows) Same() bool { return r.Read == r.Insert && r.Read == r.Update && r.Read == r.Delete }

// On is the condition of one command.
func (r Rows) On(command string) string {
	switch command {
	case "SELECT":
		return r.Read
	case "INSERT":
		return r.Insert
	case "UPDATE":
		return r.Update
	}
	return r.Delete
}

// Rows says which rows of a table a scope may touch, by the shapes of the model. This is
// what policies are made of, and what they are measured against.
func (v *View) Rows(t *catalog.Relation, s Scope) Rows {
	q, shapes := t.QName(), &v.Model.Shapes
	if m := shapes.MembersOf(q); m != nil {
		return everywhere("members", v.people(m, s))
	}
	column, typ := v.owner(t)
	own := s.is(column, typ)
	rows := everywhere("", own)
	read := []string{own}
	also := func(name string, conditions ...string) {
		read = append(read, conditions...)
		if rows.Name == "" {
			rows.Name = name
		}
	}
	if c := shapes.Caller; c != nil && c.Table == q {
		return v.memberships(c, t, s)
	}
	if x := shapes.SharedRowsOf(q); x != nil {
		also("shared", v.nobodys(x, column, typ, s))
	}
	if shapes.Above(q) {
		also("above", column+" "+s.Above(typ))
	}
	if x := shapes.PartiesOf(q); x != nil {
		for _, name := range x.Reads {
			also("parties", s.is(sqltext.Ident(name), v.columnType(q, name)))
		}
	}
	if x := shapes.ShareLinkOf(q); x != nil {
		also("share", s.is(sqltext.Ident(x.With), v.columnType(q, x.With)))
	}
	if x := shapes.SharesOf(q); x != nil {
		also("shared", v.shared(t, x, s, false))
		if x.Edits != "" {
			rows.Update = own + " OR " + v.shared(t, x, s, true)
		}
	}
	rows.Read = strings.Join(read, " OR ")
	if tree := shapes.Tree; tree != nil && tree.Writes && q == v.Model.Tenants && s.Wide {
		// The closure knows a new tenant only once its row is there.
		rows.Insert = s.is(sqltext.Ident(tree.Parent), typ)
	}
	return rows
}

// owner is the column, quoted, that says whose a row is, and its type.
func (v *View) owner(t *catalog.Relation) (column, typ string) {
	name := v.TenantColumn(t)
	typ = v.Model.Type
	if planned := v.Table(t.QName()); planned != nil && planned.Type != "" {
		typ = planned.Type
	}
	if c := t.Column(name); c != nil {
		typ = c.Type
	}
	return sqltext.Ident(name), typ
}

func everywhere(name, condition string) Rows {
	return Rows{name, condition, condition, condition, condition}
}

// people are those whom the links of the scope's tenants name.
func (v *View) people(m *catalog.Members, s Scope) string {
	link := v.Relation(m.Through)
	column, typ := v.owner(link)
	where := s.is("m."+column, typ)
	if m.Accepted != "" {
		where += " AND m." + sqltext.Ident(m.Accepted) + " IS NOT NULL"
	}
	return sqltext.Ident(m.Key) + " = ANY (ARRAY(SELECT m." + sqltext.Ident(m.Person) + " FROM " + m.Through.SQL() +
		" m WHERE " + where + "))"
}

// memberships are the caller's own links, and the tenant's where it may see its people.
// They cannot ask for the caller's membership: a policy that reads its own table fails.
// Nobody writes what decides what they see. A table with policies of the team's own may
// show the other members of the caller's tenants besides.
func (v *View) memberships(c *catalog.Caller, t *catalog.Relation, s Scope) Rows {
	if c.All && s.Unbound && v.ownDoors(t) {
		return everywhere("caller", s.is(sqltext.Ident(c.Tenant), v.columnType(c.Table, c.Tenant)))
	}
	read := sqltext.Ident(c.Subject) + " = " + s.Subject(v.columnType(c.Table, c.Subject)) +
		v.ofIssuer(c.Table, c.Issuer, s, "")
	if v.Model.Shapes.LinkOf(c.Table) != nil {
		read = sqltext.Ident(c.Tenant) + " " + s.Chosen(v.columnType(c.Table, c.Tenant)) + " OR " + read
	}
	return Rows{"caller", read, "false", "false", "false"}
}

// AddsTenants reports whether a row added to a table can only be a tenant that was not there:
// it is the table of tenants, whose key alone tells its rows apart, and no tenant stands
// below another.
func (v *View) AddsTenants(t *catalog.Relation) bool {
	return t.QName() == v.Model.Tenants && v.Model.Shapes.Tree == nil &&
		slices.ContainsFunc(t.Indexes, func(x catalog.Index) bool { return x.Valid && v.TellsTenants(x) })
}

// TellsTenants reports whether an index of the tenants table is unique over the key alone.
func (v *View) TellsTenants(x catalog.Index) bool {
	return x.Unique && x.Predicate == "" && slices.Equal(x.Columns(), []string{v.Model.Key})
}

// ownDoors reports whether a table has permissive policies that are not moat's.
func (v *View) ownDoors(t *catalog.Relation) bool {
	return slices.ContainsFunc(t.Policies, func(p catalog.Policy) bool { return p.Permissive && p.Name != Access })
}

// nobodys are the rows for everybody: for every session that has a tenant at all.
func (v *View) nobodys(x *catalog.SharedRows, column, typ string, s Scope) string {
	nobody := column + " IS NULL"
	if x.Sentinel != "" {
		nobody = column + " = " + cast(sqltext.Literal(x.Sentinel), v.comparable(typ))
	}
	has := s.Tenant(typ)
	if c := v.Model.Shapes.Caller; c != nil && c.All && v.Current(typ) == "" {
		has = "(" + v.tenantsOf(c, s) + " AND o." + sqltext.Ident(c.Tenant) + " IS NOT NULL LIMIT 1)"
	}
	return "(" + nobody + " AND " + has + " IS NOT NULL)"
}

// shared are the rows that others have shared with the scope's tenants. Where their key is
// one within a tenant only, it is the row of the tenant whose share it is.
func (v *View) shared(t *catalog.Relation, x *catalog.Shares, s Scope, edits bool) string {
	where := s.is("s."+sqltext.Ident(x.With), v.columnType(x.Through, x.With))
	if edits {
		where += " AND s." + sqltext.Ident(x.Edits)
	}
	key, row, from := sqltext.Ident(x.Key), "s."+sqltext.Ident(x.Row), " FROM "+x.Through.SQL()+" s WHERE "+where
	by := key + " = ANY (ARRAY(SELECT " + row + from + "))"
	link := v.Relation(x.Through)
	if link == nil || v.tellsApart(t, x.Key) {
		return by
	}
	owner, _ := v.owner(t)
	sharer, _ := v.owner(link)
	return "(" + by + " AND (" + owner + ", " + key + ") IN (SELECT s." + sharer + ", " + row + from + "))"
}

// tellsApart reports whether a column by itself is unique among all rows of a table, those of
// tables that inherit from it too.
func (v *View) tellsApart(t *catalog.Relation, column string) bool {
	inherited := func(child *catalog.Relation) bool { return !child.Partition }
	return !slices.ContainsFunc(v.Children(t), inherited) && slices.ContainsFunc(t.Indexes, func(x catalog.Index) bool {
		return x.Unique && x.Valid && x.Predicate == "" && slices.Equal(x.Columns(), []string{column})
	})
}

// Allowed is what the application role may do behind the wall, by one permissive policy.
type Allowed struct{ Name, Command, Using, Check string }

// Allowed says what the application may do behind a table's wall: everything, unless a
// shape says otherwise.
func (v *View) Allowed(t *catalog.Relation, s Scope) []Allowed {
	q, shapes := t.QName(), &v.Model.Shapes
	if m := shapes.MembersOf(q); m != nil {
		self := sqltext.Ident(m.Key) + " = " + s.Subject(v.columnType(q, m.Key)) + v.ofIssuer(q, m.Issuer, s, "")
		return []Allowed{{"members_read", "SELECT", "true", ""}, {"members_self", "UPDATE", self, self}}
	}
	caller := shapes.Caller != nil && shapes.Caller.Table == q
	if shapes.LinkOf(q) != nil || caller && !(shapes.Caller.All && s.Unbound && v.ownDoors(t)) {
		return []Allowed{{Access, "SELECT", "true", ""}}
	}
	if x := shapes.InsideOf(q); x != nil {
		return v.inside(x, s)
	}
	return []Allowed{{Access, "ALL", "true", "true"}}
}

// inside are the roles within a tenant. Nobody but those that may do everything deletes.
func (v *View) inside(x *catalog.Inside, s Scope) []Allowed {
	var all []Allowed
	if len(x.All) > 0 {
		all = append(all, Allowed{"admin_all", "ALL", s.Role(x.All), s.Role(x.All)})
	}
	if x.Owner == "" {
		return all
	}
	mine := " AND " + sqltext.Ident(x.Owner) + " = " + s.Subject(v.columnType(x.Table, x.Owner)) +
		v.ofIssuer(x.Table, x.Issuer, s, "")
	if reads := slices.Concat(x.Own, x.ReadOwn); len(reads) > 0 {
		all = append(all, Allowed{"member_read", "SELECT", s.Role(reads) + mine, ""})
	}
	if len(x.Own) > 0 {
		own := s.Role(x.Own) + mine
		all = append(all, Allowed{"member_insert", "INSERT", "", own}, Allowed{"member_update", "UPDATE", own, own})
	}
	return all
}

// Grant is what the application role is granted on a table. Columns are nil for all.
type Grant struct {
	Read, Update   []string
	Insert, Delete bool
	Updates        bool
}

// Granted says which privileges the application needs on a table, and may have: nobody
// updates a column that says whose a row is where a row is seen by more than one tenant,
// and nobody writes a link.
func (v *View) Granted(t *catalog.Relation) Grant {
	q, shapes := t.QName(), &v.Model.Shapes
	if m := shapes.MembersOf(q); m != nil {
		return Grant{Read: withKey(m), Update: v.ownColumns(t, m), Updates: true}
	}
	if q == v.Model.Tenants || shapes.LinkOf(q) != nil || shapes.Caller != nil && shapes.Caller.Table == q {
		return Grant{}
	}
	g := Grant{Insert: true, Delete: true, Updates: true}
	fixed := v.fixed(t)
	if fixed == nil {
		return g
	}
	for _, c := range t.Columns {
		if !slices.Contains(fixed, c.Name) && c.Generated == "" && c.Identity != "always" {
			g.Update = append(g.Update, c.Name)
		}
	}
	g.Updates = len(g.Update) > 0
	return g
}

func withKey(m *catalog.Members) []string {
	if slices.Contains(m.Columns, m.Key) {
		return m.Columns
	}
	return append([]string{m.Key}, m.Columns...)
}

// ownColumns are what a person may change of themselves: what is shown, and no key. An
// address is unique among all tenants: whoever may set it learns which are taken.
func (v *View) ownColumns(t *catalog.Relation, m *catalog.Members) []string {
	var all []string
	for _, name := range m.Columns {
		unique := slices.ContainsFunc(t.Indexes, func(x catalog.Index) bool {
			return x.Unique && (slices.Contains(x.Columns(), name) || slices.Contains(x.Columns(), ""))
		})
		if name != m.Key && !unique {
			all = append(all, name)
		}
	}
	return all
}

// fixed are the columns of a table that the application must not change; nil where it may
// change all.
func (v *View) fixed(t *catalog.Relation) []string {
	q, shapes := t.QName(), &v.Model.Shapes
	switch {
	case shapes.PartiesOf(q) != nil:
		return append([]string{shapes.PartiesOf(q).Owner}, shapes.PartiesOf(q).Reads...)
	case shapes.SharesOf(q) != nil:
		return []string{v.TenantColumn(t), shapes.SharesOf(q).Key}
	case shapes.ShareLinkOf(q) != nil:
		x := shapes.ShareLinkOf(q)
		return []string{v.TenantColumn(t), x.Row, x.With}
	}
	return nil
}
