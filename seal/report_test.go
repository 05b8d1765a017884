package seal_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/reference/sealed-attacks.md anew")

const reportFile = "../docs/reference/sealed-attacks.md"

// report is the table of all attacks in all ways.
type report struct {
	order []attack
	seen  map[string]*[3]bool
}

func newReport() *report { return &report{seen: map[string]*[3]bool{}} }

func (r *report) add(a attack, way int, leaked bool) {
	cells := r.seen[a.name]
	if cells == nil {
		cells = new([3]bool)
		r.seen[a.name] = cells
		r.order = append(r.order, a)
	}
	cells[way] = leaked
}

// check compares the table with the one in the documentation, or writes it.
func (r *report) check(t *testing.T) {
	t.Helper()
	text := r.markdown()
	if *update {
		must(t, os.MkdirAll("../docs/reference", 0o755))
		must(t, os.WriteFile(reportFile, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(reportFile)
	must(t, err)
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s is not what the attacks show; go test ./seal -run TestAttacks -update writes it (-file +attacks):\n%s",
			reportFile, diff)
	}
}

func (r *report) markdown() string {
	var b strings.Builder
	var leaks [3]int
	for _, cells := range r.seen {
		for i, leaked := range cells {
			if leaked {
				leaks[i]++
			}
		}
	}
	fmt.Fprintf(&b, `# Attacks on plain and sealed mode

%d attacks by someone who can run SQL of his own choosing on tenant A's connection. The
program runs with a pool of one connection; tenant B uses it before and after. An attack
works when a row of B, or a key, comes back in a result, a notice or an error, or when
a row of B has changed.

An *expression* is put into one statement of the program; *statements* are whole
statements of the attacker's in the program's transaction; a *connection* is one that
the attacker opens as the application role, with these options.

This page is written by `+"`go test ./seal -run TestAttacks -update`"+` and compared with what the attacks
show on each supported version of PostgreSQL. The SQL of each attack is in
`+"`seal/attacks_*_test.go`"+`. What remains is in [the threat model](../explanation/threat-model.md).

| | plain | sealed | sealed, Paranoid |
|---|---|---|---|
| **attacks that work** | **%d** | **%d** | **%d** |
`, len(r.order), leaks[0], leaks[1], leaks[2])
	for _, k := range []kind{expression, statements, connection} {
		fmt.Fprintf(&b, "\n## %s\n\n| attack | plain | sealed | sealed, Paranoid |\n|---|---|---|---|\n",
			strings.ToUpper(string(k[:1]))+string(k[1:]))
		for _, a := range r.order {
			if a.kind == k {
				cells := r.seen[a.name]
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", a.name, word(cells[0]), word(cells[1]), word(cells[2]))
			}
		}
	}
	return b.String()
}

func word(leaked bool) string {
	if leaked {
		return "**leaks**"
	}
	return "held"
}
