package watch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
)

// Facts are what the isolation of a database rests on: the name of a thing, such as
// "policy app.leads.tenant_isolation", and what is so of it.
type Facts map[string]string

// FactsOf lists the facts of a Snapshot. The same database gives the same Facts, whoever
// looks and however many rows there are. Indexes, comments and statistics are none of them.
// A partition that is like another one of its table is no fact of its own: time makes them.
func FactsOf(s *catalog.Snapshot) Facts {
	f := Facts{}
	f.add("server", "release", fmt.Sprint(s.Version))
	f.add("database", "owner", s.Database.Owner)
	f.grants("database", s.Database.Privileges)
	f.roles(s)
	f.schemas(s)
	f.relations(s)
	f.functions(s)
	f.objects(s)
	f.settings(s)
	return f
}

func (f Facts) add(kind, name, text string) { f[kind+" "+name] = text }

// grants adds a fact for each role that has privileges on a thing.
func (f Facts) grants(on string, all []catalog.Privilege) {
	by := map[string][]string{}
	for _, p := range all {
		name := p.Name
		if p.Grantable {
			name += " with grant option"
		}
		by[p.Grantee] = append(by[p.Grantee], name)
	}
	for grantee, names := range by {
		slices.Sort(names)
		f.add("grant", on+" to "+cmp.Or(grantee, "PUBLIC"), strings.Join(slices.Compact(names), ", "))
	}
}

func (f Facts) roles(s *catalog.Snapshot) {
	for _, r := range s.Roles {
		f.add("role", r.Name, yes("superuser", r.Super, "bypasses row-level security", r.BypassRLS, "creates roles",
			r.CreateRole, "creates databases", r.CreateDB, "replicates", r.Replication, "logs in", r.Login,
			"inherits", r.Inherit))
	}
	for _, m := range s.Memberships {
		f.add("member", m.Member+" of "+m.Role+" by "+m.Grantor, yes("inherits", m.Inherit, "may set role", m.Set,
			"admin option", m.Admin))
	}
}

// yes lists the names whose values are true.
func yes(pairs ...any) string {
	var all []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == true {
			all = append(all, pairs[i].(string))
		}
	}
	return cmp.Or(strings.Join(all, ", "), "nothing")
}

func (f Facts) schemas(s *catalog.Snapshot) {
	for _, x := range s.Schemas {
		f.add("schema", x.Name, "owner "+x.Owner)
		f.grants("schema "+x.Name, x.Privileges)
	}
	for _, d := range s.Defaults {
		f.add("default privilege", fmt.Sprintf("of %s on %s in %s to %s: %s", d.Role, d.Object,
			cmp.Or(d.Schema, "all schemas"), cmp.Or(d.Privilege.Grantee, "PUBLIC"), d.Privilege.Name),
			yes("granted", true, "with grant option", d.Privilege.Grantable))
	}
}

func (f Facts) functions(s *catalog.Snapshot) {
	for x := range catalog.Each(s.Functions) {
		name := x.Signature()
		f.grants("function "+name, x.Privileges)
		if x.System {
			f.add("function", name, yes("security definer", x.Definer, "leakproof", x.Leakproof))
			continue
		}
		f.add("function", name, fmt.Sprintf("owner %s, %s, %s, %s, body %s", x.Owner, x.Language, x.Volatile,
			yes("security definer", x.Definer, "leakproof", x.Leakproof, "set "+strings.Join(x.Settings, ", "),
				len(x.Settings) > 0), short(x.Body)))
	}
}

// short is enough of a hash to tell a changed text by.
func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

func (f Facts) objects(s *catalog.Snapshot) {
	for _, x := range s.Extensions {
		f.add("extension", x.Name, x.Version+" in "+x.Schema)
	}
	for _, x := range s.Publications {
		f.add("publication", x.Name, "owner "+x.Owner+", "+tables(x))
	}
	for _, x := range s.Events {
		f.add("event trigger", x.Name, fmt.Sprintf("%s, on %s, runs %s, tags %s, owner %s", x.Enabled, x.Event, x.Function,
			strings.Join(x.Tags, ", "), x.Owner))
	}
	for _, x := range s.Servers {
		f.add("foreign server", x.Name, fmt.Sprintf("%s, owner %s, for %s", x.Wrapper, x.Owner,
			strings.Join(x.Mappings, ", ")))
		f.grants("foreign server "+x.Name, x.Privileges)
	}
	for _, x := range s.Operators {
		f.add("operator", x.String(), "there")
	}
	for _, x := range s.Casts {
		f.add("cast", fmt.Sprintf("of %s and %s, into it: %v", x.Domain, x.Other, x.Into), "there")
	}
	for _, x := range s.Types {
		if x.Kind == "domain" && x.Extension == "" {
			f.add("domain", x.Schema+"."+x.Name, x.Base+" "+strings.Join(x.Checks, " "))
		}
	}
}

func tables(p catalog.Publication) string {
	if p.AllTables {
		return "all tables"
	}
	return list.Join(p.Tables, ", ", catalog.QName.String)
}

func (f Facts) settings(s *catalog.Snapshot) {
	for name, value := range s.Settings {
		f.add("server setting", name, "= "+value)
	}
	for _, x := range s.Stored {
		f.add("stored setting", fmt.Sprintf("%s for %s in %s", x.Name, cmp.Or(x.Role, "all roles"),
			cmp.Or(x.Database, "all databases")), "= "+x.Value)
	}
	parameters := map[string][]catalog.Privilege{}
	for _, x := range s.Parameters {
		parameters[x.Name] = append(parameters[x.Name], x.Privilege)
	}
	for name, all := range parameters {
		f.grants("parameter "+name, all)
	}
}
