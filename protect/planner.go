package protect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"

	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// New computes the plan: what the database lacks that v shows, with the tenants of its
// model. It reads nothing but its arguments. It is an error when the model has no
// tenant column or a setting that cannot be one.
func New(v *policy.View, c Config) (*Plan, error) {
	m := v.Model
	if m.Column == "" || m.Type == "" {
		return nil, fmt.Errorf("no tenant column found: set tenant.column and tenant.type in moat.yaml")
	}
	if !strings.Contains(m.Setting, ".") {
		return nil, fmt.Errorf("setting %q: the name of a custom setting needs a dot, as in app.current_tenant", m.Setting)
	}
	inferred := false
	if v.Current("text") == "" {
		members := v.ByMembership()
		if members == nil {
			return nil, &PersonError{Setting: m.Setting, Claim: m.Claim, Membership: m.Membership}
		}
		v, inferred = members, m.Shapes.Caller == nil
	}
	c = c.withDefaults()
	c.Facts.Tenant = m.Setting
	p := newPlanner(v.Unobserved(), c)
	p.inferred = inferred
	p.actual = v
	p.roles()
	p.columns()
	p.askShapes()
	p.callerTenants()
	p.tree()
	p.tenantNames()
	p.backfills()
	p.strays()
	p.keys()
	p.indexes()
	p.nearest()
	p.policies()
	p.sharedUniques()
	p.citus()
	p.observe()
	p.triggers()
	p.enforce()
	p.endObserve()
	p.guards()
	p.finish()
	return p.plan, nil
}

// planner is the state of one call of New.
type planner struct {
	*policy.View
	// s, and the View, show the database as if it were not observed; actual as it is.
	s      *catalog.Snapshot
	actual *policy.View
	m      *catalog.Model
	c      Config
	plan   *Plan

	byName    map[catalog.QName]*table
	tables    []*table // tenant and tenants tables: parents before children
	shared    []*catalog.Relation
	steps     map[Group][]Step
	unable    map[string]bool // planned steps, by ID, that the connected role may not run
	sequences map[string]bool // see drawn
	taken     map[string]bool // schema.name of relations that exist or are planned
	baseline  *baseline.List
	inferred  bool // the caller's memberships are those that the policies of today ask
	app       bool // the application role exists or can be made
	operator  bool // the operator, too
	user      *catalog.Role
	walls     map[catalog.QName]catalog.Policy // planned
}

// table is a table that has, or gets, a tenant column.
type table struct {
	rel    *catalog.Relation
	class  catalog.Class
	column string
	typ    string
	// missing: the column has to be added; open: it may still hold NULL.
	missing, open bool
	// source is where the tenant of a row comes from, for a missing or open column.
	source *source
	// inherits is the parent of an inheritance child, whose ADD COLUMN and NOT NULL
	// reach the child as well.
	inherits *table
	uniques  [][]string // unique keys wanted or there, as column sets
}

// source is the foreign key that a row's tenant is found through.
type source struct {
	constraint string
	columns    []string
	parent     *table
	refColumns []string
	limit      string // where several rows of the parent may fit
}

func newPlanner(v *policy.View, c Config) *planner {
	s := v.Snapshot
	p := &planner{View: v, s: s, m: v.Model, c: c, baseline: baseline.Judge(c.Baseline, s, c.Today),
		plan: &Plan{Version: 1, Database: s.Database.Name, Server: s.Version, User: s.User, Model: v.Model,
			Chosen: map[string]string{}},
		byName: map[catalog.QName]*table{}, steps: map[Group][]Step{}, unable: map[string]bool{}, taken: map[string]bool{},
		walls: map[catalog.QName]catalog.Policy{},
	}
	p.user = p.Role(s.User)
	if p.user == nil {
		p.user = &catalog.Role{Name: s.User}
	}
	p.readNames()
	p.classify()
	p.plannedModel()
	return p
}

// plannedModel is the view of the database as it will be: the tables that get a tenant
// column have it.
func (p *planner) plannedModel() {
	m := *p.m
	m.Tables = slices.Clone(m.Tables)
	for i := range m.Tables {
		if t := p.byName[m.Tables[i].Table]; t != nil {
			m.Tables[i].Column, m.Tables[i].Type = t.column, t.typ
		}
	}
	p.View = p.View.With(&m)
}

func (p *planner) readNames() {
	for _, r := range p.s.Relations {
		p.taken[r.QName().String()] = true
		for _, x := range r.Indexes {
			p.taken[r.Schema+"."+x.Name] = true
		}
	}
}

// add puts a step into its group. Lists are never nil, so that JSON has [].
func (p *planner) add(s Step) {
	if s.Kind == "" {
		s.Kind = KindSQL
	}
	s.Transactional = s.Kind == KindSQL || s.Kind == KindSchema || s.Kind == KindSwap
	if s.Undo == nil {
		s.Undo = []string{}
	}
	if s.SQL == nil {
		s.SQL = []string{}
	}
	p.steps[s.Group] = append(p.steps[s.Group], s)
}

func (p *planner) leave(l Left) { p.plan.Left = append(p.plan.Left, l) }

func (p *planner) note(object, reason string) {
	p.plan.Unchanged = append(p.plan.Unchanged, Note{object, reason})
}

// finish strings the groups together, drops the steps behind a check that found
// rows, and gives every list a value.
func (p *planner) finish() {
	for _, g := range append(Groups(), GroupPartition) {
		p.plan.Steps = append(p.plan.Steps, p.steps[g]...)
	}
	p.schemaStep()
	p.dropStopped()
	p.askStrays()
	p.askUnseen()
	p.dropForbidden()
	if p.plan.Steps == nil {
		p.plan.Steps = []Step{}
	}
	if p.plan.Decisions == nil {
		p.plan.Decisions = []Decision{}
	}
	if p.plan.Left == nil {
		p.plan.Left = []Left{}
	}
	if p.plan.Unchanged == nil {
		p.plan.Unchanged = []Note{}
	}
	p.plan.Fingerprint = fingerprint(p.actual.Snapshot)
	p.plan.Connect = p.connect()
	for _, r := range p.baseline.Reopened {
		if strings.HasPrefix(r.Kind, QuestionKind("")) {
			p.plan.Reopened = append(p.plan.Reopened, r)
		}
	}
}

// schemaStep puts the schema moat first when a step needs it and it is not there.
func (p *planner) schemaStep() {
	if p.Schema(Schema) != nil || !slices.ContainsFunc(p.plan.Steps, needsSchema) {
		return
	}
	step := Step{ID: "roles/schema", Group: GroupRoles, Kind: KindSchema, Title: "create schema " + Schema,
		SQL: []string{"CREATE SCHEMA IF NOT EXISTS " + Schema}, Undo: []string{"DROP SCHEMA IF EXISTS " + Schema},
		Transactional: true, Reason: "moat keeps its own functions there, apart from the application's schemas"}
	p.plan.Steps = append([]Step{step}, p.plan.Steps...)
}

func needsSchema(s Step) bool {
	return slices.ContainsFunc(s.SQL, func(q string) bool { return strings.Contains(q, Schema+".") })
}

// dropStopped leaves out every step that the connected role may not run, or whose check found
// rows, and those after it that need it. It asks about the rows instead.
func (p *planner) dropStopped() {
	gone := maps.Clone(p.unable)
	var kept []Step
	for _, s := range p.plan.Steps {
		if gone[s.ID] || s.needsAny(gone) {
			gone[s.ID] = true
			continue
		}
		if s.Check != nil {
			if f, ok := p.c.Stopped[s.Check.ID]; ok && f.Count > 0 {
				gone[s.ID] = true
				p.askStopped(s.Check, f, s.Title, s.Table)
				continue
			}
		}
		kept = append(kept, s)
	}
	p.plan.Steps = kept
}

// askStopped asks about the rows that a check found, unless the configuration says what
// they are.
func (p *planner) askStopped(ck *Check, f Found, title string, q catalog.QName) {
	if p.answeredRows(ck, q) {
		return
	}
	d := Decision{ID: "rows/" + ck.ID, Table: q, Object: ck.Object,
		Question: fmt.Sprintf("%s: %s. Which tenant owns them?", english.Count(f.Count, "row"), ck.What),
		Why: "moat does not move rows between tenants. Correct or delete these rows, then plan again, or say what they " +
			"are. Examples: " + strings.Join(f.Sample, "; ") + " (stops: " + title + ")",
		SQL: []string{ck.Sample}, Config: ck.config(q)}
	p.decide(d)
}

// askUnseen asks about rows that nobody could look at.
func (p *planner) askUnseen() {
	if p.c.Unseen == nil || len(p.plan.checks()) == 0 {
		return
	}
	p.decide(Decision{ID: "rows/unseen", Object: p.s.Database.Name,
		Question: "Are there rows without a tenant, or of another one? " + p.s.User + " could not look.",
		Why:      p.c.Unseen.Error() + ". Plan as a superuser or as a role with BYPASSRLS."})
}

// config is the key that says what the rows are that a check finds.
func (c *Check) config(q catalog.QName) string {
	if strings.HasPrefix(c.ID, "crossing/") {
		return fmt.Sprintf("protect: {crossing_keys: [%s.%s]}   # such rows may stay", key(q), c.Object)
	}
	return fmt.Sprintf("tables: {shared_rows: {%s: null}}   # every tenant reads rows without a tenant\n"+
		"protect: {hidden_rows: [%s]}   # or: no tenant sees these rows", key(q), key(q))
}

func (p *planner) answeredRows(ck *Check, q catalog.QName) bool {
	if strings.HasPrefix(ck.ID, "crossing/") {
		return slices.Contains(p.c.Crossing, key(q)+"."+ck.Object)
	}
	return slices.Contains(p.c.Hidden, key(q))
}

func (p *planner) hasSchema(name string) bool { return slices.Contains(p.m.Schemas, name) }

// major is the server's major version.
func (p *planner) major() int { return p.s.Version / 10000 }

// connect says who connects as whom from now on.
func (p *planner) connect() string {
	owner := "an owner is bound by the policies, so that its UPDATE changes 0 rows and its pg_dump fails."
	said := p.connectAs() + " From group enforce on, "
	if p.operator {
		return said + "run migrations, backfills and pg_dump as " + p.c.Roles.Operator + ", or as a superuser: " +
			owner
	}
	return said + owner + " Without a role that has BYPASSRLS, back up with the provider's snapshots, and change rows " +
		"one tenant at a time, or before."
}

// connectAs says which role the application connects as: the application role, or a login
// that becomes it where it is none itself.
func (p *planner) connectAs() string {
	app := p.c.Roles.Application
	r := p.Role(app)
	if r == nil || r.Login {
		return fmt.Sprintf("Connect the application as %[1]s: put %[1]s in place of the user in its connection string. "+
			"If the role has no password yet, set one with \\password %[1]s in psql, or use certificate or peer "+
			"authentication.", app)
	}
	logins := list.Pick(p.s.Roles, func(l catalog.Role) (string, bool) {
		return l.Name, l.Login && !l.Super && !l.BypassRLS && p.Joined(l.Name, app, catalog.Set)
	})
	if len(logins) == 0 {
		return fmt.Sprintf("%[1]s cannot log in: make a login role for the application, with GRANT %[2]s TO it, that "+
			"becomes %[1]s with SET ROLE.", app, sqltext.Ident(app))
	}
	return fmt.Sprintf("%[1]s cannot log in: connect the application as %[2]s, which may become it, and let it SET ROLE "+
		"%[3]s, as PostgREST does for each request.", app, english.Or(logins), sqltext.Ident(app))
}

func key(q catalog.QName) string { return q.String() }
