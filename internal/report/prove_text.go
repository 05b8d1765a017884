package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/moat-db/moat/prove"
)

// ProveText writes a report for people: the leaks and what is undecided in full,
// the rest as counts. colour adds terminal colours.
func ProveText(w io.Writer, r *prove.Report, colour bool) error {
	p := proveText{w: inert{w}, colour: colour}
	p.head(r)
	p.probes(r, prove.VerdictLeak, "Leaks")
	p.probes(r, prove.VerdictUndecided, "Undecided")
	p.matrix(r)
	for _, n := range r.Notes() {
		p.noted(n)
	}
	p.accepted(r)
	p.notTried(r)
	p.printf("\n%s%s: %s.\n", p.mark(r.Verdict), r.Except(), r.Summary())
	if r.Count(prove.VerdictLeak) > 0 {
		p.printf("Each has a script that reproduces it in psql: moat prove --script ID\n")
	}
	return p.err
}

type proveText struct {
	w      io.Writer
	colour bool
	err    error
}

func (p *proveText) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// mark writes a verdict, in colour where asked.
func (p *proveText) mark(v prove.Verdict) string {
	if !p.colour {
		return string(v)
	}
	code := map[prove.Verdict]string{prove.VerdictIsolated: "32", prove.VerdictLeak: "31;1",
		prove.VerdictUndecided: "33"}[v]
	return "\x1b[" + code + "m" + string(v) + "\x1b[0m"
}

func (p *proveText) head(r *prove.Report) {
	c := r.Context
	p.printf("%s", c.Target)
	if c.Role != "" {
		p.printf(" as %s, %s mode", c.Role, c.Mode)
	}
	if c.Proxy {
		p.printf(", through moat proxy")
	}
	if c.ServerVersion != "" {
		p.printf(", PostgreSQL %s", c.ServerVersion)
	}
	p.printf("\n")
	if c.TenantA != "" {
		p.printf("tenant %s attacks tenant %s\n", c.TenantA, c.TenantB)
	}
	for _, sentence := range c.Inferred {
		p.printf("inferred: %s\n", sentence)
	}
	if c.Forgeable {
		p.printf("\nPlain mode: whoever runs whole SQL statements as the application role can name any tenant.\nThat " +
			"holds for every table and is not counted below (moat prove --script forge shows it).\n")
	}
}

func (p *proveText) probes(r *prove.Report, v prove.Verdict, title string) {
	if r.Count(v) == 0 {
		return
	}
	p.printf("\n%s\n", title)
	for _, probe := range r.Probes {
		if probe.Verdict == v {
			p.printf("  %s %s\n      %s\n", p.mark(v), probe.ID, probe.Reason)
		}
	}
}

// matrix counts verdicts for each object.
func (p *proveText) matrix(r *prove.Report) {
	counts := map[string]map[prove.Verdict]int{}
	for _, probe := range r.Probes {
		if counts[probe.Object] == nil {
			counts[probe.Object] = map[prove.Verdict]int{}
		}
		counts[probe.Object][probe.Verdict]++
	}
	p.printf("\n")
	if p.err != nil {
		return
	}
	tw := tabwriter.NewWriter(p.w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "OBJECT\tISOLATED\tLEAK\tUNDECIDED")
	for _, object := range r.Objects() {
		c := counts[object]
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\n", object, c[prove.VerdictIsolated], c[prove.VerdictLeak], c[prove.VerdictUndecided])
	}
	p.err = tw.Flush()
}

func (p *proveText) noted(n prove.Notes) {
	if len(n.List) == 0 {
		return
	}
	p.printf("\n%s\n", n.Title)
	for _, x := range n.List {
		p.printf("  %s: %s\n", x.Object, strings.ReplaceAll(x.Reason, "\n", " "))
	}
}

func (p *proveText) accepted(r *prove.Report) {
	if len(r.Accepted) > 0 {
		p.printf("\nAccepted\n")
	}
	for _, x := range r.Accepted {
		p.printf("  %s on %s until %s: %s\n", x.Attack, x.Object, x.Expires, x.Reason)
	}
	if len(r.Reopened) > 0 {
		p.printf("\nEntries of the baseline that do not count\n")
	}
	for _, x := range r.Reopened {
		p.printf("  %s\n", x)
	}
}

func (p *proveText) notTried(r *prove.Report) {
	if len(r.NotTried) == 0 {
		return
	}
	p.printf("\nNot tried\n")
	for _, sentence := range r.NotTried {
		p.printf("  %s\n", strings.ReplaceAll(sentence, "\n", " "))
	}
}
