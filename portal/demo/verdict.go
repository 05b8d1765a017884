package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/portal/internal/text"
)

// verdict says what came of an attempt.
type verdict struct {
	Verdict          string // held, leaked, forged, refused, computed
	Headline, Detail string
}

// Tone is the colour of a verdict.
func (v verdict) Tone() string {
	return cmp.Or(map[string]string{"held": "good", "leaked": "bad", "forged": "warn"}[v.Verdict], "open")
}

// refusal shows what PostgreSQL said: here the text of the error is the point.
func refusal(err error) verdict {
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "57014", errors.Is(err, context.DeadlineExceeded):
		return verdict{"held", "Stopped after three seconds", "The statement timeout ended it. Nothing came back."}
	case errors.As(err, &pg):
		return verdict{"held", "PostgreSQL refused", fmt.Sprintf("%s (SQLSTATE %s)", pg.Message, pg.Code)}
	}
	return verdict{"refused", "There is nothing to show",
		"Either the statement has parameters such as $1, which have no " +
			"value here, or its result was too large to read. It was rolled back."}
}

const forged = "" +
	"Anyone who can run whole SQL statements as the application role can call set_config. That is the limit " +
	"of plain mode, and the reason why programs must bind values and never paste them into SQL. Sealed mode closes it: " +
	"there the setting is worth nothing without a signature."

// conclude says what came of rows. moved is true when the connection speaks for another
// tenant after the statement.
func conclude(rows []answer, moved bool) verdict {
	own, other, unknown := 0, 0, 0
	for _, r := range rows {
		switch {
		case r.Other:
			other++
		case r.Owner == "":
			unknown++
		default:
			own++
		}
	}
	all := text.Counted(len(rows), "row") + " came back"
	theirs := text.Counted(other, "row") + " of another client came back. "
	switch {
	case moved && other > 0:
		return verdict{"forged", "You named another client, and PostgreSQL believed you", theirs + forged}
	case moved:
		return verdict{"forged", "You named another client, and PostgreSQL believed you", forged}
	case other > 0:
		return verdict{"leaked", "The moat leaks", theirs + "This must not happen: please report it, with the statement."}
	case len(rows) == 0:
		return verdict{"held", "Nothing came back", "While PostgreSQL works for you, the rows of other clients do not exist."}
	case unknown == len(rows):
		return verdict{"computed", all, "Nothing in the answer says whose rows it was made from. Compare it with what the " +
			"referee counts below."}
	case unknown > 0:
		return verdict{"held", "The moat held", fmt.Sprintf("%s: %s yours, and %s that nothing in the answer gives an owner.",
			all, text.Count(own), text.Count(unknown))}
	case own == 1:
		return verdict{"held", "The moat held", all + ", and it is yours."}
	}
	return verdict{"held", "The moat held", all + ", and every one of them is yours."}
}
