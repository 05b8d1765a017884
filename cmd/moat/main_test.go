package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// child makes this test binary the command itself.
const child = "MOAT_MAIN_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestClosedPipe applies and undoes while nobody reads what is printed, as behind head.
func TestClosedPipe(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, `CREATE TABLE tenants (id uuid PRIMARY KEY);
		CREATE TABLE orders (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants);`)
	roles := db.Name[len("moat_test"):]
	config := t.TempDir() + "/moat.yaml"
	text := "roles: {"
	for _, role := range []string{"owner", "application", "operator", "definer"} {
		text += role + ": " + role + roles + ", "
		db.Adopt(role + roles)
	}
	if err := os.WriteFile(config, []byte(text+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		read.Close()
		defer write.Close()
		cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"protect", db.URL, "--config", config},
			args...)...)
		cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), child+"=1"), write, write
		if err := cmd.Run(); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	forced := func() (on bool) {
		t.Helper()
		err := db.Conn(t, db.URL).QueryRow(t.Context(),
			"SELECT relforcerowsecurity FROM pg_class WHERE oid = 'public.orders'::regclass").Scan(&on)
		if err != nil {
			t.Fatal(err)
		}
		return on
	}
	if run("--apply", "--until", "guards"); !forced() {
		t.Error("apply stopped at the closed pipe")
	}
	if run("--undo", "--apply"); forced() {
		t.Error("undo stopped at the closed pipe")
	}
}
