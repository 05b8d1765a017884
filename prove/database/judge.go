package database

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/prove"
)

// attack is one try against an object, and how to read what came of it.
type attack struct {
	name  string
	part  string   // the key that it is about, for the baseline
	setup []string // what the operator does first, on a staged site
	as    []string // binding; nil binds A
	steps []string
	watch []string // what the operator looks at afterwards, on a staged site
	// inserts are the rows that setup and steps insert, but for the site's spares.
	inserts []row
	// again looks anew at what judge compares with, and says whether it is as it was: others may
	// have written since the last look. It is nil where judge compares with nothing.
	again func(context.Context) bool
	// judge reads an outcome without error. Its isolated may be vacuous: "saw
	// nothing" counts only where A can see rows at all.
	judge func(outcome) finding
	// onError reads an error that is neither a refusal nor a failure to look;
	// nil makes it undecided.
	onError func(*pgconn.PgError) finding
}

// finding is a verdict with its reason.
type finding struct {
	verdict prove.Verdict
	reason  string
	vacuous bool   // isolated by absence
	accepts string // the rule of audit by which a baseline may accept it, beside its attack's
}

func isolated(format string, args ...any) finding {
	return finding{verdict: prove.VerdictIsolated, reason: fmt.Sprintf(format, args...)}
}

func absent(format string, args ...any) finding {
	return finding{verdict: prove.VerdictIsolated, reason: fmt.Sprintf(format, args...), vacuous: true}
}

func leak(format string, args ...any) finding {
	return finding{verdict: prove.VerdictLeak, reason: fmt.Sprintf(format, args...)}
}

func undecided(format string, args ...any) finding {
	return finding{verdict: prove.VerdictUndecided, reason: fmt.Sprintf(format, args...)}
}

// SQLSTATEs that decide.
const (
	codePrivilege     = "42501" // permission denied, and a row that violates a policy
	codeAuthorization = "28000" // sealed mode: bound to another tenant already, or a bad token
	codeActive        = "25001" // moat proxy: a transaction names its tenant first, and once
	codeUnique        = "23505"
	codeForeignKey    = "23503"
	codeExclusion     = "23P01"
	codeNotNull       = "23502"
	codeCheck         = "23514"
	codeTimeout       = "57014"
	codeLock          = "55P03"
	codeCast          = "22P02"
	codeNoSetting     = "42704"
	codeUnsupported   = "0A000"
	codeRange         = "22003"
	codeSyntax        = "42601"
)

// decide reads an outcome.
func (a attack) decide(st *site, o outcome) finding {
	switch {
	case o.broken != nil:
		return undecided("the connection was lost: %v", o.broken)
	case !o.ready && o.err != nil && (constraint(o.err) || o.err.Code == codeCheck):
		return isolated("the row that this needs cannot exist: %s", o.err.Message)
	case !o.ready:
		return undecided("the row that this needs could not be planted: %s", prove.Message(o.err))
	case !o.bound:
		return undecided("could not become tenant A: %s", prove.Message(o.err))
	case a.told(st, o) != "":
		return leak("what the server says to tenant A shows tenant B's row: %s", a.told(st, o))
	case o.err == nil:
		return st.weigh(a.judge(o))
	case refused(o.err), o.err.Code == codeActive && st.s.bind.turns.names(a.steps):
		return isolated("refused: %s", o.err.Message)
	case st.tenantIsThere(a, o.err):
		return isolated("a row that is added is a new tenant: key %q has one row for each", o.err.ConstraintName)
	case a.onError != nil:
		return st.weigh(a.onError(o.err))
	}
	return unclear(o.err)
}

// told is a message of an outcome that holds a text of B's planted rows which the attack did not
// give; "" for none. What is said while B is bound, or to the operator, is not said to A.
func (a attack) told(st *site, o outcome) string {
	asB := func(step string) bool { return slices.Contains(st.asB, step) }
	if st == nil || st.target == nil || slices.ContainsFunc(a.steps, asB) || st.prover.model.Shapes.Mixed(st.rel.QName()) {
		return ""
	}
	var said []string
	if len(a.setup) == 0 {
		said = o.notices
	}
	if o.err != nil {
		said = append(slices.Clone(said), strings.Join([]string{o.err.Message, o.err.Detail, o.err.Hint, o.err.Where}, " "))
	}
	given := strings.Join(slices.Concat(a.setup, a.steps), "\n")
	for _, message := range said {
		if ungiven(message, given) {
			return message
		}
	}
	return ""
}

// tenantIsThere says whether a row could not be added because its tenant has one already:
// whoever may add tenants gets at nobody's rows by that.
func (st *site) tenantIsThere(a attack, err *pgconn.PgError) bool {
	if st == nil || st.target == nil || st.prover == nil || err.Code != codeUnique {
		return false
	}
	view := st.prover.view
	adds := slices.ContainsFunc(a.steps, func(step string) bool {
		return strings.HasPrefix(step, "INSERT ") || strings.HasPrefix(step, "MERGE ")
	})
	return adds && view.AddsTenants(st.rel) && slices.ContainsFunc(st.rel.Indexes, func(x catalog.Index) bool {
		return x.Name == err.ConstraintName && view.TellsTenants(x)
	})
}

// weigh turns an isolation by absence into what it is worth on this site.
func (st *site) weigh(f finding) finding {
	if !f.vacuous || st == nil || !st.blind {
		return f
	}
	if st.closed {
		return isolated("closed to every tenant: no policy lets the application role at any row")
	}
	return undecided("the application role does not see tenant A's own rows either, so this shows nothing: check the " +
		"setting's name and that a permissive policy admits the application role")
}

// refused says whether the server refused for want of a right: the error that
// isolation is made of.
func refused(err *pgconn.PgError) bool {
	return err != nil && (err.Code == codePrivilege || err.Code == codeAuthorization)
}

// constraint says whether a constraint stopped a row, which happens only after the
// policies let it through.
func constraint(err *pgconn.PgError) bool {
	switch err.Code {
	case codeUnique, codeForeignKey, codeExclusion, codeNotNull:
		return true
	case codeCheck:
		return err.ConstraintName != "" // without a name: no partition takes the row
	}
	return false
}

// unclear explains an error that says nothing about isolation.
func unclear(err *pgconn.PgError) finding {
	switch err.Code {
	case codeTimeout:
		return undecided("the statement ran into statement_timeout; run again with a longer --statement-timeout")
	case codeLock:
		return undecided("a lock was not granted in time; run again when no other session holds the table, " +
			"or with a longer --lock-timeout")
	}
	if strings.HasPrefix(err.Code, "P0") {
		return undecided("the schema's own code stopped it first (%s); try the statement of the script with values it "+
			"accepts", prove.Message(err))
	}
	return undecided("stopped by an error that says nothing about isolation: %s", prove.Message(err))
}

// seen judges a last statement that returns rows only for rows of others.
func seen(what string) func(outcome) finding {
	return func(o outcome) finding {
		if n := o.last().n; n > 0 {
			return leak("%s: %s of another tenant came back", what, english.Count(n, "row"))
		}
		return absent("no row of another tenant came back")
	}
}

// counted judges a last statement that returns one number of foreign rows.
func counted(what string) func(outcome) finding {
	return func(o outcome) finding {
		if n := o.last().number(); n > 0 {
			return leak("%s: %s of other tenants", what, english.Count(n, "row"))
		}
		return absent("counted no row of another tenant")
	}
}

// changed judges a last statement by its count of rows affected.
func changed(what string) func(outcome) finding {
	return func(o outcome) finding {
		if n := o.last().n; n > 0 {
			return leak("%s: %s of another tenant", what, english.Count(n, "row"))
		}
		return absent("no row of another tenant was changed")
	}
}

// accepted judges a statement that must be refused.
func accepted(what string) func(outcome) finding {
	return func(o outcome) finding {
		if n := o.last().n; n > 0 {
			return leak("%s", what)
		}
		return absent("no row was written")
	}
}

// pastPolicy reads a constraint's error: the policies had let the row through.
func pastPolicy(err *pgconn.PgError) finding {
	if constraint(err) {
		return leak("the policies let the row through; only constraint %q stopped these values", err.ConstraintName)
	}
	return unclear(err)
}

// pastTrigger reads an error on A's own write: the schema's rules about its own
// values say nothing about B, unless they name B's, which [attack.told] asks.
func pastTrigger(err *pgconn.PgError) finding {
	if err.Code == "55000" || err.Code == codeUnsupported {
		return isolated("refused: %s", err.Message)
	}
	return unclear(err)
}
