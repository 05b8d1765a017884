package tenancy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/migrations/tools"
	"github.com/moat-db/moat/policy"
)

// DefaultSetting is the tenant setting where no policy reads one.
const DefaultSetting = "app.current_tenant"

// NoTenantColumnError is returned by [Infer] when no column can be the tenant's.
type NoTenantColumnError struct {
	// Tables is the number of tables looked at, in Schemas.
	Tables  int
	Schemas []string
	// Candidates are the columns that come closest, "name (in n, refers to table)".
	Candidates []string
}

func (e *NoTenantColumnError) Error() string {
	if e.Tables == 0 {
		return fmt.Sprintf("no tables in schemas %s", strings.Join(e.Schemas, ", "))
	}
	text := fmt.Sprintf("no tenant column found in %d tables of schemas %s; looked for a column that most tables have "+
		"and that refers to one table, for one that a policy compares with the caller's tenant, and for the names %s",
		e.Tables, strings.Join(e.Schemas, ", "), strings.Join(UsualColumns(), ", "))
	if len(e.Candidates) > 0 {
		text += "; the columns that come closest are " + strings.Join(e.Candidates, ", ")
	}
	return text + "; name yours: tenant.column in moat.yaml"
}

// NoSuchObjectError is returned by [Infer] when an option names a schema, table,
// column or role that the database does not have: a misspelled name must not leave
// a table out in silence.
type NoSuchObjectError struct{ Kind, Name string }

func (e *NoSuchObjectError) Error() string { return fmt.Sprintf("there is no %s %s", e.Kind, e.Name) }

// Read loads the catalog and says how the database tells its tenants apart: what every
// part of moat looks things up in. Errors are those of [catalog.Load] and [Infer].
func Read(ctx context.Context, conn *pgx.Conn, o Options) (*policy.View, error) {
	s, err := catalog.Load(ctx, conn)
	if err != nil {
		return nil, err
	}
	return Infer(s, o)
}

// Infer says how a database tells its tenants apart: from o where that says so,
// else from the columns, foreign keys, policies and grants of s. What it found by
// itself is recorded in [catalog.Model.Inferred].
//
// It returns [*NoTenantColumnError] when no column looks like a tenant's, and
// [*NoSuchObjectError] when o names what does not exist.
func Infer(s *catalog.Snapshot, o Options) (*policy.View, error) {
	bare := catalog.NewLookup(s, nil)
	if err := checkOptions(bare, o); err != nil {
		return nil, err
	}
	m := &catalog.Model{Trusted: trusted(bare, o), Distribute: o.Distribute}
	f := &inference{v: policy.NewView(bare.With(m)), o: o, m: m,
		ignored: map[catalog.QName]string{}, classes: map[catalog.QName]*catalog.TableModel{}}
	f.schemas()
	f.tables()
	steps := []func() error{f.column, f.tenants, f.named, f.shapes, f.setting, f.classify, f.roles, f.shared}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("infer tenant model: %w", err)
		}
	}
	f.finish()
	return f.v.With(f.m), nil
}

// trusted are the functions that o names, and the sealed tenant where it is there.
func trusted(v *catalog.Lookup, o Options) []catalog.QName {
	sealed := func(f *catalog.Function) bool { return f.Definer && f.Language == "plpgsql" }
	name := policy.SealedTenant()
	if !slices.ContainsFunc(v.Functions(name), sealed) || slices.Contains(o.Trusted, name) {
		return o.Trusted
	}
	return append(slices.Clone(o.Trusted), name)
}

// inference is the state of one [Infer].
type inference struct {
	v       *policy.View
	o       Options
	m       *catalog.Model
	all     []*catalog.Relation      // tables, partitioned tables and foreign tables looked at
	ignored map[catalog.QName]string // and why
	classes map[catalog.QName]*catalog.TableModel
}

// say adds a sentence to what was inferred.
func (f *inference) say(format string, args ...any) {
	f.m.Inferred = append(f.m.Inferred, fmt.Sprintf(format, args...))
}

func checkOptions(v *catalog.Lookup, o Options) error {
	for _, name := range o.Schemas {
		if !slices.ContainsFunc(v.Snapshot.Schemas, func(s catalog.Schema) bool { return s.Name == name }) {
			return &NoSuchObjectError{"schema", name}
		}
	}
	for _, name := range o.Roles {
		if v.Role(name) == nil {
			return &NoSuchObjectError{"role", name}
		}
	}
	for _, name := range slices.Concat(o.Shared, o.Ignored) {
		if v.Relation(name) == nil {
			return &NoSuchObjectError{"table", name.String()}
		}
	}
	for _, name := range o.Trusted {
		if len(v.Functions(name)) == 0 {
			return &NoSuchObjectError{"function", name.String()}
		}
	}
	if o.Tenants == (catalog.QName{}) {
		return nil
	}
	t := v.Relation(o.Tenants)
	if t == nil {
		return &NoSuchObjectError{"table", o.Tenants.String()}
	}
	if o.Key != "" && t.Column(o.Key) == nil {
		return &NoSuchObjectError{"column", o.Tenants.String() + "." + o.Key}
	}
	return nil
}

// schemas are those named, else all but an extension's own and a platform's.
func (f *inference) schemas() {
	if len(f.o.Schemas) > 0 {
		f.m.Schemas = slices.Sorted(slices.Values(f.o.Schemas))
		return
	}
	for i := range f.v.Snapshot.Schemas {
		if s := &f.v.Snapshot.Schemas[i]; foreignSchema(f.v.Lookup, s) == "" {
			f.m.Schemas = append(f.m.Schemas, s.Name)
		}
	}
}

// foreignSchema says whose a schema is when it is not the user's, "" otherwise.
func foreignSchema(v *catalog.Lookup, s *catalog.Schema) string {
	switch {
	case s.Extension != "":
		return "extension " + s.Extension
	case s.Name == "moat":
		return "moat"
	case isPlatformSchema(s.Name) && (strings.HasPrefix(s.Owner, "supabase_") || hasAuth(v)):
		return "Supabase"
	}
	return ""
}

// hasAuth reports whether one of Supabase's functions that tell who is calling is there.
func hasAuth(v *catalog.Lookup) bool {
	return slices.ContainsFunc([]string{"uid", "jwt"}, func(name string) bool {
		return len(v.Functions(catalog.QName{Schema: "auth", Name: name})) > 0
	})
}

// isPlatformSchema names the schemas that Supabase keeps for itself.
func isPlatformSchema(name string) bool {
	switch name {
	case "auth", "storage", "realtime", "_realtime", "_analytics", "supabase_functions", "supabase_migrations",
		"extensions", "graphql", "graphql_public", "pgsodium", "pgsodium_masks", "vault", "net", "cron", "pgbouncer":
		return true
	}
	return false
}

// tables collects what is classified, and what is not looked at and why.
func (f *inference) tables() {
	for r := range catalog.Each(f.v.Snapshot.Relations) {
		if !isTable(r) || !slices.Contains(f.m.Schemas, r.Schema) {
			continue
		}
		f.all = append(f.all, r)
		switch {
		case slices.Contains(f.o.Ignored, r.QName()):
			f.ignored[r.QName()] = "named under tables.ignore"
		case r.Schema == "moat":
			f.ignored[r.QName()] = "belongs to moat"
		case r.Extension != "":
			f.ignored[r.QName()] = "belongs to extension " + r.Extension
		case tools.IsState(r.Name, r.ColumnNames()):
			f.ignored[r.QName()] = "is a migration tool's own"
		}
	}
}

func isTable(r *catalog.Relation) bool {
	return r.Kind == catalog.Table || r.Kind == catalog.PartitionedTable || r.Kind == catalog.ForeignTable
}

// finish puts the classes into the order of the Snapshot.
func (f *inference) finish() {
	for _, r := range f.all {
		f.m.Tables = append(f.m.Tables, *f.classes[r.QName()])
	}
}
