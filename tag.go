package moat

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// treeTag ends the text of every statement of a wide scope. One prepared statement that
// serves two roles in turn is planned anew at each change; two texts are two statements.
const treeTag = " /* tree */"

// tagged is the text of a statement for a width. A text without a blank is not a statement
// but the name of one that was prepared before, which must stay as it is.
func tagged(sql string, w Width) string {
	if w == Own || !strings.ContainsAny(sql, " \t\r\n") {
		return sql
	}
	return sql + treeTag
}

// taggedAll are the statements of a batch for a width. The caller's own are left as they
// are: a batch may be sent again with another scope.
func taggedAll(queries []*pgx.QueuedQuery, w Width) []*pgx.QueuedQuery {
	if w == Own {
		return queries
	}
	out := make([]*pgx.QueuedQuery, len(queries))
	for i, q := range queries {
		out[i] = &pgx.QueuedQuery{SQL: tagged(q.SQL, w), Arguments: q.Arguments, Fn: q.Fn}
	}
	return out
}
