package drivers

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lib/pq"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Go's older driver. pgx runs in the proxy's own tests.
func TestLibPQ(t *testing.T) {
	t.Parallel()
	binary := build(t)
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		env := map[string]string{}
		for _, line := range serve(t, c.New(t), binary) {
			name, value, _ := strings.Cut(line, "=")
			env[name] = value
		}
		own := map[string]string{"TOKEN_A": "a1 a2", "TOKEN_B": "b1 b2 b3", "": ""}
		open := func(token string) *sql.DB {
			db, err := sql.Open("postgres", fmt.Sprintf("host=%s port=%s dbname=%s user=app password=%s sslmode=disable",
				env["PGHOST"], env["PGPORT"], env["PGDATABASE"], env[token]))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			db.SetMaxOpenConns(2)
			return db
		}
		for _, who := range []string{"TOKEN_A", "TOKEN_B"} {
			db := open(who)
			names(t, db, own[who])
			names(t, db, own[who], 0)
			tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable})
			if err != nil {
				t.Fatal(err)
			}
			names(t, tx, own[who], 0)
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
		}
		pool := open("TOKEN_SERVICE")
		for _, who := range []string{"TOKEN_A", "TOKEN_B", "", "TOKEN_A", "TOKEN_B"} {
			tx, err := pool.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if who != "" {
				if _, err := tx.Exec("SET LOCAL moat.tenant_token = " + pq.QuoteLiteral(env[who])); err != nil {
					t.Error(err)
				}
			}
			names(t, tx, own[who], 0)
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
		}
		tx, err := pool.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec("SET LOCAL moat.tenant_token = 'x.y.z'")
		var refused *pq.Error
		if !errors.As(err, &refused) || refused.Code != "28P01" {
			t.Errorf("a wrong token: %v", err)
		}
		_ = tx.Rollback()
	})
}

type querier interface {
	Query(query string, args ...any) (*sql.Rows, error)
}

// names compares the names of leads; with an argument the statement is prepared.
func names(t *testing.T, q querier, want string, args ...any) {
	t.Helper()
	text := "select name from leads order by name"
	if len(args) > 0 {
		text = "select name from leads where id > $1 order by name"
	}
	rows, err := q.Query(text, args...)
	if err != nil {
		t.Error(err)
		return
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Error(err)
		}
		got = append(got, name)
	}
	if strings.Join(got, " ") != want || rows.Err() != nil {
		t.Errorf("%v: %q, %v; want %q", args, got, rows.Err(), want)
	}
}

var recipe = regexp.MustCompile(`(?s)(?:#|//) recipe: ([a-z ]+)\n(.*?)\n *(?:#|//) end\n`)

// The recipes of the documentation are those that the suites run.
func TestRecipesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "how-to", "one-pool-for-all-tenants.md"))
	if err != nil {
		t.Fatal(err)
	}
	tutorial, err := os.ReadFile(filepath.Join("..", "..", "docs", "tutorials", "an-agencys-leads.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("suites/*_suite.*")
	if err != nil {
		t.Fatal(err)
	}
	found, taught := 0, 0
	for _, file := range append(files, "suites/Jdbc.java", "suites/Spring.java", "suites/ActiveRecordSuite.rb") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range recipe.FindAllStringSubmatch(string(text), -1) {
			found++
			if !strings.Contains(string(page), dedent(m[2])+"\n```") {
				t.Errorf("%s: the page does not have the recipe:\n%s", m[1], dedent(m[2]))
			}
			if strings.Contains(string(tutorial), dedent(m[2])+"\n```") {
				taught++
			}
		}
	}
	if taught != 2 {
		t.Errorf("the tutorial has %d recipes as the suites run them, and teaches 2", taught)
	}
	if found < 10 {
		t.Errorf("%d recipes in the suites", found)
	}
}

// dedent takes the indentation of the first line off all lines.
func dedent(text string) string {
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n"+indent, "\n"), indent)
}
