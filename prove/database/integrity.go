package database

import (
	"context"
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/prove"
)

// integrity digests B's rows in all tables, to see whether an attack changed any.
func (s *stage) integrity(ctx context.Context) string {
	sql := s.integrityQuery(nil)
	if sql == "" {
		return ""
	}
	results, err := s.operator.guarded(ctx, sql)
	if err != nil {
		s.report.Skip("what attacks do to rows of tenant B, which cannot be read: " + prove.Message(err))
		return ""
	}
	return results[0].text()
}

// watch looks at B's rows where what runs from one step on may have changed them: to look at all
// tables after each attack on each of them takes far longer than the attacks.
func (s *stage) watch(step any) []string {
	var changing map[catalog.QName]bool
	if step != nil {
		changing = s.outside.changing(step)
	}
	if sql := s.integrityQuery(changing); sql != "" {
		return []string{sql}
	}
	return nil
}

// integrityQuery digests B's rows in some tables, or in all.
func (s *stage) integrityQuery(only map[catalog.QName]bool) string {
	var parts []string
	for _, t := range s.targets {
		st := s.sites[t]
		if !t.isTable() || t.rel.Partition || len(st.rowsB) == 0 || only != nil && !only[t.rel.QName()] {
			continue
		}
		source := t.sql() + " x WHERE " + st.planted("x")
		if t.rel.Estimate.Rows < fewRows {
			source = t.source(s.b)
		}
		parts = append(parts, "SELECT "+lit(t.name())+" AS relation, count(*) AS rows_of_b, "+digested+" AS digest, "+
			st.plantedDigest()+" AS digest_of_planted FROM "+source)
	}
	return strings.Join(parts, " UNION ALL ")
}

const digested = "md5(string_agg(x::text, '|' ORDER BY x::text))"

// plantedDigest digests those of B's rows that nobody else can see or change, since they were
// planted in this transaction; NULL where they cannot be told from others.
func (st *site) plantedDigest() string {
	if len(st.key) == 0 || st.class == catalog.TenantsTable {
		return "NULL"
	}
	return "md5(string_agg(x::text, '|' ORDER BY x::text) FILTER (WHERE " + st.planted("x") + "))"
}

// changed says what is different of B's rows after an attack from how they were before any,
// "" where nothing is.
func (s *stage) changed(o outcome) string {
	if len(o.watched) == 0 {
		return ""
	}
	changes := s.changesOfB(o.watched[len(o.watched)-1].text())
	if len(changes) == 0 {
		return ""
	}
	was, is := changes[0][0], changes[0][1]
	return fmt.Sprintf("%s had %s rows of B, then %s", is[0], was[1], is[1])
}

// mostDisturbed is how often others may change a table before only the planted rows of it count.
const mostDisturbed = 3

// changesOfB pairs the lines of the integrity query, before any attack and now, that differ. Of
// rows that could not be read before, which integrity has told, nothing can be said.
func (s *stage) changesOfB(now string) [][2][]string {
	var changes [][2][]string
	if s.calm == "" {
		return nil
	}
	old := map[string]string{}
	for line := range strings.SplitSeq(s.calm, "\n") {
		relation, _, _ := strings.Cut(line, "\t")
		old[relation] = line
	}
	for line := range strings.SplitSeq(now, "\n") {
		relation, _, _ := strings.Cut(line, "\t")
		if old[relation] == "" || line == old[relation] {
			continue
		}
		was, is := strings.Split(old[relation], "\t"), strings.Split(line, "\t")
		if s.disturbed[is[0]] < mostDisturbed || was[3] != is[3] {
			changes = append(changes, [2][]string{was, is})
		}
	}
	return changes
}

// settle looks again how B's rows are before an attack, and says whether that is the same.
func (s *stage) settle(ctx context.Context) bool {
	now := s.integrity(ctx)
	if now == "" {
		return true
	}
	changes := s.changesOfB(now)
	for _, c := range changes {
		relation := c[1][0]
		if s.disturbed[relation]++; s.disturbed[relation] == mostDisturbed {
			s.report.Skip("rows of tenant B in " + relation + " that others write all the time: only those planted were watched")
		}
	}
	s.calm = now
	return len(changes) == 0
}
