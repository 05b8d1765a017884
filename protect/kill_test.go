package protect

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// child makes this test binary apply a plan and nothing else: a process to kill.
const child = "MOAT_PROTECT_TEST_CHILD"

// stepMark begins the line that says which step the child is at.
const stepMark = "step"

// TestChild is the process that TestKilled kills; without the variable it is empty.
func TestChild(t *testing.T) {
	t.Parallel()
	url := os.Getenv(child)
	if url == "" {
		return
	}
	b := benchOf(url, os.Getenv(child+"_ROLES"))
	b.cfg.Narrowed = teamTables() // of the tests of observe; the others have no such question
	step := func(p Progress) { fmt.Println(stepMark, p.Number) }
	switch os.Getenv(child + "_DOES") {
	case "observe":
		b.cfg.Observe = true
		if _, err := Apply(t.Context(), b.open, b.plan(t), ApplyOptions{Until: GroupObserve, Progress: step}); err != nil {
			t.Fatal(err)
		}
		return
	case "":
	case "undo":
		if _, err := Undo(t.Context(), b.open, ApplyOptions{Progress: step}); err != nil {
			t.Fatal(err)
		}
		return
	default:
		partitionChild(t, b, os.Getenv(child+"_DOES"))
		return
	}
	if _, err := Apply(t.Context(), b.open, b.plan(t),
		ApplyOptions{Until: GroupGuards, BatchSize: 2000, Progress: step}); err != nil {
		t.Fatal(err)
	}
}

// larger has rows enough for a kill to hit a backfill, and every kind of step.
const larger = simple + `
INSERT INTO app.orders (tenant_id) SELECT ('00000000-0000-0000-0000-00000000000' || 1 + i % 3)::uuid FROM
  generate_series(1, 5000) i;
INSERT INTO app.lines (order_id, qty) SELECT 1 + i % 5000, i FROM generate_series(1, 9000) i;
INSERT INTO app.notes SELECT 1 + i % 9000, 'note ' || i FROM generate_series(1, 9000) i;
CREATE TABLE app.events (id bigserial, line_id bigint NOT NULL REFERENCES app.lines, at date NOT NULL,
  PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE app.events_old PARTITION OF app.events FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE app.events_new PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
CREATE INDEX events_at ON app.events (at);
INSERT INTO app.events (line_id, at) SELECT 1 + i % 9000, '2025-01-01'::date + i % 700 FROM generate_series(1, 4000) i;
ANALYZE;
`

// rowsOf is the sum of what was in the tables before, and of whose it must be now.
func rowsOf(t *testing.T, b *bench) string {
	t.Helper()
	const q = `SELECT concat_ws(' ',
	  (SELECT md5(string_agg(l.id || ':' || l.order_id || ':' || l.qty, ',' ORDER BY l.id)) FROM app.lines l),
	  (SELECT md5(string_agg(n.line_id || n.body, ',' ORDER BY n.line_id, n.body)) FROM app.notes n),
	  (SELECT md5(string_agg(e.id || ':' || e.line_id || ':' || e.at, ',' ORDER BY e.id)) FROM app.events e),
	  (SELECT count(*) FROM app.lines l JOIN app.orders o ON o.id = l.order_id WHERE l.tenant_id IS DISTINCT FROM
	    o.tenant_id),
	  (SELECT count(*) FROM app.notes n JOIN app.lines l ON l.id = n.line_id WHERE n.tenant_id IS DISTINCT FROM
	    l.tenant_id),
	  (SELECT count(*) FROM app.events e JOIN app.lines l ON l.id = e.line_id WHERE e.tenant_id IS DISTINCT FROM
	    l.tenant_id))`
	var sum string
	if err := b.Conn(t, b.URL).QueryRow(t.Context(), q).Scan(&sum); err != nil {
		t.Fatal(err)
	}
	return sum
}

// neutral is a Snapshot's text without the names that differ between two databases
// of a test, and without the journal.
func (b *bench) neutral(t *testing.T) string {
	t.Helper()
	s := b.snapshot(t)
	var kept []catalog.Relation
	for _, r := range s.Relations {
		if r.Schema != Schema || r.Name == "protected" {
			kept = append(kept, r)
		}
	}
	s.Relations = kept
	return strings.NewReplacer(b.Name, "DATABASE", b.suffix, "ROLES").Replace(text(t, s))
}

// TestKilled kills apply at random moments and runs it again: the schema is that of
// a run that was not killed, and no row is lost or changed.
func TestKilled(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestUndoAfterKill
	reference := newBench(t, larger)
	steps := len(reference.plan(t).Steps)
	reference.apply(t, GroupGuards)
	want, wantRows := reference.neutral(t), rowsOf(t, reference)
	rounds := pgtest.Rounds(t, "MOAT_TEST_KILLS", 4, 1)
	random := rand.New(rand.NewPCG(4, uint64(rounds)))
	for i := range rounds {
		// Every part of the plan is hit once before any is hit twice.
		at := 1 + i*steps/rounds + random.IntN(max(steps/rounds, 1))
		delay := time.Duration(random.IntN(15_000)) * time.Microsecond
		b := newBench(t, larger)
		killAt(t, b, at, delay)
		t.Logf("round %d: killed %v into step %d, %d steps were left", i, delay, at, len(b.plan(t).Steps))
		b.apply(t, GroupGuards)
		if d := diff(want, b.neutral(t)); d != "" {
			t.Errorf("round %d, killed at step %d: schema (- whole, + killed):\n%s", i, at, d)
		}
		if d := diff(wantRows, rowsOf(t, b)); d != "" {
			t.Errorf("round %d, killed at step %d: rows (- whole, + killed):\n%s", i, at, d)
		}
		if again := b.plan(t); !again.Empty() {
			t.Errorf("round %d: second plan: %s", i, show(again))
		}
	}
}

// killAt applies in a process of its own and kills it the delay after it has come
// to a step.
func killAt(t *testing.T, b *bench, step int, delay time.Duration) {
	t.Helper()
	killDoing(t, b, "", step, delay)
}

// killDoing kills a child that does something else.
func killDoing(t *testing.T, b *bench, does string, step int, delay time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), child+"="+b.URL, child+"_ROLES="+b.suffix, child+"_DOES="+does)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := ""
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		seen += lines.Text() + "\n"
		var n int
		if _, err := fmt.Sscanf(lines.Text(), stepMark+" %d", &n); err == nil && n >= step {
			break
		}
	}
	time.Sleep(delay)
	_ = cmd.Process.Kill()
	if err := cmd.Wait(); err != nil && !strings.Contains(err.Error(), "killed") {
		t.Fatalf("child: %v\n%s", err, seen)
	}
	b.quiet(t)
}

// quiet waits until the server has ended what a killed process left it with: a plan
// made while that still runs is stale, and Apply says so.
func (b *bench) quiet(t *testing.T) {
	t.Helper()
	conn := b.Conn(t, b.URL)
	for busy := 1; busy > 0; time.Sleep(time.Millisecond) {
		err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND
			  state <> 'idle'`).Scan(&busy)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestUndoAfterKill stops an undo half-way and runs it again.
func TestUndoAfterKill(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSwapIsUndoneAtOnce
	b := newBench(t, larger)
	before := text(t, b.snapshot(t))
	killAt(t, b, 50, 2*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	_, _ = Undo(ctx, b.open, ApplyOptions{})
	b.undo(t)
	if d := diff(before, text(t, b.snapshot(t))); d != "" {
		t.Errorf("undo left (- before, + after):\n%s", d)
	}
}
