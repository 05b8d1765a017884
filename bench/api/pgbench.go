package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The statements that moat sends for the two shapes. pgbench prepares them, with what a
// caller has in place of moat's parameters: its variables cannot be texts of a list.
const (
	bindSQL = `select pg_catalog.set_config('app.current_tenant', :tenant, true),
		pg_catalog.set_config('app.subject', :subject, true),
		pg_catalog.set_config('app.role', 'client', true),
		pg_catalog.set_config('request.jwt.claims', :claims, true);`

	fieldsSQL = `SELECT t1."id" AS "id", t1."name" AS "name", t1."email" AS "email", t1."company" AS "company",
		t1."status" AS "status", t1."value" AS "value", t1."score" AS "score", t1."created_at" AS "created_at" FROM
		"app"."leads" AS t1 `
	listSQL  = fieldsSQL + `WHERE t1."tenant_id" = :tenant::uuid ORDER BY t1."created_at" DESC LIMIT 50;`
	pointSQL = fieldsSQL + `WHERE t1."tenant_id" = :tenant::uuid AND t1."id" = :lead::uuid LIMIT 1000;`
)

// pgbench is PostgreSQL's own load generator with the statements of a shape.
type pgbench struct {
	tally
	command    string
	args       []string
	env        []string
	postmaster int
	startUp    tally // processor time of connecting and preparing
}

func newPgbench(ctx context.Context, d *database, connections int, sql string) (*pgbench, error) {
	command, err := exec.LookPath("pgbench")
	if err != nil {
		return nil, fmt.Errorf("pgbench comes with PostgreSQL's server package: %w", err)
	}
	b := &pgbench{tally: tally{label: "pgbench"}, command: command,
		args: []string{"--no-vacuum", "--protocol=prepared", "--jobs=1", "--client=" + strconv.Itoa(connections)}}
	for i, c := range d.callers[:len(d.demo.Clients)] {
		file := filepath.Join(d.dir, fmt.Sprintf("pgbench-%d.sql", i))
		if err := os.WriteFile(file, []byte(script(c, sql)), 0o600); err != nil {
			return nil, err
		}
		b.args = append(b.args, "--file="+file)
	}
	b.args = append(b.args, d.url("bench_pgbench"))
	b.env = append(os.Environ(), "PGOPTIONS=-c plan_cache_mode=force_generic_plan")
	if b.postmaster, err = parentOf(int(d.admin.PgConn().PID())); err != nil {
		return nil, err
	}
	b.startUp, err = b.run(ctx, "--transactions=1")
	return b, err
}

// script sends both statements as moat does: in one pipeline, without BEGIN.
func script(c caller, sql string) string {
	claims := claimsOf(c.tenant, c.subject)
	quoted := func(s string) string { return "'" + s + "'" }
	bind := strings.NewReplacer(":claims", quoted(claims), ":subject", quoted(c.subject), ":tenant", quoted(c.tenant),
		":lead", quoted(c.lead))
	return "\\startpipeline\n" + bind.Replace(bindSQL) + "\n" + bind.Replace(sql) + "\n\\endpipeline\n"
}

func (b *pgbench) turn(ctx context.Context, window time.Duration, counted bool) error {
	seconds := max(1, int(window.Round(time.Second)/time.Second))
	t, err := b.run(ctx, "--time="+strconv.Itoa(seconds))
	if err == nil && counted {
		b.requests += t.requests
		b.wall += t.wall
		b.own += t.own - b.startUp.own
		b.backends += t.backends - b.startUp.backends
	}
	return err
}

var processed = regexp.MustCompile(`transactions actually processed: (\d+)`)
var rate = regexp.MustCompile(`tps = ([0-9.]+) \(without`)

// run runs pgbench once. Its backends end with it, so that their time is in what the
// postmaster's children used.
func (b *pgbench) run(ctx context.Context, length string) (t tally, err error) {
	before, err := childrenTime(b.postmaster)
	if err != nil {
		return t, err
	}
	cmd := exec.CommandContext(ctx, b.command, append([]string{length}, b.args...)...)
	cmd.Env = b.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return t, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	time.Sleep(100 * time.Millisecond) // the last backends are on their way out
	after, err := childrenTime(b.postmaster)
	if err != nil {
		return t, err
	}
	count, tps := processed.FindSubmatch(out), rate.FindSubmatch(out)
	if count == nil || tps == nil {
		return t, fmt.Errorf("pgbench printed no rate: %s", out)
	}
	t.requests, err = strconv.Atoi(string(count[1]))
	if err != nil {
		return t, err
	}
	perSecond, err := strconv.ParseFloat(string(tps[1]), 64)
	if err != nil {
		return t, err
	}
	t.wall = time.Duration(float64(t.requests) / perSecond * float64(time.Second))
	t.own, t.backends = cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), after-before
	return t, nil
}
