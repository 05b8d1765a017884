package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/protect"
)

// ObserveText writes an observation for one screen of so many lines; zero means all.
func ObserveText(w io.Writer, o *protect.Observation, lines int) {
	var b strings.Builder
	t := &planText{w: &b, said: map[string]bool{}}
	t.line(0, "Database %s, observed since %s (%s).", o.Database, o.Since.UTC().Format("2006-01-02 15:04 UTC"),
		age(o.At.Sub(o.Since)))
	if !o.CountedSince.Equal(o.Since) {
		t.line(0, "Counted since %s (%s).", o.CountedSince.UTC().Format("2006-01-02 15:04 UTC"),
			age(o.At.Sub(o.CountedSince)))
	}
	tail := observeTail(o)
	if o.Clean() {
		t.line(0, "Clean: no statement would lose rows or be refused.")
	} else {
		observeTables(t, o)
		room := len(o.Statements)
		if used := strings.Count(b.String(), "\n") + strings.Count(tail, "\n"); lines > 0 {
			room = max((lines-used-2)/3, 1)
		}
		observeStatements(t, o, room)
	}
	fmt.Fprint(w, b.String()+tail)
}

func observeTables(t *planText, o *protect.Observation) {
	tables := slices.DeleteFunc(slices.Clone(o.Tables), func(x protect.ObservedTable) bool { return x.Times <= 0 })
	slices.SortStableFunc(tables, func(a, b protect.ObservedTable) int { return int(b.Times - a.Times) })
	if len(tables) > 0 {
		fmt.Fprintf(t.w, "\n%-40s %12s %12s\n", "TABLE", "no tenant", "with tenant")
	}
	for i, x := range tables {
		if i == 10 {
			fmt.Fprintf(t.w, "and %s\n", english.Count(len(tables)-i, "more table", "more tables"))
			break
		}
		fmt.Fprintf(t.w, "%-40s %12d %12d\n", clip(x.Table.String(), 40), x.WithoutTenant, x.WithTenant)
	}
}

func observeStatements(t *planText, o *protect.Observation, room int) {
	fmt.Fprintf(t.w, "\nSTATEMENTS (%d)\n", len(o.Statements))
	for _, s := range o.Statements[:min(room, len(o.Statements))] {
		text := s.Statement
		if text == "" {
			text = "(not stored: it could not be told what in it is a literal)"
		}
		fmt.Fprintf(t.w, "  %s %s, %d times or more, last %s: %s\n", s.Command, s.Table, s.Times,
			s.Last.UTC().Format("01-02 15:04:05"), reasonText(s))
		fmt.Fprintf(t.w, "    as %s, application %q\n    %s\n", s.Role, s.Application, clip(text, width-5))
	}
	if rest := len(o.Statements) - room; rest > 0 {
		fmt.Fprintf(t.w, "  and %d more: --format json lists all\n", rest)
	}
}

// reasonText says what group enforce will do with a statement.
func reasonText(s protect.ObservedStatement) string {
	switch {
	case s.Reason == policy.ReasonRole:
		return "no policy lets the role in"
	case s.Reason == policy.ReasonPartition:
		return "names a partition"
	case !s.Tenant:
		return "sets no tenant"
	case s.Reason == policy.ReasonWrite:
		return "writes another tenant's row"
	}
	return "meets another tenant's rows"
}

// observeTail says what nobody saw.
func observeTail(o *protect.Observation) string {
	var b strings.Builder
	t := &planText{w: &b}
	fmt.Fprintln(&b)
	for _, s := range o.Unseen {
		t.line(0, "%s", s)
	}
	t.line(0, "Not observed: TRUNCATE, COPY … FROM (refused), and the roles that no policy binds: %s.",
		strings.Join(o.Exempt, ", "))
	return b.String()
}

// age is a duration in the unit a person would use.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return english.Count(int(d/(24*time.Hour)), "day")
	case d >= 2*time.Hour:
		return english.Count(int(d/time.Hour), "hour")
	case d >= 2*time.Minute:
		return english.Count(int(d/time.Minute), "minute")
	}
	return english.Count(int(d/time.Second), "second")
}
