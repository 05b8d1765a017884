package catalog

import "slices"

// Shapes are the ways in which rows belong to tenants where one column and one setting do
// not say it all. Each stands beside one table. What follows from them is written in one
// place, package policy; here is only what was declared or inferred.
type Shapes struct {
	// Subject and Role are the settings with who the caller is, and what role they have.
	Subject string `json:"subject,omitempty"`
	Role    string `json:"role,omitempty"`
	// Issuer is the setting with who vouches for the caller, where [Caller].Issuer asks; "":
	// moat's own.
	Issuer string `json:"issuer,omitempty"`
	// SubjectClaim is where in the JSON of Subject the caller stands; empty: it is the setting.
	SubjectClaim []string `json:"subject_claim,omitempty"`

	Tree       *Tree        `json:"tree,omitempty"`
	Caller     *Caller      `json:"caller,omitempty"`
	Members    []Members    `json:"members,omitempty"`
	SharedRows []SharedRows `json:"shared_rows,omitempty"`
	FromAbove  []QName      `json:"from_above,omitempty"`
	Parties    []Parties    `json:"parties,omitempty"`
	Shares     []Shares     `json:"shares,omitempty"`
	OwnedBy    []OwnedBy    `json:"owned_by,omitempty"`
	Inside     []Inside     `json:"inside,omitempty"`

	// Names are columns of the tenants table by which tokens name their tenant. A name that
	// one tenant has had is never another's, or old tokens of the one would speak for the other.
	Names []string `json:"names,omitempty"`
}

// NamesTaken is the table of all names that tenants have had, as hashes.
func NamesTaken() QName { return QName{Schema: OwnSchema, Name: "tenant_name"} }

// Tree says that tenants stand below tenants: an agency and its clients.
type Tree struct {
	// Parent is the column of the tenants table that names the tenant above.
	Parent string `json:"parent"`
	// Role is the database role under which a tenant sees what is below it as well.
	Role string `json:"role"`
	// Writes reports whether that role may write rows of the tenants below.
	Writes bool `json:"writes,omitempty"`
	// Fast are the tables with a level column, for ordered lists of the whole tree.
	Fast []QName `json:"fast,omitempty"`
}

// OwnSchema holds what moat keeps in a database.
const OwnSchema = "moat"

// Closure is the table of all pairs (ancestor, tenant, depth) of a tree, with (t, t, 0).
func (*Tree) Closure() QName { return QName{Schema: OwnSchema, Name: "tenant_tree"} }

// Level is the column of a fast table, and of the tenants table, with the topmost tenant.
const Level = "root_id"

// Caller is the table that says which caller belongs to which tenant, and that the walls
// ask.
type Caller struct {
	Table   QName  `json:"table"`
	Subject string `json:"subject"`
	Tenant  string `json:"tenant"`
	Role    string `json:"role,omitempty"`
	// Issuer is the column with the issuer of Subject, where a member is a subject of one; "":
	// subjects are of one issuer.
	Issuer string `json:"issuer,omitempty"`
	// All: the caller sees the rows of every tenant of theirs at once, and not only those
	// of the current one.
	All bool `json:"all,omitempty"`
}

// Members is a table of people who belong to several tenants by a link.
type Members struct {
	Table   QName  `json:"table"`
	Key     string `json:"key"`     // of Table, which Person refers to
	Through QName  `json:"through"` // the link: a tenant table
	Person  string `json:"person"`
	// Accepted is a column of the link without which a row is only an invitation; "": none.
	Accepted string `json:"accepted,omitempty"`
	// Issuer is a column of Table with the issuer of Key, where callers have one; "": none.
	Issuer string `json:"issuer,omitempty"`
	// Columns are those that members of the same tenant may read.
	Columns []string `json:"columns"`
}

// SharedRows is a table in which rows without an owner are everybody's to read.
type SharedRows struct {
	Table QName `json:"table"`
	// Sentinel is the owner of such rows; "": their tenant column is NULL.
	Sentinel string `json:"sentinel,omitempty"`
}

// Parties is a table whose rows concern several tenants. Its tenant column is the owner's.
type Parties struct {
	Table QName    `json:"table"`
	Owner string   `json:"owner"`
	Reads []string `json:"reads"`
}

// Shares is a table whose rows their tenant may share with others, row by row, in Through.
type Shares struct {
	Table   QName  `json:"table"`
	Key     string `json:"key"` // of Table, which Row refers to
	Through QName  `json:"through"`
	Row     string `json:"row"`
	With    string `json:"with"`
	Edits   string `json:"edits,omitempty"` // boolean: may the receiver update? "": never
}

// OwnedBy is a table whose rows belong to the tenant of the row that refers to them.
type OwnedBy struct {
	Table QName     `json:"table"`
	Key   string    `json:"key"` // of Table, which By refers to
	By    ColumnRef `json:"by"`
}

// Inside is a table in which the caller's role within the tenant decides what they may do.
type Inside struct {
	Table   QName    `json:"table"`
	Owner   string   `json:"owner,omitempty"`    // who a row is of: the caller's subject
	Issuer  string   `json:"issuer,omitempty"`   // whose subject, where callers have an issuer
	All     []string `json:"all,omitempty"`      // roles that may do everything
	Own     []string `json:"own,omitempty"`      // read and write their own rows, not delete
	ReadOwn []string `json:"read_own,omitempty"` // read their own rows
}

// Any reports whether anything is declared or inferred.
func (s *Shapes) Any() bool {
	return s.Tree != nil || s.Caller != nil ||
		len(s.Members)+len(s.SharedRows)+len(s.FromAbove)+len(s.Parties)+len(s.Shares)+len(s.OwnedBy)+len(s.Inside) > 0
}

// find returns the entry for which is holds, nil when there is none.
func find[E any](list []E, is func(*E) bool) *E {
	for i := range list {
		if is(&list[i]) {
			return &list[i]
		}
	}
	return nil
}

// MembersOf returns how a table of people is shaped, nil for others.
func (s *Shapes) MembersOf(t QName) *Members {
	return find(s.Members, func(m *Members) bool { return m.Table == t })
}

// LinkOf returns the people that a table links to tenants, nil when it links none.
func (s *Shapes) LinkOf(t QName) *Members {
	return find(s.Members, func(m *Members) bool { return m.Through == t })
}

// SharedRowsOf returns how a table with rows for everybody is shaped, nil for others.
func (s *Shapes) SharedRowsOf(t QName) *SharedRows {
	return find(s.SharedRows, func(x *SharedRows) bool { return x.Table == t })
}

// PartiesOf returns how a table with several parties is shaped, nil for others.
func (s *Shapes) PartiesOf(t QName) *Parties {
	return find(s.Parties, func(x *Parties) bool { return x.Table == t })
}

// SharesOf returns how a table with shared rows is shaped, nil for others.
func (s *Shapes) SharesOf(t QName) *Shares {
	return find(s.Shares, func(x *Shares) bool { return x.Table == t })
}

// ShareLinkOf returns what a table of shares shares, nil for other tables.
func (s *Shapes) ShareLinkOf(t QName) *Shares {
	return find(s.Shares, func(x *Shares) bool { return x.Through == t })
}

// OwnedByOf returns by what a table's rows are owned, nil for others.
func (s *Shapes) OwnedByOf(t QName) *OwnedBy {
	return find(s.OwnedBy, func(x *OwnedBy) bool { return x.Table == t })
}

// InsideOf returns the roles within a tenant that a table knows, nil for others.
func (s *Shapes) InsideOf(t QName) *Inside {
	return find(s.Inside, func(x *Inside) bool { return x.Table == t })
}

// Mixed reports whether a tenant reads rows of other tenants in a table: rows for
// everybody, from above, of another party, shared with it, or that say so.
func (s *Shapes) Mixed(t QName) bool {
	return s.SharedRowsOf(t) != nil || s.Above(t) || s.PartiesOf(t) != nil || s.SharesOf(t) != nil ||
		s.ShareLinkOf(t) != nil
}

// Above reports whether a table's rows are read by the tenants below their own too.
func (s *Shapes) Above(t QName) bool { return slices.Contains(s.FromAbove, t) }

// IsFast reports whether a table has a level column.
func (t *Tree) IsFast(table QName) bool { return t != nil && slices.Contains(t.Fast, table) }
