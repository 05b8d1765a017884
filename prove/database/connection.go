package database

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// theConnection is the object of probes that concern no relation.
const theConnection = "connection"

// attackConnection tries what the application's connection may do beside reading
// and writing rows: take other roles, create, look at other sessions.
func (p *prover) attackConnection(ctx context.Context) error {
	victim, err := p.open(ctx, p.appConfig, nil)
	if err != nil {
		return fmt.Errorf("connect as the application role: %w", err)
	}
	defer victim.close()
	st := &site{a: p.a, b: p.b, s: p.app}
	if err := p.rebind(ctx, st); err != nil {
		return err
	}
	attacks := slices.Concat(p.storedAttack(), p.resetAttacks(), p.statisticsAttacks(), p.roleAttacks(), p.secretAttacks(),
		p.loopbackAttacks())
	if p.Strict {
		attacks = slices.Concat(attacks, p.neighbourAttacks(ctx, victim), p.catalogAttacks(), p.createAttacks(),
			p.largeObjectAttack(st), preparedAttack())
	} else {
		p.report.Skip("left to --strict: rights that every role has by default (pg_stat_activity, pg_cancel_backend, large " +
			"objects, temporary tables, prepared transactions), last values of sequences, tenant ids in partition bounds and " +
			"other definitions")
	}
	if p.view.Snapshot.Distribution.Spread() {
		p.report.Skip("left out on distributed tables, where Citus refuses it to everybody: MERGE, and to move a row to " +
			"another tenant")
	}
	if err := p.run(ctx, st, theConnection, attacks); err != nil {
		return err
	}
	for _, f := range []func(context.Context, *site) error{p.attackRoles, p.attackSchemas, p.attackSequences, p.forge} {
		if err := f(ctx, st); err != nil {
			return err
		}
	}
	p.report.Skip("not judged, because tenants of one table share them: sizes and row estimates (pg_class.reltuples, " +
		"pg_relation_size, EXPLAIN), locks and waiting, the order of numbers drawn from a shared sequence, NOTIFY and " +
		"advisory locks; see docs/explanation/prove.md")
	return nil
}

// storedAttack asks whether a connection starts out as some tenant.
func (p *prover) storedAttack() []attack {
	return []attack{{name: "stored tenant", as: []string{}, steps: []string{"SELECT coalesce(current_setting(" +
		lit(p.model.Setting) + ", true), '') AS tenant"},
		judge: func(o outcome) finding {
			if r := o.last(); len(r.rows) > 0 && r.rows[0][0] != "" {
				return leak("a new connection starts as tenant %q: the setting is stored for the role or the database",
					r.rows[0][0])
			}
			return isolated("a new connection starts without a tenant")
		}}}
}

// resetAttacks try to get behind the application role.
func (p *prover) resetAttacks() []attack {
	same := func(o outcome) finding {
		if r := o.last(); len(r.rows) > 0 && r.rows[0][0] != p.role {
			return leak("the session became %q", r.rows[0][0])
		}
		return isolated("the session is still the application role's")
	}
	resets := []string{"RESET ROLE", "SET LOCAL ROLE NONE", "RESET SESSION AUTHORIZATION",
		"SET LOCAL SESSION AUTHORIZATION DEFAULT"}
	out := list.Map(resets, func(reset string) attack {
		return attack{name: "reset role", steps: []string{reset, "SELECT current_user::text"}, judge: same}
	})
	return append(out, attack{name: "session authorization", steps: []string{"SET LOCAL SESSION AUTHORIZATION " +
		lit(p.view.Snapshot.User), "SELECT current_user::text"}, judge: same})
}

// neighbourAttacks look at, and signal, another session of the same role.
func (p *prover) neighbourAttacks(ctx context.Context, victim *session) []attack {
	pid := "0"
	if results, err := victim.run(ctx, "SELECT pg_catalog.pg_backend_pid()"); err == nil {
		pid = results[0].rows[0][0]
	}
	if as, err := victim.bind.to(ctx, p.b); err == nil {
		_, _ = victim.say(ctx, as, "SELECT '"+tag(tagB)+"' AS what_tenant_b_asked_for")
	}
	return []attack{
		{name: "activity", steps: []string{"SELECT query FROM pg_catalog.pg_stat_activity WHERE pid = " + pid +
			" AND query LIKE '%" + tag(tagB) + "%'"}, judge: seen("pg_stat_activity shows the text of tenant B's statement")},
		{name: "activity", steps: []string{"SELECT query FROM pg_catalog.pg_stat_get_activity(" + pid +
			") WHERE query LIKE '%" + tag(tagB) + "%'"},
			judge: seen("pg_stat_get_activity shows the text of tenant B's statement")},
		{name: "activity", steps: []string{"SELECT a FROM (SELECT pg_catalog.pg_stat_get_backend_activity(i) AS a FROM " +
			"pg_catalog.pg_stat_get_backend_idset() i) x WHERE a LIKE '%AS what_tenant_b_asked%' AND a NOT LIKE '%idset%'"},
			judge: seen("pg_stat_get_backend_activity shows the text of tenant B's statement")},
		{name: "cancel", steps: []string{"SELECT 1 WHERE pg_catalog.pg_cancel_backend(" + pid + ")"},
			judge: func(o outcome) finding {
				if o.last().n > 0 {
					return leak("pg_cancel_backend reaches the sessions of every tenant")
				}
				return isolated("no signal was sent")
			}},
	}
}

// statisticsAttacks look for B in what ANALYZE collected.
func (p *prover) statisticsAttacks() []attack {
	raw := attack{name: "statistics", steps: []string{"SELECT 1 FROM pg_catalog.pg_statistic LIMIT 1"},
		judge: seen("pg_statistic is readable")}
	if len(p.b) < 6 {
		p.report.Skip("statistics in pg_stats: tenant ids are too short to be searched for")
		return []attack{raw}
	}
	like := lit("%" + p.b + "%")
	return []attack{{name: "statistics", steps: []string{"SELECT tablename, attname FROM pg_catalog.pg_stats WHERE " +
		"most_common_vals::text LIKE " + like + " OR histogram_bounds::text LIKE " + like},
		judge: seen("pg_stats shows tenant B's values")}, raw}
}

// catalogAttacks look for B in the definitions that everybody may read.
func (p *prover) catalogAttacks() []attack {
	if len(p.b) < 6 {
		p.report.Skip("catalog: tenant ids are too short to be searched for")
		return nil
	}
	like := lit("%" + p.b + "%")
	return []attack{
		{name: "catalog", steps: []string{"SELECT c.oid::regclass::text, pg_get_expr(c.relpartbound, c.oid) FROM " +
			"pg_catalog.pg_class c WHERE pg_get_expr(c.relpartbound, c.oid) LIKE " + like},
			judge: seen("the bounds of partitions name tenant B")},
		{name: "catalog", steps: []string{"SELECT indexrelid::regclass::text FROM pg_catalog.pg_index WHERE " +
			"pg_get_expr(indpred, indrelid) LIKE " + like}, judge: seen("a partial index names tenant B")},
		{name: "catalog", steps: []string{"SELECT conname FROM pg_catalog.pg_constraint WHERE contype = 'c' AND " +
			"pg_get_constraintdef(oid) LIKE " + like}, judge: seen("a constraint names tenant B")},
	}
}

// roleAttacks try to widen the application role.
func (p *prover) roleAttacks() []attack {
	missing := func(what string) func(*pgconn.PgError) finding {
		return func(e *pgconn.PgError) finding {
			if e.Code == codeNoSetting || e.Code == "55000" || e.Code == "58P01" {
				return leak("%s", what)
			}
			return unclear(e)
		}
	}
	got := func(what string) func(outcome) finding {
		return func(o outcome) finding {
			if r := o.last(); strings.HasPrefix(r.tag, "SELECT") && r.n == 0 {
				return isolated("nothing came back")
			}
			return leak("%s", what)
		}
	}
	replication := "the role has REPLICATION: it can stream or decode the changes of every tenant"
	return []attack{
		{name: "replication", steps: []string{"SELECT pg_catalog.pg_drop_replication_slot('moat_no_such_slot')"},
			judge: got(replication), onError: missing(replication)},
		{name: "server files", steps: []string{"SELECT 1 FROM pg_catalog.pg_read_file('PG_VERSION') f WHERE f IS NOT NULL"},
			judge: got("the role reads the server's files, and the tables' among them")},
		{name: "server files", steps: []string{"SELECT 1 FROM pg_catalog.pg_read_binary_file('PG_VERSION') f WHERE f IS " +
			"NOT NULL"}, judge: got("the role reads the server's files, and the tables' among them")},
		{name: "server files", steps: []string{"SELECT 1 WHERE pg_catalog.pg_has_role('pg_read_server_files', 'MEMBER') OR " +
			"pg_catalog.pg_has_role('pg_write_server_files', 'MEMBER') OR pg_catalog.pg_has_role('pg_execute_server_program', " +
			"'MEMBER')"}, judge: got("the role is a member of a role that reads or writes files, or runs programs, on the " +
			"server")},
		{name: "monitor", steps: []string{"SELECT 1 WHERE pg_catalog.pg_has_role('pg_read_all_stats', 'MEMBER') OR " +
			"pg_catalog.pg_has_role('pg_signal_backend', 'MEMBER')"},
			judge: got("the role is a member of one that sees or stops every session")},
	}
}

// largeObjectAttack lets B store an object and A read it.
func (p *prover) largeObjectAttack(st *site) []attack {
	steps := []string{"SELECT pg_catalog.lo_from_bytea(2147483647, '" + tag(tagB) + "')"}
	if st.s.bind.bare() {
		steps = slices.Concat(st.asB, steps, st.asA)
	}
	steps = append(steps, "SELECT pg_catalog.convert_from(pg_catalog.lo_get(2147483647), 'UTF8')")
	return []attack{{name: "large object", steps: steps,
		judge: seen("a large object that B wrote is read by A, for lack of any tenant in it")}}
}

// preparedAttack asks whether PREPARE TRANSACTION is open. It is not run: it ends the
// transaction that everything is rolled back with. No privilege guards it, and whoever
// has the same role ends what another session prepared.
func preparedAttack() []attack {
	return []attack{{name: "prepared transaction",
		steps: []string{"SELECT current_setting('max_prepared_transactions') WHERE " +
			"current_setting('max_prepared_transactions') <> '0'"},
		judge: seen("with max_prepared_transactions above 0, one session leaves locks that outlive its connection, and " +
			"commits or rolls back what the sessions of other tenants prepared")}}
}

// createAttacks try to lay traps for whoever uses the connection next.
func (p *prover) createAttacks() []attack {
	name := "moat_probe"
	for _, t := range p.targets {
		if t.class == catalog.TenantTable {
			name = t.rel.Name
			break
		}
	}
	return []attack{{name: "temporary table", steps: []string{"CREATE TEMPORARY TABLE " + sqltext.Ident(name) +
		" (x int)"},
		judge: func(outcome) finding {
			return leak("a temporary table can shadow %s for the next user of the connection: revoke TEMPORARY on the database",
				name)
		}}}
}

// attackSchemas tries to create in, and to take down, each schema.
func (p *prover) attackSchemas(ctx context.Context, st *site) error {
	schemas := append([]string{}, p.model.Schemas...)
	for _, s := range p.view.Snapshot.Schemas {
		if p.Strict && s.Name == "public" && !slices.Contains(schemas, "public") {
			schemas = append(schemas, s.Name)
		}
	}
	for _, name := range schemas {
		attacks := []attack{{name: "create", steps: []string{"CREATE TABLE " + sqltext.Ident(name) + ".moat_probe (x int)"},
			judge: func(outcome) finding {
				return leak("the application role creates objects in schema %s, where others' names may be looked up", name)
			}}}
		if err := p.run(ctx, st, "schema "+name, attacks); err != nil {
			return err
		}
	}
	return nil
}

// attackSequences reads the sequences: how far they are tells of every tenant.
func (p *prover) attackSequences(ctx context.Context, st *site) error {
	for r := range catalog.Each(p.view.Snapshot.Relations) {
		if !p.Strict || r.Kind != catalog.Sequence || r.Extension != "" || !slices.Contains(p.model.Schemas, r.Schema) ||
			!p.feeds(r) {
			continue
		}
		attacks := []attack{{name: "sequence", steps: []string{"SELECT last_value FROM " + table(r.QName())},
			judge: seen("the sequence's last value tells how much all tenants have made (USAGE without SELECT is enough to " +
				"insert)")}}
		if err := p.run(ctx, st, r.QName().String(), attacks); err != nil {
			return err
		}
	}
	if !p.Disposable {
		p.report.Skip("nextval and setval on sequences: not rolled back (--disposable runs them)")
		return nil
	}
	return p.moveSequences(ctx, st)
}

// feeds says whether a sequence numbers rows of tenants.
func (p *prover) feeds(r *catalog.Relation) bool {
	if r.OwnedBy == nil {
		return true
	}
	t := p.byName[r.OwnedBy.Relation]
	return t != nil && p.private(t)
}

// moveSequences tries to set sequences; only where the database may be thrown away.
func (p *prover) moveSequences(ctx context.Context, st *site) error {
	for r := range catalog.Each(p.view.Snapshot.Relations) {
		if r.Kind == catalog.Sequence && slices.Contains(p.model.Schemas, r.Schema) && p.feeds(r) {
			steps := []string{"SELECT pg_catalog.setval(" + lit(table(r.QName())) + ", pg_catalog.nextval(" +
				lit(table(r.QName())) + "))"}
			if err := p.run(ctx, st, r.QName().String(), []attack{{name: "set sequence", steps: steps, judge: seen("the " +
				"application role sets a sequence that every tenant draws from")}}); err != nil {
				return err
			}
		}
	}
	return nil
}
