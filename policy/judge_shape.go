package policy

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

// within are sets of rows that are wider than the tenant's own and that the model's shapes
// give, by who may do what.
type within uint8

const (
	visible  within = 1 << iota // what the tenant may read: shared, from above, as a party, by a share
	editable                    // what it may update: its own, and what is shared for that
	below                       // its own, and that of the tenants below
	wide                        // what the tree's role may read: below, and what is visible there
	adopted                     // new tenants under its own or one below
	amended                     // what the tree's role may update: below, and what is shared with those for that
	everySet = visible | editable | below | wide | amended
)

// implied adds the sets that hold a set.
func (w within) implied() within {
	if w&editable != 0 {
		w |= visible
	}
	if w&(editable|below) != 0 {
		w |= amended
	}
	if w&(visible|amended) != 0 {
		w |= wide
	}
	return w
}

// membership says by which columns the rows of a subquery's table are bound.
type membership struct {
	by    []string // columns that equal the tenant, or are in a set of its tenants
	below bool     // such a set holds the tenants below
	other bool     // such a set holds other tenants, of no shape: those above, partners
	user  bool     // a column equals the caller
	holds []string // boolean columns that must be true
	as    []string // columns that equal the caller

	beside []pair // columns that are compared with the row's
}

// pair is a column of the policy's table, and one of another that it equals.
type pair struct {
	own   value
	inner *catalog.Node
}

// compared reports whether the row's own column equals the other table's inner one.
func (m membership) compared(own, inner string) bool {
	return slices.ContainsFunc(m.beside, func(x pair) bool { return x.own.node.Column == own && x.inner.Column == inner })
}

// selects reports whether a column of a bound table is one of the caller's tenants: a
// caller's memberships name them, a tenant's rows name others beside itself.
func (m membership) selects(column string) bool {
	return !m.below && !m.other && (m.user || len(m.by) == 0 || slices.Contains(m.by, column))
}

// or is what holds of rows that are bound in the one way or in the other, as in a UNION.
func (m membership) or(n membership) membership {
	both := func(a, b []string) []string {
		return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return !slices.Contains(b, x) })
	}
	all := membership{by: both(m.by, n.by), below: m.below || n.below, other: m.other || n.other, user: m.user && n.user,
		holds: both(m.holds, n.holds), as: both(m.as, n.as)}
	all.other = all.other || !all.user && len(all.by) == 0 && len(m.by)+len(n.by) > 0
	return all
}

// selects reports whether a subquery selects the caller's tenants. Of several that a membership
// names, the one that it is in is the caller's: another has invited them, say.
func (a *analyst) selects(y value) bool {
	column := y.ref.Column
	if !y.member.selects(column) || !y.member.user || slices.Contains(y.member.by, column) {
		return y.member.selects(column)
	}
	own := ""
	switch r, c, m := a.v.Relation(y.ref.Relation), a.m.Shapes.Caller, a.m.Membership; {
	case c != nil && c.Table == y.ref.Relation:
		own = c.Tenant
	case m != nil && m.Relation == y.ref.Relation:
		own = m.Column
	case r != nil:
		own = a.v.TenantColumn(r)
	}
	return own == "" || own == column
}

// isCaller reports whether a column that a subquery selects is the caller: the one that equals the
// caller, or one of the same person in a table of people. A friend is somebody else.
func (a *analyst) isCaller(y value) bool {
	key := func(column string) bool { return a.isKey(catalog.ColumnRef{Relation: y.ref.Relation, Column: column}) }
	return slices.Contains(y.member.as, y.ref.Column) || key(y.ref.Column) || slices.ContainsFunc(y.member.as, key)
}

// boundBy notes the column that equals something that speaks for the caller.
func (s *subquery) boundBy(a *analyst, column *catalog.Node, x value, how binding) {
	m := s.how[column.Entry]
	switch {
	case how == boundToUser:
		m.user, m.as = true, append(m.as, column.Column)
	default:
		m.by = append(m.by, column.Column)
	}
	if x.kind == valueMember {
		m.below = m.below || x.member.below || isClosureSet(x)
		m.other = m.other || x.member.other || !isClosureSet(x) && !x.member.below && !a.selects(x)
	}
	s.how[column.Entry] = m
}

// carried notes a binding that came over a join. By the tenant, it is to the caller's tenants, and
// not to the caller.
func (s *subquery) carried(a *analyst, from, to *catalog.Node, byTenant bool) {
	m, other := s.how[to.Entry], s.how[from.Entry]
	m.below, m.other, m.user = m.below || other.below, m.other || other.other, m.user || other.user && !byTenant
	tenants := byTenant && other.user && !m.user
	if tenants && !a.selects(value{ref: ref(from), member: other}) {
		m.other = true
	}
	if (tenants || slices.Contains(other.by, from.Column)) && !slices.Contains(m.by, to.Column) {
		m.by = append(m.by, to.Column)
	}
	s.how[to.Entry] = m
}

// holds notes a condition that is a boolean column.
func (s *subquery) holds(a *analyst, n *catalog.Node, depth int) {
	if n.Kind == catalog.NodeBoolTest && n.Name == "is true" {
		n = n.Args[0]
	}
	if x := a.value(n, depth); n.Kind == catalog.NodeColumn && x.kind == valueInner {
		m := s.how[n.Entry]
		m.holds = append(m.holds, n.Column)
		s.how[n.Entry] = m
	}
}

// isClosureSet reports whether a value is what a subquery of the closure selects below the
// tenant.
func isClosureSet(x value) bool {
	return x.ref.Relation == (*catalog.Tree)(nil).Closure() && x.ref.Column == "tenant" && !x.member.other &&
		slices.Contains(x.member.by, "ancestor")
}

// shaped is the set that own = (what a subquery selects) keeps the rows within, by the
// shapes of the model.
func (a *analyst) shaped(own, y value) within {
	s := &a.m.Shapes
	if y.member.other {
		return 0
	}
	if s.Tree != nil && y.ref.Relation == s.Tree.Closure() {
		return a.inTree(own, y)
	}
	if x := s.SharesOf(a.t.QName()); x != nil && y.ref.Relation == x.Through {
		return a.byShare(x, own, y)
	}
	if y.member.below && y.binding == boundTo && a.links(own, y) {
		a.j.Links = append(a.j.Links, y.ref)
		return below | wide
	}
	return 0
}

// links reports whether own = (what a subquery selects) is a link to people that the model
// declares, which no foreign key need say.
func (a *analyst) links(own, y value) bool {
	x := a.m.Shapes.MembersOf(a.t.QName())
	return x != nil && y.ref.Relation == x.Through && y.ref.Column == x.Person && own.node.Column == x.Key
}

// inTree reads the closure one way for what is below, the other for what is above.
func (a *analyst) inTree(own, y value) within {
	if y.binding != boundTo || y.member.below {
		return 0
	}
	switch {
	case y.ref.Column == "tenant" && slices.Contains(y.member.by, "ancestor"):
		if own.node.Column == a.column {
			return below
		}
		if a.t.QName() == a.m.Tenants && own.node.Column == a.m.Shapes.Tree.Parent {
			return adopted
		}
		return a.party(own, true)
	case y.ref.Column == "ancestor" && slices.Contains(y.member.by, "tenant"):
		if own.node.Column == a.column && a.m.Shapes.Above(a.t.QName()) {
			return visible
		}
	}
	return 0
}

// byShare is what others have shared: to read, and to edit where the share says so. A key that is
// one within each tenant only names the row of the tenant whose share it is.
func (a *analyst) byShare(x *catalog.Shares, own, y value) within {
	if own.node.Column != x.Key || y.ref.Column != x.Row || y.binding != boundTo ||
		!slices.Contains(y.member.by, x.With) ||
		!a.namesOwner(y.member) && !a.v.tellsApart(a.t, x.Key) {
		return 0
	}
	a.j.Links = append(a.j.Links, y.ref)
	edits := x.Edits != "" && slices.Contains(y.member.holds, x.Edits)
	switch {
	case y.member.below && edits:
		return amended
	case y.member.below:
		return wide
	case edits:
		return editable
	}
	return visible
}

// party is the set of rows in which a column, other than the owner's, is the tenant or one
// below it.
func (a *analyst) party(own value, inTree bool) within {
	q, s := a.t.QName(), &a.m.Shapes
	named := s.PartiesOf(q) != nil && slices.Contains(s.PartiesOf(q).Reads, own.node.Column) ||
		s.ShareLinkOf(q) != nil && s.ShareLinkOf(q).With == own.node.Column
	switch {
	case !named:
		return 0
	case inTree:
		return wide
	}
	return visible
}

// nobodys is (owner is nobody AND there is a tenant): rows that the model gives to all.
func (a *analyst) nobodys(n *catalog.Node, depth int) verdict {
	x := a.m.Shapes.SharedRowsOf(a.t.QName())
	if x == nil {
		return verdict{}
	}
	shared, tenant := false, false
	for _, part := range n.Conjuncts() {
		shared = shared || a.isNobodys(x, part)
		tenant = tenant || part.Kind == catalog.NodeNullTest && part.Name == "is not null" &&
			a.isTenant(a.value(part.Args[0], depth))
	}
	if shared && tenant {
		return verdict{within: visible}
	}
	return verdict{}
}

// isTenant reports whether a value is the tenant, or one of the caller's, and NULL where there is
// none.
func (a *analyst) isTenant(x value) bool {
	return !x.never && !x.empty && (x.kind == valueTenant || x.kind == valueMember && x.binding >= boundToUser &&
		a.isTenantColumn(x.ref) && a.selects(x))
}

func (a *analyst) isNobodys(x *catalog.SharedRows, n *catalog.Node) bool {
	if x.Sentinel == "" {
		return n.Kind == catalog.NodeNullTest && n.Name == "is null" && a.isOwn(n.Args[0])
	}
	if n.Kind != catalog.NodeOperator || n.Name != "=" || len(n.Args) != 2 || !a.isOwn(n.Args[0]) {
		return false
	}
	value := bare(n.Args[1])
	return value.Kind == catalog.NodeConst && value.Value == x.Sentinel
}
