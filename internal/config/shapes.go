package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
)

// Tree says how tenants stand below tenants; tenant.parent names the column.
type Tree struct {
	Writes string   `yaml:"writes"` // none or below
	Fast   []string `yaml:"fast"`
}

// Members says through which table people belong to tenants.
type Members struct {
	Through  string   `yaml:"through"`
	Person   string   `yaml:"person"`
	Accepted string   `yaml:"accepted"`
	Issuer   string   `yaml:"issuer"`
	Columns  []string `yaml:"columns"`
}

// Parties says which tenant owns a row, and which others read it.
type Parties struct {
	Owner string   `yaml:"owner"`
	Reads []string `yaml:"reads"`
}

// Shares says through which table rows are shared with other tenants.
type Shares struct {
	Through string `yaml:"through"`
	With    string `yaml:"with"`
	Edits   string `yaml:"edits"`
}

// Inside says what the caller's role within the tenant allows.
type Inside struct {
	Owner   string   `yaml:"owner"`
	Issuer  string   `yaml:"issuer"`
	All     []string `yaml:"all"`
	Own     []string `yaml:"own"`
	ReadOwn []string `yaml:"read_own"`
}

// Caller names the table that says which subject belongs to which tenant. The server and
// the policies ask it.
type Caller struct {
	Table   string `yaml:"table"`
	Subject string `yaml:"subject"`
	Tenant  string `yaml:"tenant"`
	Role    string `yaml:"role"`
	Issuer  string `yaml:"issuer"`
	Mode    string `yaml:"mode"` // active or all
}

// Shapes are the declared ways in which rows belong to tenants. Names are checked by
// [Parse] only as far as they can be without a database.
func (c *Config) Shapes() catalog.Shapes {
	t := c.Tables
	s := catalog.Shapes{Subject: c.Tenant.SubjectSetting, Role: c.Tenant.RoleSetting,
		Issuer: c.Issuer(), Tree: c.tree(), Caller: c.Caller.shape(), FromAbove: named(t.FromAbove),
		Names: c.lookups()}
	for _, name := range sorted(t.Members) {
		m := t.Members[name]
		s.Members = append(s.Members, catalog.Members{Table: Named(name), Through: Named(m.Through), Person: m.Person,
			Accepted: m.Accepted, Issuer: m.Issuer, Columns: m.Columns})
	}
	for _, name := range sorted(t.SharedRows) {
		shared := catalog.SharedRows{Table: Named(name)}
		if sentinel := t.SharedRows[name]; sentinel != nil {
			shared.Sentinel = *sentinel
		}
		s.SharedRows = append(s.SharedRows, shared)
	}
	for _, name := range sorted(t.Parties) {
		s.Parties = append(s.Parties, catalog.Parties{Table: Named(name), Owner: t.Parties[name].Owner,
			Reads: t.Parties[name].Reads})
	}
	for _, name := range sorted(t.Shares) {
		x := t.Shares[name]
		s.Shares = append(s.Shares, catalog.Shares{Table: Named(name), Through: Named(x.Through), With: x.With,
			Edits: x.Edits})
	}
	for _, name := range sorted(t.OwnedBy) {
		table, column := splitColumn(t.OwnedBy[name])
		by := catalog.ColumnRef{Relation: Named(table), Column: column}
		s.OwnedBy = append(s.OwnedBy, catalog.OwnedBy{Table: Named(name), By: by})
	}
	for _, name := range sorted(t.Inside) {
		x := t.Inside[name]
		s.Inside = append(s.Inside, catalog.Inside{Table: Named(name), Owner: x.Owner, Issuer: x.Issuer, All: x.All,
			Own: x.Own, ReadOwn: x.ReadOwn})
	}
	return s
}

// lookups are the columns by which tokens name their tenant.
func (c *Config) lookups() []string {
	all := list.Pick(c.Auth.Issuers, func(i Issuer) (string, bool) { return i.TenantLookup, i.TenantLookup != "" })
	slices.Sort(all)
	return slices.Compact(all)
}

// Issuer is the setting with the issuer of a caller, "" where no policy asks for it.
func (c *Config) Issuer() string {
	if c.Caller.Issuer == "" {
		return ""
	}
	return cmp.Or(c.Tenant.IssuerSetting, moat.DefaultIssuerSetting)
}

func (c *Config) tree() *catalog.Tree {
	if c.Tenant.Parent == "" && c.Tables.Tree == nil {
		return nil
	}
	t := &catalog.Tree{Parent: c.Tenant.Parent, Role: c.Roles.Tree}
	if c.Tables.Tree != nil {
		t.Writes, t.Fast = c.Tables.Tree.Writes == "below", named(c.Tables.Tree.Fast)
	}
	return t
}

func (c Caller) shape() *catalog.Caller {
	if c.Table == "" {
		return nil
	}
	return &catalog.Caller{Table: Named(c.Table), Subject: c.Subject, Tenant: c.Tenant, Role: c.Role, Issuer: c.Issuer,
		All: c.Mode == "all"}
}

// Named splits schema.table; [Parse] has checked that there is one dot.
func Named(name string) catalog.QName {
	schema, table, _ := strings.Cut(name, ".")
	return catalog.QName{Schema: schema, Name: table}
}

func named(names []string) []catalog.QName {
	var all []catalog.QName
	all = append(all, list.Map(names, Named)...)
	return all
}

// splitColumn splits schema.table.column before the column.
func splitColumn(name string) (table, column string) {
	at := strings.LastIndexByte(name, '.')
	if at < 0 {
		return "", name
	}
	return name[:at], name[at+1:]
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// checkShapes finds what is wrong with the declared shapes without a database.
func (c *Config) checkShapes() error {
	t := c.Tables
	return cmp.Or(t.checkTree(), t.checkMembers(), t.checkSharedRows(), t.checkParties(), t.checkShares(),
		t.checkOwnedBy(), t.checkInside(), c.Caller.check(),
		tables("tables.from_above", slices.Values(t.FromAbove)), tables("tables.columns", maps.Keys(t.Columns)))
}

// tables are names that must be of the form schema.table.
func tables(key string, names func(func(string) bool)) error {
	for _, name := range slices.Sorted(names) {
		if !qualified(name) {
			return fmt.Errorf("%s: table %q: write it as schema.table", key, name)
		}
	}
	return nil
}

// needs says which key of an entry is missing; pairs are key, value, key, value.
func needs(entry, form string, pairs ...string) error {
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] == "" {
			return fmt.Errorf("%s: %s is missing; write it as %s", entry, pair[0], form)
		}
	}
	return nil
}

func (t Tables) checkTree() error {
	if t.Tree == nil {
		return nil
	}
	switch t.Tree.Writes {
	case "", "none", "below":
		return tables("tables.tree.fast", slices.Values(t.Tree.Fast))
	}
	return fmt.Errorf("tables.tree.writes %q: use none or below", t.Tree.Writes)
}

func (t Tables) checkMembers() error {
	const form = "{through: app.memberships, person: user_id, columns: [id, name, email]}"
	for _, name := range sorted(t.Members) {
		m, entry := t.Members[name], "tables.members."+name
		columns := strings.Join(m.Columns, ",")
		err := cmp.Or(tables("tables.members", slices.Values([]string{name})),
			needs(entry, form, "through", m.Through, "person", m.Person, "columns", columns),
			tables(entry+".through", slices.Values([]string{m.Through})))
		if err != nil {
			return err
		}
	}
	return nil
}

func (t Tables) checkSharedRows() error {
	for _, name := range sorted(t.SharedRows) {
		if sentinel := t.SharedRows[name]; sentinel != nil && *sentinel == "" {
			return fmt.Errorf("tables.shared_rows.%s: write null, or the id that owns the rows of everybody", name)
		}
	}
	return tables("tables.shared_rows", maps.Keys(t.SharedRows))
}

func (t Tables) checkParties() error {
	for _, name := range sorted(t.Parties) {
		p, entry := t.Parties[name], "tables.parties."+name
		reads := strings.Join(p.Reads, ",")
		const form = "{owner: seller_tenant, reads: [buyer_tenant]}"
		if err := needs(entry, form, "owner", p.Owner, "reads", reads); err != nil {
			return err
		}
		if slices.Contains(p.Reads, p.Owner) {
			return fmt.Errorf("%s: %s owns the rows; reads names the other parties", entry, p.Owner)
		}
	}
	return tables("tables.parties", maps.Keys(t.Parties))
}

func (t Tables) checkShares() error {
	const form = "{through: app.board_share, with: shared_with, edits: can_edit}"
	for _, name := range sorted(t.Shares) {
		x, entry := t.Shares[name], "tables.shares."+name
		err := cmp.Or(needs(entry, form, "through", x.Through, "with", x.With),
			tables(entry+".through", slices.Values([]string{x.Through})))
		if err != nil {
			return err
		}
	}
	return tables("tables.shares", maps.Keys(t.Shares))
}

func (t Tables) checkOwnedBy() error {
	for _, name := range sorted(t.OwnedBy) {
		if table, column := splitColumn(t.OwnedBy[name]); !qualified(table) || column == "" {
			return fmt.Errorf("tables.owned_by.%s: %q: write it as schema.table.column", name, t.OwnedBy[name])
		}
	}
	return tables("tables.owned_by", maps.Keys(t.OwnedBy))
}

func (t Tables) checkInside() error {
	for _, name := range sorted(t.Inside) {
		x, entry := t.Inside[name], "tables.inside."+name
		if len(x.All)+len(x.Own)+len(x.ReadOwn) == 0 {
			return fmt.Errorf("%s: it names no role; write it as "+
				"{owner: owner_id, all: [admin], own: [member], read_own: [viewer]}", entry)
		}
		if x.Owner == "" && len(x.Own)+len(x.ReadOwn) > 0 {
			return fmt.Errorf("%s: own and read_own need owner, the column that says whose a row is", entry)
		}
	}
	return tables("tables.inside", maps.Keys(t.Inside))
}

func (c Caller) check() error {
	if c.Table == "" && c != (Caller{}) {
		return errors.New("caller: it names columns and no table; write it as " +
			"{table: app.memberships, subject: user_id, tenant: tenant_id, role: role, mode: active}")
	}
	if c.Table != "" && !qualified(c.Table) {
		return fmt.Errorf("caller.table %q: write it as schema.table", c.Table)
	}
	switch c.Mode {
	case "", "active", "all":
		return nil
	}
	return fmt.Errorf("caller.mode %q: use active or all", c.Mode)
}
