package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

const (
	sealTenantA = "11111111-1111-1111-1111-111111111111"
	sealTenantB = "22222222-2222-2222-2222-222222222222"
)

// sealSteps is a database on a server of its own, because the role that owns the
// functions has a fixed name, and two configurations.
type sealSteps struct {
	*pgtest.Database
	app           string
	plain, sealed string
}

func newSealSteps(t *testing.T) *sealSteps {
	t.Helper()
	d := pgtest.NewCluster(t, postgres.Options{}).New(t)
	role := d.AppRole(t)
	d.Exec(t, fmt.Sprintf(`
		create table leads (tenant_id uuid not null, id int, name text, primary key (tenant_id, id));
		insert into leads values ('%[1]s', 1, 'a'), ('%[2]s', 1, 'b'), ('%[2]s', 2, 'b');
		create policy tenant_isolation on leads as restrictive using (tenant_id = (select
		  nullif(current_setting('app.current_tenant', true), '')::uuid));
		create policy tenant_access on leads to %[3]s using (true);
		alter table leads enable row level security, force row level security;
		grant select, insert, update, delete on leads to %[3]s`, sealTenantA, sealTenantB, role))
	key := filepath.Join(t.TempDir(), "seal.key")
	text := "roles: {application: " + role + "}\nsealed: {enabled: %t, key_file: " + key + "}\n"
	return &sealSteps{Database: d, app: d.As(t, role), plain: write(t, "plain.yaml", fmt.Sprintf(text, false)),
		sealed: write(t, "sealed.yaml", fmt.Sprintf(text, true))}
}

// step runs a command and checks its exit code and a part of what it prints.
func (s *sealSteps) step(t *testing.T, want int, part string, args ...string) {
	t.Helper()
	code, out, errs := run(t, args...)
	if code != want || !strings.Contains(out+errs, part) {
		t.Fatalf("moat %s: exit %d, want %d with %q\n%s%s", strings.Join(args, " "), code, want, part, out, errs)
	}
}

const forge = `select set_config('app.current_tenant', '` + sealTenantB + `', true); select tenant_id, name from leads`

func TestSealFromPlainAndBack(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: seal.TestAttacks
	s := newSealSteps(t)
	seal := func(want int, part string, args ...string) {
		t.Helper()
		s.step(t, want, part, append(append([]string{"seal"}, args...), "--config", s.plain, "--database-url", s.URL)...)
	}
	breakIn := func(config string, want int, part, sql string) {
		t.Helper()
		s.step(t, want, part, "breakin", "--tenant", sealTenantA, "--app-url", s.app, "--config", config, sql)
	}
	breakIn(s.plain, exitFound, "BROKEN IN: 2 rows", forge)
	seal(exitError, "moat seal key new", "on", "--apply")
	seal(exitOK, "not installed", "key", "status")
	s.step(t, exitError, "no policy reads the setting app.other", "seal", "off", "--config",
		write(t, "other.yaml", "tenant: {setting: app.other}\n"), "--database-url", s.URL)
	seal(exitFound, "CREATE TABLE IF NOT EXISTS moat.seal_key", "key", "new")
	seal(exitOK, "not installed", "key", "status")
	seal(exitOK, "was made", "key", "new", "--apply")
	seal(exitOK, "is in", "key", "new", "--apply")
	// A signing client works with plain policies already.
	breakIn(s.sealed, exitOK, "held", "select tenant_id, name from leads")
	seal(exitFound, "ALTER POLICY", "on")
	seal(exitOK, "Now sealed: 1 policy and 0 functions", "on", "--apply")
	seal(exitOK, "already sealed", "on")
	seal(exitOK, "Sealed: 1 policy. Reading the plain setting: 0", "key", "status")
	breakIn(s.sealed, exitOK, "held", forge)
	breakIn(s.sealed, exitOK, "own    "+sealTenantA, "select tenant_id, name from leads")
	breakIn(s.sealed, exitError, "cannot tell: select tenant_id of public.leads too", "select name from leads")
	breakIn(s.sealed, exitOK, "refused: ERROR: permission denied", "select * from moat.seal_key")
	s.step(t, exitOK, "a", "sql", "--tenant", sealTenantA, "--app-url", s.app, "--config", s.sealed,
		"select name from leads")

	seal(exitFound, "a new key is added", "key", "rotate")
	s.step(t, exitError, "35s is the least", "seal", "key", "rotate", "--grace", "0s", "--apply", "--config", s.plain,
		"--database-url", s.URL)
	seal(exitOK, "signs now", "key", "rotate", "--grace", "35s", "--apply")
	seal(exitOK, "until", "key", "status")
	breakIn(s.sealed, exitOK, "own", "select tenant_id from leads")
	s.Exec(t, "create or replace function moat.current_tenant() returns text language sql as $$ select 'x' $$")
	seal(exitFound, "moat.current_tenant is not the function", "key", "status")
	seal(exitOK, "", "key", "new", "--apply")
	seal(exitOK, "Now plain: 1 policy and 0 functions", "off", "--apply")
	breakIn(s.plain, exitFound, "BROKEN IN", forge)
}

func TestSealHarden(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: seal.TestHardening
	s := newSealSteps(t)
	s.step(t, exitOK, "made", "seal", "key", "new", "--apply", "--config", s.plain, "--database-url", s.URL)
	s.step(t, exitOK, "REVOKE TEMPORARY", "seal", "harden", "--config", s.plain, "--database-url", s.URL)
	s.step(t, exitOK, "temp_file_limit", "seal", "harden", "--apply", "--config", s.plain, "--database-url", s.URL)
	s.step(t, exitOK, "refused: ERROR: permission denied", "breakin", "--tenant", sealTenantA, "--app-url", s.app,
		"--config", s.sealed, "create temp table x (a int)")
	s.step(t, exitError, "no measure", "seal", "harden", "--only", "nonsense", "--config", s.plain, "--database-url",
		s.URL)
	s.step(t, exitOK, "GRANT TEMPORARY", "seal", "harden", "--only", "temp", "--undo", "--apply", "--config", s.plain,
		"--database-url", s.URL)
}

func TestBreakInReadsLines(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestBreakInTellsWhoseRowsCameBack
	s := newSealSteps(t)
	var out strings.Builder
	in := strings.NewReader("select nonsense\n\nselect tenant_id from leads\n" + forge + "\n")
	code := Main(t.Context(), []string{"breakin", "--tenant", sealTenantA, "--app-url", s.app, "--config", s.plain},
		IO{In: in, Out: &out, Err: &out})
	if text := out.String(); code != exitFound || strings.Count(text, "held") != 2 ||
		strings.Count(text, "BROKEN IN") != 1 {
		t.Errorf("exit %d:\n%s", code, text)
	}
}

// protect --sealed goes all the way and back: the plan is empty afterwards, a later
// table is sealed with the others, the guard does not stand in the way, and --undo
// leaves nothing of sealed mode.
// servesBy has servers start, with the key and form of signature that the database knows, and no other.
func (s *sealSteps) servesBy(t *testing.T, key string) {
	t.Helper()
	issuer := strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32))) + "\n"
	serve := func(want int, part, sealed string) string {
		t.Helper()
		config := write(t, "moat.yaml", issuer+sealed)
		s.step(t, want, part, "serve", "--check", "--config", config, "--app-url", s.app)
		return config
	}
	other := filepath.Join(t.TempDir(), "other.key")
	if err := seal.WriteKeys(other, seal.NewKey()); err != nil {
		t.Fatal(err)
	}
	serve(exitError, "sealed.enabled is not set", "")
	serve(exitOK, "", "sealed: {enabled: true, key_file: "+key+"}")
	serve(exitError, "could not be verified", "sealed: {enabled: true, key_file: "+other+"}")
	anywhere := "sealed: {enabled: true, any_connection: true, key_file: " + key + "}"
	config := serve(exitError, "could not be verified", anywhere)
	keys := func(want int, part, verb string) {
		t.Helper()
		s.step(t, want, part, "seal", "key", verb, "--apply", "--config", config, "--database-url", s.URL)
	}
	keys(exitError, "rotate --any-connection", "new")
	keys(exitOK, "signs now", "rotate")
	serve(exitOK, "", anywhere)
	s.step(t, exitOK, "0 leaks, 0 undecided", "prove", "--config", config, "--app-url", s.app, s.URL)
	keys(exitOK, "any_connection: true", "new")
}

func TestProtectSealed(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSealFromPlainAndBack
	d := pgtest.NewCluster(t, postgres.Options{}).New(t)
	d.Exec(t, fmt.Sprintf(`create role moat_app login;
		create table tenants (id uuid primary key, name text);
		insert into tenants values ('%[1]s', 'A'), ('%[2]s', 'B');
		create table leads (tenant_id uuid not null references tenants, id int, name text, tags jsonb,
			primary key (tenant_id, id));
		create index on leads using gin (tags);
		insert into leads values ('%[1]s', 1, 'a'), ('%[2]s', 2, 'b');
		grant select, insert, update, delete on leads to moat_app`, sealTenantA, sealTenantB))
	key := filepath.Join(t.TempDir(), "seal.key")
	config := write(t, "moat.yaml", "sealed: {enabled: true, key_file: "+key+"}\n")
	s := &sealSteps{Database: d, app: d.As(t, "moat_app")}
	protect := func(want int, part string, args ...string) {
		t.Helper()
		s.step(t, want, part, append([]string{"protect", "--config", config, d.URL}, args...)...)
	}
	breakIn := func(sql string) {
		t.Helper()
		s.step(t, exitOK, "held", "breakin", "--tenant", sealTenantA, "--app-url", s.app, "--config", config, sql)
	}
	protect(exitError, "--sealed needs --apply", "--sealed")
	protect(exitOK, "Now sealed: ", "--apply", "--until", "guards", "--sealed")
	breakIn(forge)
	s.step(t, exitOK, "(1 row)", "sql", "--tenant", sealTenantA, "--app-url", s.app, "--config", config,
		"select * from leads")
	protect(exitOK, "")
	s.servesBy(t, key)

	d.Exec(t, `create table notes (tenant_id uuid not null references tenants, id int, primary key (tenant_id, id))`)
	protect(exitOK, "Now sealed: ", "--apply", "--until", "guards")
	s.step(t, exitOK, "Reading the plain setting: 0", "seal", "key", "status", "--config", config, "--database-url", d.URL)
	s.step(t, exitOK, "", "audit", "--fail-on", "medium", "--config", config, d.URL, "--baseline", acceptServer(t, d.URL))
	protect(exitOK, "", "--undo", "--apply")
	s.step(t, exitOK, "the plain setting is read by 0 policies", "seal", "key", "status", "--config", config,
		"--database-url", d.URL)
}
