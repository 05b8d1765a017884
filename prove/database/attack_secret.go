package database

import "github.com/moat-db/moat/internal/body"

// secretAttacks read, as the application role, what function bodies and stored settings
// keep: everyone who can connect can read both.
func (p *prover) secretAttacks() []attack {
	var out []attack
	for i := range p.view.Snapshot.Functions {
		f := &p.view.Snapshot.Functions[i]
		used := body.Scan(f)
		if f.System || f.Extension != "" || !used.KeepsSecret() {
			continue
		}
		out = append(out, attack{name: "secret", steps: []string{"SELECT 1 FROM pg_catalog.pg_proc p JOIN " +
			"pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = " + lit(f.Schema) + " AND p.proname = " +
			lit(f.Name) + " AND (p.prosrc <> '' OR p.prosqlbody IS NOT NULL)"},
			judge: seen("a key or password in the body of " + f.Signature())})
	}
	for _, s := range p.view.Snapshot.Stored {
		if body.SecretName(s.Name) && s.Value != "" {
			out = append(out, attack{name: "secret", steps: []string{"SELECT 1 FROM pg_catalog.pg_db_role_setting WHERE " +
				"array_to_string(setconfig, ' ') LIKE " + lit("%"+s.Name+"=%")}, judge: seen("a secret in the stored setting " +
				s.Name)})
		}
	}
	return out
}

// loopbackAttacks ask, without connecting, whether the role may open a connection from
// inside the server as another role: dblink_connect_u needs no password for that.
func (p *prover) loopbackAttacks() []attack {
	return []attack{{name: "loopback", steps: []string{"SELECT p.oid::regprocedure FROM pg_catalog.pg_proc p " +
		"JOIN pg_catalog.pg_depend d ON d.objid = p.oid AND d.deptype = 'e' " +
		"JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'dblink' " +
		"WHERE p.proname = 'dblink_connect_u' AND has_function_privilege(p.oid, 'EXECUTE') " +
		"AND has_schema_privilege(p.pronamespace, 'USAGE')"},
		judge: func(o outcome) finding {
			if o.last().n > 0 {
				return leak("the role may call dblink_connect_u: it connects from inside the server as any role that needs no " +
					"password there")
			}
			return isolated("no second connection without a password")
		}}}
}
