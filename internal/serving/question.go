package serving

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
)

// fact is a value of a caller's that a question has as a parameter.
type fact func(Caller) any

func factTenant(c Caller) any   { return string(c.Tenant) }
func factBelow(c Caller) any    { return string(c.below) }
func factSubject(c Caller) any  { return c.Subject }
func factIssuer(c Caller) any   { return c.Issuer }
func factExternal(c Caller) any { return c.External }
func factRole(c Caller) any     { return c.Role }

// factByMember says that the tenant is not the one that the token names.
func factByMember(c Caller) any { return c.Chosen || c.Above != "" }

// question is a statement about a caller; without a text there is nothing to ask.
type question struct {
	sql   string
	facts []fact
}

// write writes a question; param gives a fact's place in it.
func write(text func(param func(fact) string) string) question {
	var q question
	q.sql = text(func(f fact) string {
		q.facts = append(q.facts, f)
		return fmt.Sprintf("$%d", len(q.facts))
	})
	return q
}

func (q question) args(c Caller) []any {
	return list.Map(q.facts, func(f fact) any { return f(c) })
}

func (q question) queue(b *pgx.Batch, c Caller) {
	if q.sql != "" {
		b.Queue(q.sql, q.args(c)...)
	}
}

// condition writes what must hold of a row, with the places of the facts that it reads.
type condition func(param func(fact) string) string

// all are conditions that hold together; nil ones are left out.
func all(parts ...condition) condition {
	return func(param func(fact) string) string {
		var texts []string
		for _, p := range parts {
			if p != nil {
				texts = append(texts, p(param))
			}
		}
		return strings.Join(texts, " and ")
	}
}
