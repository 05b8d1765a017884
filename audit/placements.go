package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/sqltext"
)

// Placements are a distributed table and its shards. Shards is nil where they could not be
// looked at.
type Placements struct {
	Table  Placement // as the coordinator prints it
	Shards []Placement
}

// Placement is what one shard of a distributed table, on one server, has of the table's
// row-level security.
type Placement struct {
	Node  string // host:port
	Shard int64
	// RLS, Forced and Policies are as the server of the shard says.
	RLS, Forced bool
	Policies    []PlacedPolicy
	// Guarded says that something on that server stops DDL that opens a shard.
	Guarded bool
}

// PlacedPolicy is a policy as a server prints it.
type PlacedPolicy struct {
	Name, Command string
	Permissive    bool
	Roles         []string
	Using, Check  string
}

// stateSQL asks for the row-level security of the table that %s names, as the server that has
// it prints it, as JSON. Citus puts the shard's name in the place of %s by format(), so that it
// may stand there once, and no other percent sign.
const stateSQL = `SELECT pg_catalog.json_build_object('RLS', c.relrowsecurity, 'Forced', c.relforcerowsecurity,
  'Guarded', EXISTS (SELECT FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid
    WHERE e.evtenabled <> 'D' AND e.evtevent = 'ddl_command_end' AND p.prosrc ~* 'row level security'),
  'Policies', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'Name', y.polname, 'Command', y.polcmd, 'Permissive', y.polpermissive,
      'Roles', (SELECT pg_catalog.array_agg(o.name ORDER BY o.name) FROM (
          SELECT CASE WHEN u.role = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(u.role)::text END AS name
            FROM pg_catalog.unnest(y.polroles) AS u (role)) AS o),
      'Using', pg_catalog.pg_get_expr(y.polqual, y.polrelid),
      'Check', pg_catalog.pg_get_expr(y.polwithcheck, y.polrelid))
      ORDER BY y.polname) FROM pg_catalog.pg_policy y WHERE y.polrelid = c.oid))
  FROM pg_catalog.pg_class c WHERE c.oid = '%s'::pg_catalog.regclass`

// placements asks what the shards of the tenants' tables have of row-level security.
func (p *prober) placements() {
	for _, r := range p.facts.tenantTables {
		if !p.facts.look.Distributed(r.QName()).Spread() {
			continue
		}
		name := sqltext.Literal(r.QName().SQL())
		p.questions = append(p.questions, question{
			sql: "SELECT pg_catalog.json_build_object('Node', x.nodename || ':' || x.nodeport, 'Shard', x.shardid, " +
				"'Success', x.success, 'Result', x.result, 'Table', (" + strings.ReplaceAll(stateSQL, "'%s'", name) + "))::text " +
				"FROM pg_catalog.run_command_on_placements(" + name + ", " + sqltext.Literal(stateSQL) + ") AS x " +
				"ORDER BY x.nodename, x.nodeport, x.shardid",
			answer: func(rows []string, err error) { p.placed(r, rows, err) },
		})
	}
}

// placed takes the answer about one table.
func (p *prober) placed(r *catalog.Relation, rows []string, err error) {
	var found Placements
	for _, row := range rows {
		if failed := found.read(row); failed != nil && err == nil {
			err = failed
		}
	}
	if err == nil && len(found.Shards) == 0 {
		err = errors.New("no shard answered")
	}
	p.evidence.Placements[r.QName()] = found
	if err != nil {
		p.evidence.Placements[r.QName()] = Placements{}
		p.unseen("The shards of %s could not be looked at: %v.", r.QName(), err)
	}
}

func (p *Placements) read(row string) error {
	var answer struct {
		Node    string
		Shard   int64
		Success bool
		Result  string
		Table   Placement
	}
	if err := json.Unmarshal([]byte(row), &answer); err != nil {
		return err
	}
	one := Placement{Node: answer.Node, Shard: answer.Shard}
	if !answer.Success {
		return fmt.Errorf("shard %d on %s: %s", one.Shard, one.Node, answer.Result)
	}
	if err := json.Unmarshal([]byte(answer.Result), &one); err != nil {
		return fmt.Errorf("shard %d on %s: %w", one.Shard, one.Node, err)
	}
	p.Table, p.Shards = answer.Table, append(p.Shards, one)
	return nil
}

// unlooked says of which distributed tables nobody has asked the shards.
func (f *facts) unlooked() []string {
	n := 0
	for _, r := range f.tenantTables {
		if _, asked := f.o.Evidence.Placements[r.QName()]; !asked && f.look.Distributed(r.QName()).Spread() {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []string{"The shards of " + english.Count(n, "distributed table") + " were not looked at."}
}
