package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleRoleOwnsSchema = Rule{
	ID: "role-owns-schema", Severity: High, Holes: []string{"C26"},
	Title: "The application role owns a schema or the database",
	check: func(f *facts) []Finding {
		var out []Finding
		for _, sch := range f.s.Schemas {
			if app := f.ownerApp(sch.Owner); app != "" {
				owner, create := f.newOwner(sch.Name)
				out = append(out, onSchema(sch.Name,
					fmt.Sprintf("%s can drop any table in the schema, recreate it without policies and collect every tenant's rows.",
						app),
					"The owner of a schema can drop objects that other roles own in it.").
					with(create...).
					with("ALTER SCHEMA "+sqltext.Ident(sch.Name)+" OWNER TO "+sqltext.Ident(owner),
						"GRANT USAGE ON SCHEMA "+sqltext.Ident(sch.Name)+" TO "+sqltext.Ident(app)))
			}
		}
		if app := f.ownerApp(f.s.Database.Owner); app != "" {
			owner, create := f.newOwner("")
			out = append(out, f.onDatabase(
				fmt.Sprintf("%s can set search_path for every session (ALTER DATABASE … SET), or drop the database.", app),
				"The owner of a database controls its defaults and, since PostgreSQL 15, owns the schema public.").
				with(create...).
				with("ALTER DATABASE "+sqltext.Ident(f.s.Database.Name)+" OWNER TO "+sqltext.Ident(owner)))
		}
		return out
	},
}

// ownerApp is the application role that is, or is a member of, an owner. A superuser
// is reported as such.
func (f *facts) ownerApp(owner string) string {
	i := slices.IndexFunc(f.apps, func(app string) bool { return !f.look.Role(app).Super && f.owns(app, owner) })
	if i < 0 {
		return ""
	}
	return f.apps[i]
}
