package people

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/sqltext"
)

// Member is somebody who belongs to a tenant. Name and Email are "" where they are not known, or
// not shown.
type Member struct {
	Person
	Name, Email, Role string
	Waits             bool // invited by the team, and not accepted
}

// Members reads the members of a tenant in a transaction of that tenant, at most so many, and
// says whether there are more. shown says which columns of the table of people may be read.
func (l *Link) Members(ctx context.Context, tx pgx.Tx, tenant string, shown func(column string) bool, most int) (
	list []Member, more bool, err error) {
	rows, _ := tx.Query(ctx, l.membersSQL(shown)+" limit "+strconv.Itoa(most+1), tenant)
	list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Member, err error) {
		err = row.Scan(&m.Issuer, &m.Subject, &m.Role, &m.Waits, &m.Name, &m.Email)
		return m, err
	})
	if more = len(list) > most; more {
		list = list[:most]
	}
	return list, more, err
}

func (l *Link) membersSQL(shown func(column string) bool) string {
	text := func(alias, column string) string {
		if column == "" || alias == "p" && !shown(column) {
			return "''"
		}
		return "coalesce(" + alias + "." + sqltext.Ident(column) + "::text, '')"
	}
	waits, who, from := "false", "'', ''", l.Table.SQL()+" m"
	if l.Accepted != "" {
		waits = "m." + sqltext.Ident(l.Accepted) + " is null"
	}
	if l.PeopleKey != "" && shown(l.PeopleKey) {
		from += " left join " + l.People.SQL() + " p on p." + sqltext.Ident(l.PeopleKey) + " = m." + sqltext.Ident(l.Person)
		who = text("p", l.Name) + ", " + text("p", l.Email)
	}
	return "select " + text("m", l.Issuer) + ", m." + sqltext.Ident(l.Person) + "::text, " + text("m", l.Role) + ", " +
		waits + ", " + who + " from " + from + " where m." + sqltext.Ident(l.Tenant) + "::text = $1 order by 6, 5, 2"
}
