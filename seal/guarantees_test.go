package seal_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

// guarantee is one thing that sealed mode relies on, how to take it away, and the
// attack that then works.
type guarantee struct {
	name   string
	sql    string      // takes it away, as superuser; {…} as in attacks
	edits  [][3]string // or: function, text, other text
	attack string
	// anyBackend has the program sign for any connection, as the key then demands.
	anyBackend bool
}

const (
	enterFunction  = "moat.enter(text,bigint,text,bytea,text)"
	tenantFunction = "moat.current_tenant()"
)

var guarantees = []guarantee{
	{name: "the signature is compared", attack: "own hash for a signature",
		edits: [][3]string{{enterFunction, "= signature", "is not null"}}},
	{name: "a token expires", attack: "expired token of B's",
		edits: [][3]string{{enterFunction, "BETWEEN 0 AND 300", "is not null"}}},
	{name: "a token may not be valid for long", attack: "token that is valid for too long",
		edits: [][3]string{{enterFunction, "AND 300", "AND 30000"}}},
	{name: "a retired key is refused", attack: "token with a retired key",
		edits: [][3]string{{enterFunction, "k.valid_until > clock_timestamp()", "true"}}},
	{name: "a token holds on its own connection", attack: "token for any connection",
		sql: "update moat.seal_key set any_backend = true", anyBackend: true},
	{name: "a transaction is bound once", attack: "second binding, with an unexpired token of B's",
		edits: [][3]string{{enterFunction, "moat.current_tenant() <> tenant", "false"}}},
	{name: "the sealed value is compared", attack: "own MAC, B's name",
		edits: [][3]string{{tenantFunction, "= left(sealed, 64)", "is not null"}}},
	{name: "the sealed value holds in its own transaction",
		attack: "B's sealed value of an earlier transaction of this connection",
		edits:  withoutStart},
	{name: "the sealed value holds in its own process", attack: "B's sealed value of a transaction that is open elsewhere",
		edits: append(slices.Clone(withoutStart), [3]string{enterFunction, "|| int4send(pg_backend_pid()) ", ""},
			[3]string{tenantFunction, "|| int4send(pg_backend_pid()) ", ""})},
	{name: "the function has a fixed search_path", attack: "built-in functions in a schema of one's own",
		sql: `alter function moat.current_tenant() reset search_path; grant create on database "{database}" to "{role}"`},
	{name: "the keys are readable by the functions' owner only", attack: "key table",
		sql: `grant select on moat.seal_key to "{role}"`},
	{name: "the application does not own the functions", attack: "function moat.current_tenant replaced",
		sql: `grant create on schema moat to "{role}"; alter function moat.current_tenant() owner to "{role}";
			grant execute on function moat.current_tenant() to "{sealer}"`},
	{name: "the policies read the sealed tenant", attack: "set_config in a CASE around a sub-select",
		sql: `alter policy tenant_isolation on app.leads using (tenant_id = (select
			current_setting('app.current_tenant')::uuid))`},
}

var withoutStart = [][3]string{
	{enterFunction, "timestamptz_send(transaction_timestamp())", "''::bytea"},
	{tenantFunction, "timestamptz_send(transaction_timestamp())", "''::bytea"},
}

// TestGuaranteesCarry takes each guarantee away and sees an attack work that failed
// before: the attacks test what they are meant to.
func TestGuaranteesCarry(t *testing.T) {
	t.Parallel()
	for i, g := range guarantees {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			pgtest.OneOf(t, 4, i)
			a := sealedTarget(t)
			at := named(t, g.attack)
			if a.run(t, at) {
				t.Fatalf("%s works with every guarantee in force", at.name)
			}
			for _, e := range g.edits {
				a.edit(t, e)
			}
			if g.sql != "" {
				a.Exec(t, strings.NewReplacer("{role}", a.Role, "{database}", a.Name, "{sealer}", a.Owner).Replace(g.sql))
			}
			if g.anyBackend {
				a.way.Sealer = a.sealer(t, &seal.Options{AnyBackend: true})
			}
			if !a.run(t, at) {
				t.Errorf("%s does not work without it", at.name)
			}
		})
	}
}

// TestProcessIsPartOfTheSeal drops the transaction's start from what is authenticated:
// the process id alone still voids a value of another connection.
func TestProcessIsPartOfTheSeal(t *testing.T) {
	t.Parallel()
	a := sealedTarget(t)
	for _, e := range withoutStart {
		a.edit(t, e)
	}
	if a.run(t, named(t, "B's sealed value of a transaction that is open elsewhere")) {
		t.Error("a sealed value of another process is accepted")
	}
}

func sealedTarget(t *testing.T) *target {
	t.Helper()
	f := newFixture(t, pgtest.Shared(t))
	f.prepare(t)
	return newTarget(t, f, way{"sealed", seal.Sealed,
		moat.Options{SubjectSetting: "app.subject", Sealer: f.sealer(t, nil)}})
}

func named(t *testing.T, name string) attack {
	t.Helper()
	for _, a := range attacks() {
		if a.name == name {
			return a
		}
	}
	t.Fatalf("no attack is called %q", name)
	return attack{}
}

// edit changes the text of a function, as superuser. The open transaction elsewhere is
// bound again, by the function as it is now.
func (a *target) edit(t *testing.T, e [3]string) {
	t.Helper()
	var source string
	must(t, a.admin.QueryRow(t.Context(), "select pg_get_functiondef($1::regprocedure)", e[0]).Scan(&source))
	changed := strings.ReplaceAll(source, e[1], e[2])
	if changed == source {
		t.Fatalf("%s has no %q", e[0], e[1])
	}
	a.Exec(t, changed)
	a.other.Close(t.Context())
	a.openOther(t)
}
