package prove

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/internal/english"
)

// Verdict is what one probe, or a whole run, showed.
type Verdict string

// The verdicts. Isolated is only ever said of what was tried and refused or came
// back empty while there was something to see.
const (
	VerdictIsolated  Verdict = "isolated"
	VerdictLeak      Verdict = "leak"
	VerdictUndecided Verdict = "undecided"
)

// Report is the outcome of a run.
type Report struct {
	Version int     `json:"version"` // of this format: 1
	Verdict Verdict `json:"verdict"`
	Context Context `json:"context"`
	Probes  []Probe `json:"probes"`
	// NotTried says, in sentences, what was left out and why.
	NotTried []string `json:"not_tried"`

	// Shared are relations that every tenant reads alike, LeftOut those that were not
	// looked at, NotReachable those that the application role has no right to. None of
	// them counts as isolated.
	Shared       []Noted `json:"shared"`
	LeftOut      []Noted `json:"left_out"`
	NotReachable []Noted `json:"not_reachable"`
	// Accepted are leaks and open questions that the baseline covers; Reopened are its
	// entries that do not count.
	Accepted []Accepted          `json:"accepted"`
	Reopened []baseline.Reopened `json:"reopened"`

	count map[string]int // of probes added, by attack and object
}

// Noted is a relation that was not probed, or not as isolated, with the reason.
type Noted struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
}

// Accepted is a probe that a person has accepted the outcome of.
type Accepted struct {
	Attack  string `json:"attack"`
	Object  string `json:"object"`
	Found   string `json:"found"`
	Reason  string `json:"reason"`
	Expires string `json:"expires"`
}

// Context says what was attacked, and what holds for the whole of it.
type Context struct {
	Mode string `json:"mode"` // plain or sealed
	// Forgeable is true when whole SQL statements can name another tenant: always
	// so in plain mode, which is a property of the mode and not of a table.
	Forgeable bool   `json:"forgeable"`
	Script    string `json:"script"` // shows the forging; empty when not forgeable

	// Proxy is true when the application's connection led through moat proxy.
	Proxy bool `json:"proxy,omitempty"`

	Target        string    `json:"target,omitempty"` // database, pool or API
	Role          string    `json:"role,omitempty"`   // the application role
	ServerVersion string    `json:"server_version,omitempty"`
	Fingerprint   string    `json:"schema_fingerprint,omitempty"`
	Setting       string    `json:"setting,omitempty"`
	TenantA       string    `json:"tenant_a,omitempty"` // the attacker
	TenantB       string    `json:"tenant_b,omitempty"` // the attacked
	Started       time.Time `json:"started_at,omitzero"`
	DurationMS    int64     `json:"duration_ms"`
	// Inferred repeats what was inferred about the tenant model.
	Inferred []string `json:"inferred,omitempty"`
}

// Probe is one attempt.
type Probe struct {
	ID      string  `json:"id"` // attack:object, stable from run to run
	Room    Room    `json:"room"`
	Attack  string  `json:"attack"` // read, insert, cascade, …
	Object  string  `json:"object"` // schema.table, a function's signature, a role, …
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason"`
	Script  string  `json:"script"` // what was run, for psql
}

// reportVersion is the version of the JSON format.
const reportVersion = 1

// NewReport returns a report without probes, which is undecided.
func NewReport() *Report {
	return &Report{Version: reportVersion, Verdict: VerdictUndecided, Probes: []Probe{}, NotTried: []string{},
		Shared: []Noted{}, LeftOut: []Noted{}, NotReachable: []Noted{}, Accepted: []Accepted{},
		Reopened: []baseline.Reopened{}, count: map[string]int{}}
}

// Add appends a probe under an id of its own: a second probe of the same attack on
// the same object gets a number.
func (r *Report) Add(p Probe) {
	base := p.Attack + ":" + p.Object
	r.count[base]++
	p.ID, p.Room = base, cmp.Or(p.Room, Database)
	if n := r.count[base]; n > 1 {
		p.ID = base + "#" + strconv.Itoa(n)
	}
	r.Probes = append(r.Probes, p)
}

// Skip notes something that was not tried.
func (r *Report) Skip(sentence string) {
	if !slices.Contains(r.NotTried, sentence) {
		r.NotTried = append(r.NotTried, sentence)
	}
}

// Finish computes the verdict: one leak is a leak; without a probe, or with an
// undecided one, nothing is proved.
func (r *Report) Finish() *Report {
	r.Verdict = VerdictIsolated
	if len(r.Probes) == 0 || r.Count(VerdictUndecided) > 0 {
		r.Verdict = VerdictUndecided
	}
	if r.Count(VerdictLeak) > 0 {
		r.Verdict = VerdictLeak
	}
	return r
}

// Sentence is the verdict in one line, with the relations that it is not about.
func (r *Report) Sentence() string { return string(r.Verdict) + r.Except() + ": " + r.Summary() }

// Except names the relations that the verdict is not about, since every tenant reads them
// or they were left out, to stand behind it: ", not counting …". Of many it names the
// first; "" when there is none.
func (r *Report) Except() string {
	var parts []string
	if len(r.Shared) > 0 {
		parts = append(parts, named(r.Shared)+", which every tenant reads")
	}
	if len(r.LeftOut) > 0 {
		parts = append(parts, named(r.LeftOut)+", left out")
	}
	if len(parts) == 0 {
		return ""
	}
	return ", not counting " + strings.Join(parts, ", nor ")
}

// named lists objects in a sentence, the first of many.
func named(list []Noted) string {
	const most = 5
	var names []string
	for _, x := range list[:min(len(list), most)] {
		names = append(names, x.Object)
	}
	if n := len(list) - most; n > 0 {
		names = append(names, fmt.Sprintf("%d more", n))
	}
	return english.And(names)
}

// Summary counts what was found, and what the verdict is not about.
func (r *Report) Summary() string {
	text := fmt.Sprintf("%s, %d isolated, %s, %d undecided", english.Count(len(r.Probes), "probe"),
		r.Count(VerdictIsolated), english.Count(r.Count(VerdictLeak), "leak"), r.Count(VerdictUndecided))
	for _, part := range []struct {
		n    int
		text string
	}{{len(r.Shared), "%d shared by every tenant"}, {len(r.LeftOut), "%d left out"},
		{len(r.NotReachable), "%d not reachable"}, {len(r.Accepted), "%d accepted"}} {
		if part.n > 0 {
			text += ", " + fmt.Sprintf(part.text, part.n)
		}
	}
	return text
}

// Notes are the lists of what does not count as isolated, each under its title.
func (r *Report) Notes() []Notes {
	return []Notes{{"shared", "Every tenant reads these; they are shared, not isolated", r.Shared},
		{"left out", "Left out", r.LeftOut},
		{"not reachable", "Not reachable by the application role, so not called isolated", r.NotReachable}}
}

// Notes is one of those lists.
type Notes struct {
	Short, Title string
	List         []Noted
}

// Count returns how many probes have the verdict.
func (r *Report) Count(v Verdict) int {
	n := 0
	for _, p := range r.Probes {
		if p.Verdict == v {
			n++
		}
	}
	return n
}

// Leaks returns the probes that leaked.
func (r *Report) Leaks() []Probe {
	return slices.DeleteFunc(slices.Clone(r.Probes), func(p Probe) bool { return p.Verdict != VerdictLeak })
}

// Find returns the probe with the id, nil when there is none.
func (r *Report) Find(id string) *Probe {
	i := slices.IndexFunc(r.Probes, func(p Probe) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return &r.Probes[i]
}

// Objects returns the objects probed, in order, each once.
func (r *Report) Objects() []string {
	return distinct(r.Probes, func(p Probe) string { return p.Object })
}

// Attacks returns the attacks tried, in order of first use, each once.
func (r *Report) Attacks() []string {
	return distinct(r.Probes, func(p Probe) string { return p.Attack })
}

func distinct(probes []Probe, of func(Probe) string) []string {
	var out []string
	seen := map[string]bool{}
	for _, p := range probes {
		if v := of(p); !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// Worst returns the graver of two verdicts: leak before undecided before isolated.
func Worst(a, b Verdict) Verdict {
	rank := map[Verdict]int{VerdictIsolated: 0, VerdictUndecided: 1, VerdictLeak: 2}
	if cmp.Compare(rank[a], rank[b]) < 0 {
		return b
	}
	return a
}
