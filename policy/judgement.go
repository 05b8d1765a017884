package policy

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// Judgement says what a policy's expression means for the rows of one table. It is
// an allow-list: an expression of a shape that is not known does not isolate.
//
// Facts are about the whole expression, subqueries included; those that mention
// settings and functions look into the bodies of the user's functions it calls too.
type Judgement struct {
	// Isolates is true when the expression lets through only rows of the current
	// tenant: the table's tenant column is compared, as a top-level condition, with
	// the tenant setting, with a claim of the verified token, or with the caller's
	// memberships. For a table without a tenant column it is true when the row is
	// bound the same way through its parent, or to the caller.
	Isolates bool `json:"isolates"`
	// OwnRows is true when the rows let through are bound to the caller, or to a
	// parent row that is, but nothing is said of the row's own tenant column: enough
	// for reading, not for a WITH CHECK, where it lets rows be planted.
	OwnRows bool `json:"own_rows,omitempty"`
	// Visible, Editable, Below and Wide are true when the rows let through are within
	// what the shapes of the model give: to read, to update, what is below the tenant in
	// the tree, and what the tree's role may read.
	Visible  bool `json:"visible,omitempty"`
	Editable bool `json:"editable,omitempty"`
	Below    bool `json:"below,omitempty"`
	Wide     bool `json:"wide,omitempty"`
	// Amended: what the tree's role may update, where it may write.
	Amended bool `json:"amended,omitempty"`
	// Adopted: new rows of the tenants table stand under the tenant or one below it.
	Adopted bool `json:"adopted,omitempty"`
	// Flaw names what is wrong where Isolates is false.
	Flaw Flaw `json:"flaw,omitempty"`

	// AlwaysTrue and AlwaysFalse: for every row, whatever the settings.
	AlwaysTrue  bool `json:"always_true,omitempty"`
	AlwaysFalse bool `json:"always_false,omitempty"`
	// Constant: reads neither a column nor a setting nor anything else.
	Constant bool `json:"constant,omitempty"`

	// FailsOpen: lets rows through because a setting is absent or empty, or takes
	// the row's own column, or a fixed tenant, instead.
	FailsOpen bool `json:"fails_open,omitempty"`
	// BypassFlags are the settings other than the tenant's that an OR's branch
	// reads which does not isolate: ways around that can be forged.
	BypassFlags []string `json:"bypass_flags,omitempty"`
	// ColumnCaptured: inside a subquery a column is compared with itself, where
	// the policy's table was meant.
	ColumnCaptured bool `json:"column_captured,omitempty"`
	// ComparesPattern: LIKE, a regular expression, or a part of a text.
	ComparesPattern bool `json:"compares_pattern,omitempty"`
	// InexactEquality: the tenant column's equality holds for unequal texts
	// (citext, a non-deterministic collation, char(n), name).
	InexactEquality bool `json:"inexact_equality,omitempty"`
	// NullMeansShared: besides the caller's rows, or none, those without a tenant are let
	// through to everyone.
	NullMeansShared bool `json:"null_means_shared,omitempty"`
	// NotDistinct: IS NOT DISTINCT FROM, which no index serves and which lets an
	// unset tenant see rows without one.
	NotDistinct bool `json:"not_distinct,omitempty"`
	// Negated: the tenant is compared by <>, NOT or IS DISTINCT FROM.
	Negated bool `json:"negated,omitempty"`
	// UsesRoleName: reads current_user, session_user or similar.
	UsesRoleName bool `json:"uses_role_name,omitempty"`
	// ClientValue: reads what the client itself may write: a request header, a
	// cookie, or a token's user_metadata.
	ClientValue bool `json:"client_value,omitempty"`
	// ImmutableHelper: reads a setting through a function declared IMMUTABLE, whose
	// result a cached plan keeps for the next tenant.
	ImmutableHelper bool `json:"immutable_helper,omitempty"`

	// Settings are the run-time parameters read, in lower case; Claims the paths
	// read in the token's claims, joined by dots.
	Settings []string `json:"settings,omitempty"`
	Claims   []string `json:"claims,omitempty"`
	// RaisesWhenUnset: an unset or emptied setting is an error instead of no rows.
	RaisesWhenUnset bool `json:"raises_when_unset,omitempty"`
	// Wrapped: what is compared with stands in a subquery, evaluated once a
	// statement (an InitPlan).
	Wrapped bool `json:"wrapped,omitempty"`
	// ColumnWrapped: a cast or a function stands around the tenant column, so that
	// no index on it serves.
	ColumnWrapped bool `json:"column_wrapped,omitempty"`
	// SubLinkPerRow: IN (SELECT …) or EXISTS, looked at for each row.
	SubLinkPerRow bool `json:"sub_link_per_row,omitempty"`
	// ReadsTenant: the table's own tenant column is read at all.
	ReadsTenant bool `json:"reads_tenant,omitempty"`
	// Columns are the columns of the policy's own table that are read.
	Columns []string `json:"columns,omitempty"`

	// Subqueries are the tables that subqueries read; Memberships those columns of
	// theirs that decide which tenants the caller belongs to.
	Subqueries  []catalog.QName     `json:"subqueries,omitempty"`
	Memberships []catalog.ColumnRef `json:"memberships,omitempty"`
	// Links are columns of a tenant's own rows that name the rows let through: whoever
	// writes them sees what they name.
	Links []catalog.ColumnRef `json:"links,omitempty"`
	// Functions are the functions called that are not PostgreSQL's own; FunctionOIDs
	// the same, function by function.
	Functions    []catalog.QName `json:"functions,omitempty"`
	FunctionOIDs []catalog.OID   `json:"-"`
}

func (v *View) judge(e *catalog.Expr, t *catalog.Relation) Judgement {
	if e.Root == nil {
		return Judgement{Flaw: Unrelated}
	}
	j := v.weigh(e.Root, t)
	a := v.analyst(t, v.TenantColumn(t), &j)
	j.NullMeansShared = !j.Isolates && a.sharesNull(e.Root)
	j.Flaw = a.flaw(e.Root)
	return j
}

// weigh finds all but what needs the parts of the expression weighed too.
func (v *View) weigh(root *catalog.Node, t *catalog.Relation) Judgement {
	j := Judgement{}
	a := v.analyst(t, v.TenantColumn(t), &j)
	truth := a.truth(root, 0)
	j.AlwaysTrue, j.AlwaysFalse = truth == certain, truth == impossible
	a.facts(root, 0)
	verdict := a.predicate(root, 0)
	// A condition that no row meets lets nobody's rows through.
	j.Isolates = verdict.tenant && !j.AlwaysTrue && !j.ImmutableHelper || j.AlwaysFalse
	j.OwnRows = verdict.own && !j.Isolates && !j.AlwaysTrue
	if sets := verdict.sets(); !j.Isolates && !j.AlwaysTrue && !j.ImmutableHelper {
		j.Visible, j.Editable = sets&visible != 0, sets&editable != 0
		j.Below, j.Wide, j.Adopted = sets&below != 0, sets&wide != 0, sets&adopted != 0
		j.Amended = sets&amended != 0
	}
	j.Constant = len(j.Columns)+len(j.Settings)+len(j.Subqueries)+len(j.FunctionOIDs) == 0 && isConstant(root)
	j.tidy()
	return j
}

// tidy puts the lists into one order, each entry once.
func (j *Judgement) tidy() {
	for _, list := range []*[]string{&j.BypassFlags, &j.Settings, &j.Claims, &j.Columns} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	j.Claims = slices.DeleteFunc(j.Claims, func(path string) bool {
		return slices.ContainsFunc(j.Claims, func(other string) bool { return strings.HasPrefix(other, path+".") })
	})
	slices.SortFunc(j.Subqueries, compareNames)
	j.Subqueries = slices.Compact(j.Subqueries)
	slices.SortFunc(j.Functions, compareNames)
	j.Functions = slices.Compact(j.Functions)
	slices.Sort(j.FunctionOIDs)
	j.FunctionOIDs = slices.Compact(j.FunctionOIDs)
	slices.SortFunc(j.Memberships, func(a, b catalog.ColumnRef) int { return strings.Compare(a.String(), b.String()) })
	j.Memberships = slices.Compact(j.Memberships)
	slices.SortFunc(j.Links, func(a, b catalog.ColumnRef) int { return strings.Compare(a.String(), b.String()) })
	j.Links = slices.Compact(j.Links)
}
