package ledger

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// Line is a line of the operator log.
type Line struct {
	At                       time.Time
	Operator, Action, Reason string
	Details, Tenant, Name    string
	Times                    int // how often in a row; the time is that of the last
}

// Question says which lines are read.
type Question struct {
	Tenant string // "" means of all tenants
	Looks  bool   // what only looked as well
	Most   int
}

// Lines reads the newest lines.
func (l *Ledger) Lines(ctx context.Context, tx pgx.Tx, q Question) ([]Line, error) {
	column, err := l.column(ctx)
	if err != nil {
		return nil, err
	}
	where, args := "true", []any{}
	if !q.Looks {
		where, args = "l.action <> all($1)", []any{[]string{LookedAtAll, LookedAtOne, LookedAtIsolation, ReadTheLog,
			LookedFromAbove}}
	}
	if q.Tenant != "" {
		args = append(args, q.Tenant)
		where += " and l." + column + " = $" + strconv.Itoa(len(args))
	}
	rows, _ := tx.Query(ctx, "select l.at, l.operator, l.action, l.reason, l.details, coalesce(l."+column+"::text, '') "+
		"from moat.operator_log l where "+where+" order by l.at desc, l.id desc limit "+strconv.Itoa(q.Most), args...)
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Line, error) {
		l := Line{Times: 1}
		err := row.Scan(&l.At, &l.Operator, &l.Action, &l.Reason, &l.Details, &l.Tenant)
		return l, err
	})
	return fold(lines), err
}

// fold makes one line of the same act done again and again.
func fold(lines []Line) []Line {
	var out []Line
	for _, l := range lines {
		if n := len(out); n > 0 {
			last := out[n-1]
			last.At, last.Times = l.At, l.Times
			if last == l {
				out[n-1].Times++
				continue
			}
		}
		out = append(out, l)
	}
	return out
}
