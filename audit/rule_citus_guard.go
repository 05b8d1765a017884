package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleCitusGuard = Rule{
	ID: "citus-guard", Severity: Low,
	Title: "No guard protects the shards of a server",
	check: func(f *facts) []Finding {
		bare := f.unguarded()
		if len(bare) == 0 || !f.guarded() {
			return nil // without a guard here either, guard-missing speaks
		}
		return []Finding{f.onDatabase(
			"Whoever alters a shard on such a server opens it to every tenant until somebody notices.",
			fmt.Sprintf("Event triggers are the coordinator's own: Citus does not copy them. %s has none that minds row-level "+
				"security.", strings.Join(bare, ", "))).
			with("SELECT * FROM run_command_on_workers(" + sqltext.Literal(WorkerGuard) + ") WHERE NOT success")}
	},
}

// WorkerGuard makes the guard of a worker, as one string that can be run again: what somebody
// runs there to switch row-level security of a shard off, or to free the owner of it, fails.
const WorkerGuard = `DO $do$ BEGIN
  PERFORM set_config('citus.enable_ddl_propagation', 'off', true); -- a worker may not tell the others
  CREATE SCHEMA IF NOT EXISTS moat_guard; -- its own: protect --undo drops schema moat
  CREATE OR REPLACE FUNCTION moat_guard.worker_guard() RETURNS event_trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $guard$
  BEGIN
    IF current_query() !~* 'worker_apply_(inter_)?shard_ddl_command' -- the coordinator's, where the guard has looked
       AND current_query() ~* '(disable\s+row\s+level\s+security|no\s+force\s+row\s+level\s+security)' THEN
      RAISE EXCEPTION 'moat: row level security of a shard stays on'
        USING HINT = 'drop the event trigger moat_worker_guard on this server first', ERRCODE = '42501';
    END IF;
  END $guard$;
  DROP EVENT TRIGGER IF EXISTS moat_worker_guard;
  CREATE EVENT TRIGGER moat_worker_guard ON ddl_command_end WHEN TAG IN ('ALTER TABLE')
    EXECUTE FUNCTION moat_guard.worker_guard();
  ALTER EVENT TRIGGER moat_worker_guard ENABLE ALWAYS;
END $do$`

// unguarded are the servers with shards of tenants' tables and without a guard, sorted.
func (f *facts) unguarded() []string {
	var out []string
	for _, all := range f.o.Evidence.Placements {
		for _, p := range all.Shards {
			if !p.Guarded && !slices.Contains(out, p.Node) {
				out = append(out, p.Node)
			}
		}
	}
	slices.Sort(out)
	return out
}
