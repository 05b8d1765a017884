package portal

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// logLine is a line of the operator log.
type logLine struct {
	At                       time.Time
	Operator, Action, Reason string
	Details, Tenant, Name    string
	Times                    int // how often in a row; the time is that of the last
}

type logPage struct {
	Lines []logLine
	All   bool
	More  bool
}

const logLines = 200

// looking are the actions that only look: they are logged like all, and left out of
// the short list.
const looking = "action not in ('looked at all clients', 'looked at the client', 'looked at the isolation', 'read the log')"

// readLog reads the newest lines, of a tenant or of all.
func readLog(ctx context.Context, tx pgx.Tx, sc *schema, tenant string, all bool, most int) ([]logLine, error) {
	column := quote(sc.model.Column)
	where, args := "true", []any{}
	if !all {
		where = looking
	}
	if tenant != "" {
		args = append(args, tenant)
		where += " and l." + column + " = $1"
	}
	rows, err := tx.Query(ctx, "select l.at, l.operator, l.action, l.reason, l.details, coalesce(l."+column+"::text, '') from moat.operator_log l where "+where+
		" order by l.at desc, l.id desc limit "+strconv.Itoa(most), args...)
	if err != nil {
		return nil, err
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (logLine, error) {
		l := logLine{Times: 1}
		err := row.Scan(&l.At, &l.Operator, &l.Action, &l.Reason, &l.Details, &l.Tenant)
		return l, err
	})
	return fold(lines), err
}

// fold makes one line of the same act done again and again.
func fold(lines []logLine) []logLine {
	var out []logLine
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

// logPage serves the log of all operators.
func (c *console) logPage(w http.ResponseWriter, r *http.Request, s *session) error {
	sc, err := c.p.view(r.Context())
	if err != nil {
		return err
	}
	data := &logPage{All: r.URL.Query().Has("all")}
	err = c.use(r.Context(), entryOf{by: s, action: "read the log"}, func(tx pgx.Tx) error {
		if data.Lines, err = readLog(r.Context(), tx, sc, "", data.All, logLines+1); err != nil || sc.tenants == nil {
			return err
		}
		names := map[string]string{}
		all, err := readTenants(r.Context(), tx, sc.tenants, "")
		for _, one := range all {
			names[one.ID] = one.Name
		}
		for i := range data.Lines {
			data.Lines[i].Name = names[data.Lines[i].Tenant]
		}
		return err
	})
	if err != nil {
		return err
	}
	if data.More = len(data.Lines) > logLines; data.More {
		data.Lines = data.Lines[:logLines]
	}
	out := c.page(r, s, "Operator log", "Operator log")
	out.Data = data
	return c.p.render(w, http.StatusOK, "operator-log", out)
}

// accessLog shows a client every use of the operator role that concerned it, read as
// the client itself.
func (p *Portal) accessLog(w http.ResponseWriter, r *http.Request, v *visit) error {
	if p.config.Operator == nil {
		return errNotFound
	}
	var lines []logLine
	err := p.read(v, func(tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(v, "select pg_catalog.to_regclass('moat.operator_log') is not null").Scan(&there); err != nil || !there {
			return err
		}
		var err error
		lines, err = readLog(v, tx, v.schema, string(v.tenant), true, logLines)
		return err
	})
	if err != nil {
		return err
	}
	out := p.clientPage(r, v, "Agency access", "access")
	out.Data = lines
	return p.render(w, http.StatusOK, "access", out)
}
