package serving

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/roles"
	"github.com/moat-db/moat/internal/sqltext"
)

// lookup finds the tenant that has a name in a column of the tenants table. What it finds
// is a guess: the guard of the request compares the column again, in the tenant's own
// scope, and byte by byte.
type lookup struct {
	sql  string
	kind moat.TenantType // of the names: what is none finds nothing
}

// LookupError says that the application role has no way to look a tenant up by a column.
// SQL makes one, once, as an administrator.
type LookupError struct{ Column, SQL string }

func (e *LookupError) Error() string {
	return "tenants cannot be looked up by " + e.Column + ": the application role sees no row of the tenants table " +
		"before it has a tenant, and there is no function for it"
}

func (c *Check) addLookups(x *Exposure, a Admission) error {
	columns := map[string]bool{}
	for name, s := range a.Issuers {
		if s.Lookup == "" {
			continue
		}
		if err := x.checkLookup(c.Tenants, s.Lookup); err != nil {
			return fmt.Errorf("issuer %s: %w", name, err)
		}
		columns[s.Lookup] = true
	}
	if a.Names != "" {
		if err := x.checkLookup(c.Tenants, a.Names); err != nil {
			return err
		}
		columns[a.Names], c.names = true, a.Names
	}
	for column := range columns {
		l, err := x.lookup(c.Tenants, column)
		if err != nil {
			return err
		}
		c.lookups[column] = l
	}
	return nil
}

// checkSpeaker finds out whether the column that names the issuer of each tenant can decide.
func (x *Exposure) checkSpeaker(t *Tenants, s Speaker) error {
	if s.Column == "" {
		return nil
	}
	return x.checkDecides(t, s.Column)
}

// checkDecides is about a column of the tenants table that decides who comes in: it can be
// read, and not be written by who comes in.
func (x *Exposure) checkDecides(t *Tenants, column string) error {
	if t == nil || !t.Checked || !x.readable(t.Relation, column) {
		return fmt.Errorf("column %s: the tenants table has no such column, or the application role may not read it", column)
	}
	writers := []*Exposure{x}
	if tree := x.Model.Shapes.Tree; tree != nil {
		writers = append(writers, &Exposure{View: x.View, Role: tree.Role})
	}
	for _, w := range writers {
		for _, command := range []string{"UPDATE", "INSERT"} {
			if w.MayColumn(t.Relation, t.Column(column), command) {
				return fmt.Errorf("column %s: role %s may %s it, and so decide who comes in: "+
					"REVOKE %[3]s ON %[4]s FROM %[2]s, and grant it on the other columns that it needs",
					column, sqltext.Ident(w.Role), command, t.QName().SQL())
			}
		}
	}
	return nil
}

// checkLookup wants a column that names one tenant at most.
func (x *Exposure) checkLookup(t *Tenants, column string) error {
	if err := x.checkDecides(t, column); err != nil {
		return err
	}
	names := []string{"text", "character varying", "uuid", "bigint", "integer"}
	if base, _, _ := strings.Cut(x.BaseType(t.Column(column).Type), "("); !slices.Contains(names, base) {
		return fmt.Errorf("column %s: it is %s, by which two names can be the same; use %s", column, base,
			strings.Join(names, ", "))
	}
	unique := slices.ContainsFunc(t.Indexes, func(i catalog.Index) bool {
		return i.Unique && i.Valid && i.Predicate == "" && len(i.Keys) == 1 && i.Keys[0].Column == column
	})
	if !unique {
		return fmt.Errorf("column %s: it is not unique, and so does not name one tenant: CREATE UNIQUE INDEX ON %s (%s)",
			column, t.QName().SQL(), sqltext.Ident(column))
	}
	return nil
}

// lookup reads the table where the role sees all of it, else a function that may.
func (x *Exposure) lookup(t *Tenants, column string) (lookup, error) {
	typ := x.parameter(t.Column(column))
	kind := kindOf(typ)
	if !t.RLS {
		return lookup{"select " + sqltext.Ident(t.Key) + "::text from " + t.QName().SQL() + " where " +
			sqltext.Ident(column) + " = $1::" + typ, kind}, nil
	}
	name := catalog.QName{Schema: catalog.OwnSchema, Name: "tenant_by_" + column}
	usable := func(f *catalog.Function) bool {
		return f.Kind == "function" && len(f.Params) == 1 && f.Params[0].Type == "text" && !f.ReturnsSet && f.Definer &&
			x.HasFunctionPrivilege(x.Role, f)
	}
	if !slices.ContainsFunc(x.Functions(name), usable) || !x.Uses(name.Schema) {
		return lookup{}, &LookupError{column, x.lookupSQL(t, column, name)}
	}
	return lookup{"select " + name.SQL() + "($1)::text", kind}, nil
}

func (x *Exposure) lookupSQL(t *Tenants, column string, name catalog.QName) string {
	table, key, by := t.QName().SQL(), sqltext.Ident(t.Key), sqltext.Ident(column)
	definer, role := sqltext.Ident(roles.Definer), sqltext.Ident(x.Role)
	lines := []string{
		"CREATE SCHEMA IF NOT EXISTS " + catalog.OwnSchema + ";",
		"GRANT USAGE ON SCHEMA " + catalog.OwnSchema + ", " + sqltext.Ident(t.Schema) + " TO " + definer + ";",
		"GRANT USAGE ON SCHEMA " + catalog.OwnSchema + " TO " + role + ";",
		"GRANT SELECT (" + key + ", " + by + ") ON " + table + " TO " + definer + ";",
		"CREATE OR REPLACE FUNCTION " + name.SQL() + "(text) RETURNS " + x.parameter(t.Column(t.Key)),
		"  LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp",
		"  AS " + sqltext.Dollar(" SELECT t."+key+" FROM "+table+" t WHERE t."+by+" = $1::"+
			x.parameter(t.Column(column))+" ") + ";",
		"ALTER FUNCTION " + name.SQL() + "(text) OWNER TO " + definer + ";",
		"REVOKE ALL ON FUNCTION " + name.SQL() + "(text) FROM PUBLIC;",
		"GRANT EXECUTE ON FUNCTION " + name.SQL() + "(text) TO " + role + ";",
	}
	if x.View.Role(roles.Definer) == nil {
		lines = append([]string{"CREATE ROLE " + definer + " NOLOGIN BYPASSRLS;"}, lines...)
	}
	return strings.Join(lines, "\n")
}

// named is a tenant by a name in a column.
type named struct{ column, name string }

// find looks up the tenant of a name, and remembers it for a while. It returns
// [ErrUnknownTenant] where there is none.
func (d *Door) find(ctx context.Context, c *Check, n named) (moat.Tenant, error) {
	if t, ok := d.recall(n); ok {
		return t, nil
	}
	l, ok := c.lookups[n.column]
	if !ok || l.kind.Validate(moat.Tenant(n.name)) != nil {
		return "", ErrUnknownTenant
	}
	var t *string
	err := d.db.UnscopedPool().QueryRow(ctx, l.sql, n.name).Scan(&t)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && t == nil {
		return "", ErrUnknownTenant
	}
	if err != nil {
		return "", fmt.Errorf("look up a tenant by %s: %w", n.column, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.names) >= maxKnown {
		clear(d.names)
	}
	d.names[n] = foundTenant{moat.Tenant(*t), time.Now().Add(d.admission.Age)}
	return moat.Tenant(*t), nil
}

type foundTenant struct {
	tenant  moat.Tenant
	expires time.Time
}

func (d *Door) recall(n named) (moat.Tenant, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.names[n]
	return f.tenant, ok && time.Now().Before(f.expires)
}

// forget drops what was found for a caller who may not come in: the name may have moved.
func (d *Door) forget(c *Check, who Caller) {
	if who.External == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.names, named{c.issuers[who.Issuer].Lookup, who.External})
}
