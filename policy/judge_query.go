package policy

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

// binding is how a table of a subquery is bound.
type binding int

const (
	unbound     binding = iota
	boundByRLS          // only by the policies of that table
	boundToUser         // to the caller: a membership
	boundTo             // to the current tenant
)

// subquery is what is known of the tables of one subquery.
type subquery struct {
	tables map[int]catalog.QName // by entry, of those whose columns are mentioned
	bound  map[int]binding       // by entry
	links  []link                // columns compared with columns of the policy's table
	joins  [][2]*catalog.Node    // columns compared with each other
	users  map[int]*catalog.Node // the column that binds an entry to the caller
	how    map[int]membership    // by which columns an entry is bound
	direct verdict               // conditions on the policy's table itself
}

// link is inner = own.
type link struct{ inner, own *catalog.Node }

// inspect reads the conditions of a subquery that stand at its top.
func (a *analyst) inspect(q *catalog.Query, depth int) *subquery {
	s := &subquery{tables: map[int]catalog.QName{}, bound: map[int]binding{}, users: map[int]*catalog.Node{},
		how: map[int]membership{}}
	for _, part := range q.Where.Conjuncts() {
		a.condition(s, part, depth+1)
	}
	s.spread(a)
	return s
}

// spread carries bindings over joins by a key; each pass may carry one further.
func (s *subquery) spread(a *analyst) {
	for range s.joins {
		for _, j := range s.joins {
			s.carry(a, j[0], j[1])
			s.carry(a, j[1], j[0])
		}
	}
}

// condition reads one condition at depth, the subquery's own.
func (a *analyst) condition(s *subquery, n *catalog.Node, depth int) {
	s.direct = s.direct.and(a.predicate(n, depth))
	s.holds(a, n, depth)
	if (n.Kind != catalog.NodeOperator && n.Kind != catalog.NodeAny && n.Kind != catalog.NodeAnyQuery) || n.Name != "=" {
		return
	}
	if n.Kind == catalog.NodeAnyQuery {
		for i, arg := range n.Args {
			if left := a.value(arg, depth); left.kind == valueInner {
				s.bind(a, left.node, a.selected(n.Query, i, depth))
			}
		}
		return
	}
	if len(n.Args) != 2 {
		return
	}
	left, right := a.value(n.Args[0], depth), a.value(n.Args[1], depth)
	if right.kind == valueInner && left.kind != valueInner {
		left, right = right, left
	}
	if left.kind != valueInner {
		return
	}
	s.tables[left.node.Entry] = left.node.Relation
	switch {
	case right.kind == valueOwn:
		s.links = append(s.links, link{left.node, right.node})
	case right.kind != valueInner:
		s.bind(a, left.node, right)
	case left.node.Entry == right.node.Entry && left.node.Column == right.node.Column:
		if a.t.Column(left.node.Column) != nil {
			a.j.ColumnCaptured = true
		}
	default:
		s.tables[right.node.Entry] = right.node.Relation
		s.joins = append(s.joins, [2]*catalog.Node{left.node, right.node})
	}
}

// bind notes that a table's column equals something that speaks for the caller.
func (s *subquery) bind(a *analyst, column *catalog.Node, x value) {
	// A view may compute what it compares with: only rows that are stored are bound.
	if r := a.v.Relation(column.Relation); !x.isContext() || r == nil || !r.IsTable() {
		return
	}
	how := boundToUser
	tenant := x.kind == valueClaim || x.kind == valueMember
	if x.kind == valueTenant || tenant && a.isTenantColumn(ref(column)) {
		how = boundTo
	}
	if x.kind == valueClaim && !namesTenant(x.path) && !isSubject(x) {
		return
	}
	if x.kind == valueMember && how == boundToUser && !a.isCaller(x) {
		return
	}
	a.j.RaisesWhenUnset = a.j.RaisesWhenUnset || x.raises
	s.tables[column.Entry] = column.Relation
	s.raise(column.Entry, how)
	s.boundBy(a, column, x, how)
	if how == boundToUser {
		s.users[column.Entry] = column
	}
}

func (s *subquery) raise(entry int, how binding) {
	s.bound[entry] = max(s.bound[entry], how)
}

// carry takes the binding of one table over to another that is joined to it: by the
// other's own key, by what references it, or by the tenant itself.
func (s *subquery) carry(a *analyst, from, to *catalog.Node) {
	how := s.bound[from.Entry]
	if how == unbound || from.Entry == to.Entry {
		return
	}
	x, y := ref(from), ref(to)
	byTenant := a.isTenantColumn(x) && a.isTenantColumn(y)
	compared := func(f, t string) bool {
		return slices.ContainsFunc(s.joins, func(j [2]*catalog.Node) bool {
			is := func(l, r *catalog.Node) bool {
				return l.Entry == to.Entry && l.Column == f && r.Entry == from.Entry && r.Column == t
			}
			return is(j[0], j[1]) || is(j[1], j[0])
		})
	}
	if byTenant || a.isKey(y) || a.references(y, x, compared) {
		s.raise(to.Entry, how)
		s.carried(a, from, to, byTenant)
	}
}

// isKey reports whether a column alone identifies a row of its table.
func (a *analyst) isKey(c catalog.ColumnRef) bool {
	r := a.v.Relation(c.Relation)
	return r != nil && a.v.tellsApart(r, c.Column)
}

// references reports whether a foreign key leads from one column to the other, and which row it means:
// the other column is a key by itself, or the rest of the foreign key is compared too.
func (a *analyst) references(from, to catalog.ColumnRef, compared func(from, to string) bool) bool {
	r := a.v.Relation(from.Relation)
	if r == nil {
		return false
	}
	return slices.ContainsFunc(r.Constraints, func(c catalog.Constraint) bool {
		i := slices.Index(c.Columns, from.Column)
		if c.Type != catalog.ForeignKey || c.References != to.Relation || len(c.Columns) != len(c.RefColumns) ||
			i < 0 || c.RefColumns[i] != to.Column {
			return false
		}
		whole := true
		for j := range c.Columns {
			whole = whole && (j == i || compared(c.Columns[j], c.RefColumns[j]))
		}
		return whole || a.isKey(to)
	})
}

// alone compares no other column.
func alone(string, string) bool { return false }

// isTenantColumn reports whether a column of another table holds tenants: it is that
// table's tenant column, has the same name as the model's, is the key of the
// tenants table, or references it.
func (a *analyst) isTenantColumn(c catalog.ColumnRef) bool {
	if c.Column == a.m.Column || c.Relation == a.m.Tenants && c.Column == a.m.Key {
		return true
	}
	if a.column != "" && c.Column == a.column && c.Relation != a.t.QName() {
		return true
	}
	if entry := a.v.Table(c.Relation); entry != nil && entry.Column != "" && entry.Column == c.Column {
		return true
	}
	return a.m.Tenants != catalog.QName{} &&
		a.references(c, catalog.ColumnRef{Relation: a.m.Tenants, Column: a.m.Key}, alone)
}

// ref names the column that a node is.
func ref(n *catalog.Node) catalog.ColumnRef {
	return catalog.ColumnRef{Relation: n.Relation, Column: n.Column}
}

// queryValue is what a scalar subquery, or ARRAY(SELECT …), gives.
func (a *analyst) queryValue(q *catalog.Query, depth int) value { return a.selected(q, 0, depth) }

// selected says where the values of a subquery's column come from.
func (a *analyst) selected(q *catalog.Query, i, depth int) value {
	if q.SetOperation {
		return a.selectedFromAll(q.From, i, depth)
	}
	if i >= len(q.Select) || q.Select[i] == nil {
		return value{}
	}
	x := a.value(q.Select[i], depth+1)
	switch x.kind {
	case valueInner:
		s := a.inspect(q, depth)
		ref := ref(x.node)
		how := s.bound[x.node.Entry]
		if how == unbound && a.protects(ref.Relation) {
			how = boundByRLS
		}
		if how == unbound {
			return value{}
		}
		return value{kind: valueMember, ref: ref, binding: how, raises: a.j.RaisesWhenUnset,
			member: s.how[x.node.Entry]}
	case valueOwn:
		return value{} // a column of the policy's table selected from within
	}
	return x
}

// selectedFromAll is UNION and the like: no branch may give what others do not.
func (a *analyst) selectedFromAll(branches []*catalog.Query, i, depth int) value {
	var result value
	for at, branch := range branches {
		x := a.selected(branch, i, depth+1)
		if at == 0 {
			result = x
			continue
		}
		if !x.isContext() || x.kind != result.kind {
			return value{}
		}
		if x.kind == valueMember && x.ref != result.ref && !(a.isTenant(x) && a.isTenant(result)) {
			return value{} // what the one selects says nothing of what the other does
		}
		if x.ref == result.ref {
			result.member = result.member.or(x.member)
		}
		result.binding = min(result.binding, x.binding)
	}
	return result
}

// protects reports whether a table's own policies bind whoever reads it here. Inside a
// SECURITY DEFINER function they are another role's. Tables whose policies lead back
// here protect nothing.
func (a *analyst) protects(name catalog.QName) bool {
	for _, f := range a.calls {
		if f.Definer {
			return false
		}
	}
	r := a.v.Relation(name)
	if r == nil || !r.RLS || name == a.t.QName() || slices.Contains(a.following, name) {
		return false
	}
	following := append(slices.Clone(a.following), a.t.QName())
	binds := func(p *catalog.Policy) bool {
		j := Judgement{}
		below := a.v.analyst(r, a.v.TenantColumn(r), &j)
		below.following = following
		return p.Using != nil && p.Using.Root != nil && below.predicate(p.Using.Root, 0).any() && !j.ImmutableHelper
	}
	open := false
	for i := range r.Policies {
		switch p := &r.Policies[i]; {
		case p.Command != "ALL" && p.Command != "SELECT" || p.Using == nil:
		case !p.Permissive && slices.Contains(p.Roles, "") && binds(p):
			return true
		case p.Permissive && a.v.bindsApplication(p) && !binds(p):
			open = true
		}
	}
	return !open
}

// bindsApplication says whether a policy applies to one of the application's roles; to
// one of them it may, where none is known.
func (v *View) bindsApplication(p *catalog.Policy) bool {
	return len(v.Model.Roles) == 0 || slices.ContainsFunc(v.Model.Roles, func(role string) bool {
		return slices.ContainsFunc(v.RolesOf(role, catalog.Use), func(other string) bool {
			return v.Applies(p, other, "SELECT")
		})
	})
}

// inQuery is x IN (SELECT …), for a row too.
func (a *analyst) inQuery(n *catalog.Node, depth int) verdict {
	var result verdict
	if n.Name != "=" {
		return result
	}
	for i, arg := range n.Args {
		left, right := a.value(arg, depth), a.selected(n.Query, i, depth)
		right.member.beside = a.beside(n, i, depth)
		x := a.bind(left, right)
		if left.isContext() && !n.Query.SetOperation && i < len(n.Query.Select) {
			x = a.callerIn(left, n.Query, i, depth)
		}
		result = result.and(x)
	}
	return result
}

// beside are the columns that x IN (SELECT …) compares with those of the table of the i-th.
func (a *analyst) beside(n *catalog.Node, i, depth int) (all []pair) {
	if n.Query.SetOperation {
		return nil
	}
	column := func(j int) *catalog.Node {
		if j >= len(n.Query.Select) || n.Query.Select[j] == nil {
			return nil
		}
		return a.value(n.Query.Select[j], depth+1).node
	}
	of := column(i)
	for j, arg := range n.Args {
		c, own := column(j), a.value(arg, depth)
		if of != nil && c != nil && c.Entry == of.Entry && own.kind == valueOwn {
			all = append(all, pair{own, c})
		}
	}
	return all
}

// namesOwner reports whether the row's tenant is compared with that of the other table's row.
func (a *analyst) namesOwner(m membership) bool {
	return slices.ContainsFunc(m.beside, func(x pair) bool {
		r := a.v.Relation(x.inner.Relation)
		return x.own.node.Column == a.column && a.exact(x.own) && r != nil && x.inner.Column == a.v.TenantColumn(r)
	})
}

// callerIn is caller IN (SELECT member FROM … WHERE tenant = the row's): EXISTS with
// one condition more.
func (a *analyst) callerIn(caller value, q *catalog.Query, i, depth int) verdict {
	if len(q.Tables)+len(q.From) == 0 && q.Select[i] != nil && q.Select[i].Kind == catalog.NodeFunction {
		return a.callerAmong(caller, q.Select[i], depth+1)
	}
	s := a.inspect(q, depth)
	if column := a.value(q.Select[i], depth+1); column.kind == valueInner && !q.Aggregate {
		s.bind(a, column.node, caller)
		s.spread(a)
	}
	return a.linked(s)
}

// callerAmong is caller IN (SELECT members(the row's tenant)): every query of which a helper
// returns the rows must name the caller.
func (a *analyst) callerAmong(caller value, call *catalog.Node, depth int) verdict {
	f := a.v.Function(call.OID)
	ways := a.enter(call, f)
	if ways == nil {
		return verdict{}
	}
	defer a.leave()
	a.j.ImmutableHelper = a.j.ImmutableHelper || f.Volatile == "immutable"
	result := verdict{tenant: true, own: true, within: everySet}
	for _, way := range ways {
		var x verdict
		if way.Kind == catalog.NodeSubquery && !way.Query.SetOperation && len(way.Query.Select) == 1 {
			x = a.callerIn(caller, way.Query, 0, depth)
		}
		result = verdict{result.tenant && x.tenant, result.own && x.any(), result.within & x.sets()}
	}
	return result
}

// bindMember is own IN (what a subquery selects for the caller).
func (a *analyst) bindMember(own, y value, tenant bool) verdict {
	if set := a.shaped(own, y); set != 0 {
		return verdict{within: set}
	}
	if party := a.party(own, false); (tenant || party != 0) && a.isTenantColumn(y.ref) && y.binding >= boundToUser {
		if !a.selects(y) {
			return verdict{} // a tenant's links to other tenants, of no shape that is declared
		}
		a.j.Memberships = append(a.j.Memberships, y.ref)
		return verdict{tenant: tenant, within: party}
	}
	// A row follows its parent, or the caller.
	if a.references(ref(own.node), y.ref, y.member.compared) || a.isKey(y.ref) {
		return verdict{own: true}
	}
	// A link of the tenant's own names the row: the people whom its memberships list.
	back := func(from, to string) bool { return y.member.compared(to, from) }
	named := a.references(y.ref, ref(own.node), back) || a.links(own, y)
	if y.binding == boundTo && named && !y.member.other && !y.member.below {
		a.j.Links = append(a.j.Links, y.ref)
		return verdict{own: true}
	}
	return verdict{own: y.binding == boundToUser && NamesCaller("."+own.node.Column) && a.isCaller(y)}
}

// exists is EXISTS (SELECT …).
func (a *analyst) exists(q *catalog.Query, depth int) verdict {
	if q.SetOperation || q.Aggregate {
		return verdict{}
	}
	return a.linked(a.inspect(q, depth))
}

// linked says what the conditions that compare the policy's table with a bound one do.
func (a *analyst) linked(s *subquery) verdict {
	result := s.direct
	for _, l := range s.links {
		ref := ref(l.inner)
		how := s.bound[l.inner.Entry]
		if how == unbound && a.protects(ref.Relation) {
			how = boundByRLS
		}
		if how == unbound {
			continue
		}
		inner := value{kind: valueMember, ref: ref, binding: how, member: s.how[l.inner.Entry]}
		for _, x := range s.links {
			if x.inner.Entry == l.inner.Entry {
				inner.member.beside = append(inner.member.beside, pair{value{kind: valueOwn, node: x.own}, x.inner})
			}
		}
		result = result.and(a.bind(value{kind: valueOwn, node: l.own}, inner))
	}
	return result
}

// existsSelecting is (SELECT condition FROM … WHERE …) as a condition: to be true it
// needs both a row and the condition.
func (a *analyst) existsSelecting(q *catalog.Query, depth int) verdict {
	if len(q.Select) != 1 || q.SetOperation || q.Aggregate {
		return verdict{}
	}
	return a.predicate(q.Select[0], depth+1).and(a.exists(q, depth))
}
