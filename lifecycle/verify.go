package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// Check is one place that was searched for rows of a tenant.
type Check struct {
	Place string `json:"place"`
	How   string `json:"how"`
	Rows  int64  `json:"rows"`
}

// LeftoverError says where rows of a tenant are left that should be gone.
type LeftoverError struct{ Left []Check }

func (e *LeftoverError) Error() string {
	return "rows of the tenant are left:\n  " + list.Join(e.Left, "\n  ", func(c Check) string {
		return fmt.Sprintf("%s: %s (%s)", c.Place, english.Count(c.Rows, "row"), c.How)
	})
}

// VerifyErased searches the whole database for rows of a tenant, by every way in which one
// may name it, and returns the places that were searched. Rows that are found are a
// [*LeftoverError], which goes with the places.
func (o *Operator) VerifyErased(ctx context.Context, tenant string) ([]Check, error) {
	id, _, err := o.lookUp(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if err := o.log(ctx, "searched for rows of an erased tenant", id, ""); err != nil {
		return nil, err
	}
	return o.verifyErased(ctx, id)
}

func (o *Operator) verifyErased(ctx context.Context, tenant string) ([]Check, error) {
	searches, err := o.searches(tenant)
	if err != nil {
		return nil, err
	}
	var checks, left []Check
	for _, s := range searches {
		if err := o.conn.QueryRow(ctx, s.sql).Scan(&s.Rows); err != nil {
			return nil, fmt.Errorf("search %s: %w", s.Place, err)
		}
		checks = append(checks, s.Check)
		if s.Rows > 0 {
			left = append(left, s.Check)
		}
	}
	if len(left) > 0 {
		return checks, &LeftoverError{left}
	}
	return checks, nil
}

type search struct {
	Check
	sql string
}

// searches are the tables of tenants by what makes rows theirs, moat's own tables, and
// every other column of tables and materialized views that can name a tenant.
func (o *Operator) searches(tenant string) ([]search, error) {
	all, err := parts(o.view, tenant)
	if err != nil {
		return nil, err
	}
	var out []search
	for _, p := range append(all, o.own(tenant)...) {
		out = append(out, search{Check{p.name().String(), p.how, 0}, "SELECT count(*) FROM " + p.from() + " WHERE " +
			p.where()})
	}
	for i := range o.view.Snapshot.Relations {
		r := &o.view.Snapshot.Relations[i]
		if r.Partition || r.Schema == "moat" || !r.IsTable() && r.Kind != catalog.MaterializedView &&
			r.Kind != catalog.ForeignTable {
			continue
		}
		if columns := o.mayName(r); len(columns) > 0 {
			conditions := list.Map(columns, func(column string) string { return named(r, column, o, tenant) })
			out = append(out, search{Check{r.QName().String(), "by " + strings.Join(columns, ", "), 0},
				"SELECT count(*) FROM " + r.QName().SQL() + " f WHERE " + strings.Join(conditions, " OR ")})
		}
	}
	return out, nil
}

// mayName are the columns of a relation, beside the tenant column that was searched, that
// may hold a tenant: those that are declared to, those of the tenant column's name, those
// that refer to the tenants table, and, where a tenant's id is like no other value, all of
// its type.
func (o *Operator) mayName(r *catalog.Relation) []string {
	m := o.view.Model
	done := ""
	if t := o.view.Table(r.QName()); t != nil && (t.Class == catalog.TenantTable || t.Class == catalog.TenantsTable) {
		done = o.view.TenantColumn(r)
	}
	unique := o.view.BaseType(m.Type) == "uuid"
	var names []string
	for c := range catalog.Each(r.Columns) {
		same := o.view.BaseType(c.Type) == o.view.BaseType(m.Type)
		refers := slices.ContainsFunc(r.Constraints, func(k catalog.Constraint) bool {
			return k.Type == catalog.ForeignKey && k.References == m.Tenants && slices.Contains(k.Columns, c.Name)
		})
		if c.Name != done && same && (unique || refers || c.Name == m.Column || o.declared(r.QName(), c.Name)) {
			names = append(names, c.Name)
		}
	}
	return names
}

// declared reports whether a shape says that a column names a tenant.
func (o *Operator) declared(table catalog.QName, column string) bool {
	s := &o.view.Model.Shapes
	if p := s.PartiesOf(table); p != nil && slices.Contains(p.Reads, column) {
		return true
	}
	if x := s.ShareLinkOf(table); x != nil && x.With == column {
		return true
	}
	return s.Tree != nil && table == o.view.Model.Tenants && (s.Tree.Parent == column || column == catalog.Level)
}

// mayRefresh checks that the materialized views over the parts can be refreshed, before the
// first row is touched. From PostgreSQL 17 on that can be granted; before, it is the owner's.
func (o *Operator) mayRefresh(all []*part) error {
	role := o.conn.Config().User
	e := &MissingRightsError{Role: role}
	for _, r := range o.views(all) {
		if o.view.MemberOf(role, r.Owner, catalog.Usage) || o.view.HasTablePrivilege(role, r, "MAINTAIN") {
			continue
		}
		grant := "ALTER MATERIALIZED VIEW " + r.QName().SQL() + " OWNER TO " + sqltext.Role(role)
		if o.view.Snapshot.Version >= maintain {
			grant = maintainSQL(r, role)
		}
		e.Grants = append(e.Grants, grant)
	}
	if len(e.Grants) > 0 {
		return e
	}
	return nil
}

// maintain is the release of PostgreSQL that knows the privilege.
const maintain = 170000

func maintainSQL(r *catalog.Relation, role string) string {
	return "GRANT MAINTAIN ON " + r.QName().SQL() + " TO " + sqltext.Role(role)
}

// refresh brings materialized views up to date, in order.
func (o *Operator) refresh(ctx context.Context, all []*part) error {
	for _, r := range o.views(all) {
		how := ""
		if concurrently(r) {
			how = "CONCURRENTLY "
		}
		if _, err := o.conn.Exec(ctx, "REFRESH MATERIALIZED VIEW "+how+r.QName().SQL()); err != nil {
			return fmt.Errorf("refresh %s: %w", r.QName(), err)
		}
	}
	return nil
}

// vacuum takes the dead rows, and the values in the planner's statistics, off the disk. It
// returns the tables for which it may not.
func (o *Operator) vacuum(ctx context.Context, all []*part) (not []string) {
	for _, p := range all {
		if p.foreign {
			continue
		}
		if _, err := o.conn.Exec(ctx, "VACUUM (ANALYZE) "+p.name().SQL()); err != nil {
			not = append(not, p.name().String())
			continue
		}
		if !o.mayVacuum(p.table) { // PostgreSQL only warns
			not = append(not, p.name().String())
		}
	}
	return not
}

func (o *Operator) mayVacuum(r *catalog.Relation) bool {
	role := o.conn.Config().User
	return o.view.MemberOf(role, r.Owner, catalog.Usage) || o.view.MemberOf(role, o.view.Snapshot.Database.Owner,
		catalog.Usage) ||
		o.view.HasTablePrivilege(role, r, "MAINTAIN")
}
