// Package database attacks the isolation of a database: as the application's role and one
// tenant it tries to read, write and learn of another tenant's rows.
//
// Every statement runs in a transaction that is rolled back: rows, sequences and schema are the
// same afterwards. A probe counts as isolated only where there was something to find. Its limits
// are those of package prove, and that locks are held while it runs: see [Options].
package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/tenancy"
)

// Options configure a run. The zero value works: it infers the tenant model,
// chooses two tenants, and leaves out what cannot be rolled back.
type Options struct {
	// Model is what is known about the tenant model; what is zero is inferred.
	Model tenancy.Options
	// A and B are the attacking and the attacked tenant. Zero means: two that have
	// rows in the most tables, or two made up where there are none.
	A, B moat.Tenant
	// Settings are further settings that policies read (a user's id, say). They are
	// set beside the tenant, the same for A and B.
	Settings map[string]string
	// Sealer binds tenants in sealed mode. Zero means plain mode.
	Sealer moat.Sealer
	// Token signs for a scope where application leads to moat proxy, at a connection for all
	// tenants. Zero means that it leads to the database.
	Token Token
	// Strict also attacks what tells of other tenants without showing or changing a
	// row: the rights that every role has by default (pg_stat_activity,
	// pg_cancel_backend, large objects, temporary tables, creating in public before
	// PostgreSQL 15), the last values of sequences, tenant ids in definitions.
	Strict bool
	// Disposable allows what cannot be rolled back: probes that advance sequences
	// and probes that commit.
	Disposable bool
	// Production allows a database that looks like production.
	Production bool
	// Accepted are exceptions that a person has accepted; Today decides which of them
	// have expired, and on the zero day all have.
	Accepted []baseline.Entry
	Today    time.Time
	// StatementTimeout and LockTimeout limit each statement. Zero means 5 s and 1 s.
	StatementTimeout, LockTimeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.StatementTimeout == 0 {
		o.StatementTimeout = 5 * time.Second
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = time.Second
	}
	return o
}

// prover is one run.
type prover struct {
	Options
	report *prove.Report
	view   *policy.View
	model  *catalog.Model // the view's
	// outside knows what must not be run, since no rollback takes it back.
	outside  *outside
	accepted *baseline.List

	operatorConfig, appConfig *pgx.ConnConfig

	operator *session // the operator's; later the stage
	app      *session // the application role's
	role     string   // the application role
	a, b     string   // the tenants
	targets  []*target
	byName   map[catalog.QName]*target
	sites    map[*target]*site
	values   map[string]map[string]string // settings by tenant, where membership decides
	people   map[string]person            // who acts for a tenant, where the caller's membership is asked
}

// Attack attacks the isolation of a database and reports what held. operator
// connects as someone who sees every row (a superuser, a BYPASSRLS role, or an
// owner without FORCE); application connects as the role that programs use.
//
// Every statement runs in a transaction that is rolled back, with statement_timeout
// and lock_timeout. It returns [*ProductionError] for a database that looks like
// production, unless Options.Production is set, and an error when it could not look;
// what it found, leaks included, is in the Report and is no error.
func Attack(ctx context.Context, operator, application *pgx.ConnConfig, o Options) (*prove.Report, error) {
	p := &prover{Options: o.withDefaults(), report: prove.NewReport(), sites: map[*target]*site{},
		operatorConfig: operator, appConfig: application}
	started := time.Now()
	p.report.Context.Started = started.UTC().Truncate(time.Second)
	defer p.close()
	if o.Token != nil {
		var err error
		if p.appConfig, err = throughProxy(ctx, application, o.Token); err != nil {
			return nil, err
		}
		p.report.Context.Proxy = true
	}
	if err := p.look(ctx); err != nil {
		return nil, err
	}
	if err := p.attack(ctx); err != nil {
		return nil, err
	}
	p.report.Reopened = append(p.report.Reopened, p.accepted.Reopened...)
	p.report.Context.DurationMS = time.Since(started).Milliseconds()
	return p.report.Finish(), nil
}

func (p *prover) close() {
	for _, s := range []*session{p.operator, p.app} {
		if s != nil {
			s.close()
		}
	}
}

// look reads the catalog, the roles and the tenants.
func (p *prover) look(ctx context.Context) error {
	if err := p.load(ctx); err != nil {
		return err
	}
	var err error
	if p.operator, err = p.open(ctx, p.operatorConfig, p.becomes()); err != nil {
		return fmt.Errorf("connect as the operator: %w", err)
	}
	if p.app, err = p.open(ctx, p.appConfig, nil); err != nil {
		return fmt.Errorf("connect as the application role: %w", err)
	}
	if err := p.chooseTenants(ctx); err != nil {
		return err
	}
	p.describe()
	p.members(ctx)
	return p.survey(ctx)
}

// load connects to both sides and reads the catalog and the application role's rights.
func (p *prover) load(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, p.operatorConfig)
	if err != nil {
		return fmt.Errorf("connect as the operator: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	snapshot, err := catalog.Load(ctx, conn)
	if err != nil {
		return err
	}
	if err := postgres.Unhurried(ctx, conn); err != nil {
		return fmt.Errorf("connect as the operator: %w", err)
	}
	if err := p.refuseProduction(ctx, conn); err != nil {
		return err
	}
	app, err := pgx.ConnectConfig(ctx, p.appConfig)
	if err != nil {
		return fmt.Errorf("connect as the application role: %w", err)
	}
	defer app.Close(context.WithoutCancel(ctx))
	if err := p.identify(ctx, app, snapshot.Database.Name); err != nil {
		return err
	}
	if err := p.infer(snapshot); err != nil {
		return err
	}
	may, err := reachable(ctx, app)
	if err != nil {
		return err
	}
	p.setTargets(may)
	p.note(may)
	return nil
}

// identify asks the application's connection which role it is, and that it leads to the
// operator's database.
func (p *prover) identify(ctx context.Context, app *pgx.Conn, database string) error {
	var other string
	err := app.QueryRow(ctx, "SELECT session_user::text, current_database()::text").Scan(&p.role, &other)
	if err != nil {
		return fmt.Errorf("ask the application connection who it is: %w", err)
	}
	if other != database {
		return fmt.Errorf("the operator is connected to database %q and the application to %q", database, other)
	}
	if len(p.Model.Roles) == 0 {
		p.Model.Roles = []string{p.role}
	}
	return nil
}

// ErrNoTenantTables is returned when the model has nothing to attack.
var ErrNoTenantTables = errors.New("no table holds a tenant column")

// infer applies the configuration and refuses a database without tenant tables:
// nothing to attack is not a pass.
func (p *prover) infer(snapshot *catalog.Snapshot) (err error) {
	if p.view, err = tenancy.Infer(snapshot, p.Model); err != nil {
		return err
	}
	if byMembership := p.view.ByMembership(); byMembership != nil {
		p.view = byMembership
	}
	p.model, p.outside = p.view.Model, newOutside(p.view.Lookup)
	p.accepted = baseline.Judge(p.Accepted, snapshot, p.Today)
	p.actAsAdmin()
	if !slices.ContainsFunc(p.model.Tables, func(t catalog.TableModel) bool {
		return t.Class == catalog.TenantTable || t.Class == catalog.TenantsTable
	}) {
		return ErrNoTenantTables
	}
	return nil
}

func (p *prover) open(ctx context.Context, cfg *pgx.ConnConfig, become []string) (*session, error) {
	return open(ctx, cfg, p, become)
}

// becomes is what the operator says to act as the application role. A superuser
// takes the whole session over, so that session_user and what SET ROLE may reach
// are the application's; anyone else can only switch the role.
func (p *prover) becomes() []string {
	if r := p.view.Role(p.view.Snapshot.User); r != nil && r.Super {
		return []string{"SET LOCAL SESSION AUTHORIZATION " + lit(p.role)}
	}
	return []string{"SET LOCAL ROLE " + lit(p.role)}
}

func (p *prover) describe() {
	c := &p.report.Context
	s := p.view.Snapshot
	c.Target = s.Database.Name
	c.Role = p.role
	c.ServerVersion = fmt.Sprintf("%d.%d", s.Version/10000, s.Version%10000)
	c.Fingerprint = catalog.Fingerprint(s)
	c.Setting = p.model.Setting
	c.TenantA, c.TenantB = p.a, p.b
	c.Inferred = p.model.Inferred
	c.Mode = "plain"
	if p.Sealer != nil {
		c.Mode = "sealed"
		return
	}
	c.Forgeable = true
	c.Script = strings.Join([]string{
		"-- Whoever can run SQL as the application role can name any tenant: the plain setting",
		"-- carries no proof. Bind values, and see sealed mode, for programs that cannot be sure.",
		"-- Run as the application role.",
		"BEGIN;",
		"SELECT set_config(" + lit(p.model.Setting) + ", " + lit(p.a) + ", true);",
		"SELECT set_config(" + lit(p.model.Setting) + ", " + lit(p.b) + ", true);",
		"SELECT current_setting(" + lit(p.model.Setting) + ") AS tenant;",
		"ROLLBACK;",
	}, "\n")
}

// attack runs every family of probes.
func (p *prover) attack(ctx context.Context) error {
	for _, family := range []func(context.Context) error{
		p.attackConnection, p.attackUnbound, p.attackExpected, p.attackRows, p.attackOwners, p.attackStage,
	} {
		if err := family(ctx); err != nil {
			return err
		}
	}
	return nil
}
