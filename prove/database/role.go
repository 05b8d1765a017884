package database

import (
	"context"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// attackRoles tries to become each role that could see or change more: owners of
// tables, roles that bypass, and whatever the application role is a member of.
func (p *prover) attackRoles(ctx context.Context, st *site) error {
	for _, role := range p.coveted() {
		attacks := []attack{{name: "set role", steps: []string{"SET LOCAL ROLE " + sqltext.Ident(role.Name),
			"SELECT 1 WHERE (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user)"},
			judge: func(o outcome) finding {
				if o.last().n > 0 {
					return leak("the application role becomes %s, which sees every row", role.Name)
				}
				return isolated("the role can be assumed, and shows no more")
			}},
			{name: "grant role", steps: []string{"GRANT " + sqltext.Ident(role.Name) + " TO " + sqltext.Ident(p.role)},
				judge: func(outcome) finding { return leak("the application role grants itself %s", role.Name) }}}
		if role.Super || role.BypassRLS {
			if err := p.run(ctx, st, "role "+role.Name, attacks); err != nil {
				return err
			}
			continue
		}
		attacks = append(attacks, p.asRole(role.Name)...)
		if err := p.run(ctx, st, "role "+role.Name, attacks); err != nil {
			return err
		}
	}
	return nil
}

// asRole attacks every tenant table after SET ROLE: by reading, and by switching
// its row-level security off.
func (p *prover) asRole(role string) []attack {
	if !p.member(role) {
		return nil // SET ROLE is refused, which was tried
	}
	var out []attack
	become := []string{"SET LOCAL ROLE " + sqltext.Ident(role)}
	for _, t := range p.targets {
		if !p.private(t) {
			continue
		}
		st := p.sites[t]
		tree := p.model.Shapes.Tree
		wide := tree != nil && role == tree.Role // what it sees is compared with the model
		if t.tenant != "" && !wide {
			out = append(out, attack{name: "set role", steps: slices.Concat(become,
				[]string{"SELECT 1 FROM " + t.sql() + " WHERE " + sqltext.Ident(t.tenant) + " IS NOT NULL AND " +
					sqltext.Ident(t.tenant) + " <> " + lit(st.a) + " LIMIT 1"}),
				judge: seen("as " + role + ", in " + t.name())})
		}
		if t.rel.Owner == role {
			out = append(out, attack{name: "set role", steps: slices.Concat(become,
				[]string{"ALTER TABLE " + t.sql() + " DISABLE ROW LEVEL SECURITY"}),
				judge: func(outcome) finding {
					return leak("as %s, the application role switches row-level security of %s off", role, t.name())
				}})
		}
	}
	return out
}

// member says whether the application role is the role or a member of it.
func (p *prover) member(role string) bool { return p.view.Joined(p.role, role, catalog.Member) }

// coveted lists the roles worth having.
func (p *prover) coveted() []catalog.Role {
	owners := map[string]bool{}
	for _, t := range p.targets {
		owners[t.rel.Owner] = owners[t.rel.Owner] || p.private(t)
	}
	var out []catalog.Role
	for _, r := range p.view.Snapshot.Roles {
		owner := owners[r.Name]
		member := p.member(r.Name)
		if r.Name != p.role && (owner || member || r.Super && r.Name == p.view.Snapshot.User || r.BypassRLS && member) {
			out = append(out, r)
		}
	}
	return out
}

// attackOwners tries what only an owner may do, on each table, and what its owner
// sees: views, functions and reference checks run with the owner's rights.
func (p *prover) attackOwners(ctx context.Context) error {
	for _, t := range p.targets {
		if !t.isTable() || !p.private(t) || !t.reach.usage {
			continue
		}
		st := *p.sites[t]
		st.s = p.app
		if err := p.rebind(ctx, &st); err != nil {
			return err
		}
		attacks := []attack{
			{name: "alter", steps: []string{"ALTER TABLE " + t.sql() + " DISABLE ROW LEVEL SECURITY"},
				judge: func(outcome) finding {
					return leak("the application role switches row-level security off")
				}},
			{name: "drop", steps: []string{"DROP TABLE " + t.sql() + " CASCADE"}, judge: func(outcome) finding {
				return leak("the application role drops the table, and can create it again without policies")
			}},
			{name: "create trigger", steps: []string{"CREATE TRIGGER moat_probe BEFORE UPDATE ON " + t.sql() +
				" FOR EACH ROW EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"}, judge: func(outcome) finding {
				return leak("the application role puts a trigger on the table: it runs with the rights of whoever writes next")
			}},
		}
		attacks = append(attacks, p.referenceAttacks(t)...)
		if t.reach.maintain {
			statement := "REINDEX TABLE " + t.sql()
			if t.rel.Kind == catalog.PartitionedTable || t.rel.Estimate.Rows > fewRows {
				statement = "LOCK TABLE " + t.sql() + " IN ACCESS EXCLUSIVE MODE"
			}
			attacks = append(attacks, attack{name: "maintain", steps: []string{statement}, judge: func(outcome) finding {
				return leak("MAINTAIN lets the application role lock and rewrite every tenant's rows")
			}})
		}
		if err := p.run(ctx, &st, t.name(), attacks); err != nil {
			return err
		}
	}
	return nil
}

// home is where the application role may create a table: the statements that make the
// place, and its name. Without one it is the table's own schema, where it is refused.
func (p *prover) home(t *target) (make []string, schema string) {
	for _, s := range p.view.Snapshot.Schemas {
		if p.view.HasSchemaPrivilege(p.role, s.Name, "CREATE") && p.view.HasSchemaPrivilege(p.role, s.Name, "USAGE") {
			return nil, s.Name
		}
	}
	if slices.ContainsFunc(p.view.Snapshot.Database.Privileges, func(g catalog.Privilege) bool {
		return g.Name == "CREATE" && (g.Grantee == "" || p.member(g.Grantee) || g.Grantee == p.role)
	}) {
		return []string{"CREATE SCHEMA moat_probe_home"}, "moat_probe_home"
	}
	return nil, t.rel.Schema
}

// uniqueKeys are the keys that a foreign key can refer to.
func (t *target) uniqueKeys() [][]string {
	return list.Pick(t.rel.Constraints, func(c catalog.Constraint) ([]string, bool) {
		return c.Columns, (c.Type == catalog.PrimaryKey || c.Type == catalog.Unique) && !c.Deferrable
	})
}

// referenceAttacks make a table of the attacker's own that refers to the tenant table, by
// each of its keys: a permanent oracle.
func (p *prover) referenceAttacks(t *target) []attack {
	return list.Map(t.uniqueKeys(), func(key []string) attack { return p.referenceAttack(t, key) })
}

func (p *prover) referenceAttack(t *target, key []string) attack {
	before, schema := p.home(t)
	columns := ""
	for _, name := range key {
		columns += sqltext.Ident(name) + " " + t.column(name).Type + ", "
	}
	return attack{name: "create reference", steps: append(before, "CREATE TABLE "+sqltext.Ident(schema)+
		".moat_probe_reference ("+columns+"FOREIGN KEY ("+sqltext.Idents(key)+") REFERENCES "+t.sql()+" ("+
		sqltext.Idents(key)+"))"),
		judge: func(outcome) finding {
			return leak("the application role refers to the table from one of its own: every tenant's keys can be asked for, " +
				"and deletes blocked")
		}}
}
