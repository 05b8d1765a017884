package moat

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Citus says how a scope is bound where Citus spreads tables over several servers. It passes a
// setting on only by SET LOCAL, and only in a transaction that a BEGIN began: the function
// moat.set_tenant, which moat protect makes, does the one, and statements of a DB's own are
// sent with BEGIN and COMMIT around them, still in one round trip.
type Citus int

// The ways to bind with regard to Citus.
const (
	// CitusDetect lets [Open] look. Without a database to look at, as in [New] and
	// [NewBinding], it is CitusOff.
	CitusDetect Citus = iota
	// CitusOn binds by moat.set_tenant. It works without Citus too, and costs more there.
	CitusOn
	// CitusOff binds by set_config, which reaches the coordinator only.
	CitusOff
)

// ErrDistributed is returned by [Open] and [DB.Check] where tables are distributed by Citus
// and the scope is bound in a way that does not reach its other servers: they would answer
// without a tenant, or with the tenant before.
var ErrDistributed = errors.New("tables are distributed by Citus, and this binding does not reach its other servers: " +
	"bind by moat.set_tenant (Options.Citus: CitusOn, citus.binding: set_tenant)")

// ErrNoSetTenant is returned by [Open] and [DB.Check] where the scope is to be bound by
// moat.set_tenant and the role cannot execute a function of that name that sets
// Options.TenantSetting.
var ErrNoSetTenant = errors.New("no function moat.set_tenant that sets the tenant setting and that the role may " +
	"execute: moat protect makes it where Citus is installed or citus.distribute is true")

// ErrSealedDistributed is returned for a [Sealer] where tables are distributed by Citus: its
// other servers can verify no signature.
var ErrSealedDistributed = errors.New("sealed mode does not reach the other servers of Citus: use the plain setting")

// The statements that bind by the function: a scope that is a tenant and nothing else, and
// one with more.
const (
	setTenant = "select moat.set_tenant($1)"
	setScope  = "select moat.set_tenant($1, $2, $3, $4)"
)

// citusKnown is whether there is what Citus keeps of tables.
const citusKnown = "select pg_catalog.to_regclass('pg_catalog.pg_dist_partition') is not null"

// spreads reports whether Citus has put rows of any table on other servers.
func spreads(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var known, spread bool
	err := conn.QueryRow(ctx, citusKnown, pgx.QueryExecModeExec).Scan(&known)
	if err == nil && known {
		err = conn.QueryRow(ctx, "select exists (select from pg_catalog.pg_dist_partition p where p.partmethod <> 'n' "+
			"or p.repmodel = 't' or p.colocationid <> 0)", pgx.QueryExecModeExec).Scan(&spread)
	}
	if err != nil {
		return false, fmt.Errorf("look for Citus: %w", err)
	}
	return spread, nil
}

// detected is the way to bind to a database.
func (c Citus) detected(ctx context.Context, config *pgx.ConnConfig) (Citus, error) {
	if c != CitusDetect {
		return c, nil
	}
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return c, err
	}
	defer conn.Close(ctx)
	spread, err := spreads(ctx, conn)
	if !spread || err != nil {
		return CitusOff, err
	}
	return CitusOn, nil
}

// checkSpread refuses a way to bind that does not fit the database.
func (b *binder) checkSpread(ctx context.Context, conn *pgx.Conn) error {
	if !b.spread {
		spread, err := spreads(ctx, conn)
		if err == nil && spread {
			err = ErrDistributed
		}
		return err
	}
	var there bool
	err := conn.QueryRow(ctx, `select exists (select from pg_catalog.pg_proc p
		where p.oid = pg_catalog.to_regprocedure('moat.set_tenant(text,text,text,text)')
			and pg_catalog.has_schema_privilege(p.pronamespace, 'USAGE')
			and pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
			and pg_catalog.strpos(p.prosrc, pg_catalog.quote_literal($1::text)) > 0)`, pgx.QueryExecModeExec,
		b.tenantSetting).Scan(&there)
	if err != nil {
		return fmt.Errorf("look for moat.set_tenant: %w", err)
	}
	if !there {
		return ErrNoSetTenant
	}
	return nil
}

// withoutGeneric leaves the choice of plans to the server: Citus refuses statements of which
// it may not plan each.
func withoutGeneric(c *pgx.ConnConfig) {
	if c.RuntimeParams["plan_cache_mode"] == "force_generic_plan" {
		c.RuntimeParams["plan_cache_mode"] = "auto"
	}
}

// queueSpread queues the binding by the function.
func (b *binder) queueSpread(batch *pgx.Batch, s *Scope) {
	if s.Subject == "" && s.Role == "" && len(s.Claims) == 0 {
		batch.Queue(setTenant, string(s.Tenant))
		return
	}
	batch.Queue(setScope, string(s.Tenant), s.Subject, s.Role, string(s.Claims))
}
