package console

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/portal/internal/frame"
)

// copy makes a new client with the rows of this one.
func (p *Pages) copy(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	set, err := settings(r.PostFormValue("set"))
	if err != nil {
		return err
	}
	made := tenant{ID: strings.TrimSpace(r.PostFormValue("id"))}
	err = p.operator(r, s, reason, func(ctx context.Context, o *lifecycle.Operator, one tenant) error {
		_, err := o.Clone(ctx, one.ID, made.ID, lifecycle.CloneOptions{Set: set})
		return uncopied(err)
	})
	if err != nil {
		return err
	}
	p.Source.Door.Flush()
	return frame.Elsewhere(made.Path() + "?done=copied")
}

// settings reads lines of COLUMN=TEXT.
func settings(text string) (map[string]string, error) {
	set := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		column, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "Write values as column=text",
				Hint: "One in each line, such as app.tenants.slug={}-copy."}
		}
		set[column] = value
	}
	return set, nil
}

// uncopied explains why a client cannot be copied with these values: PostgreSQL's classes 22 and
// 23 are about values, and what moat itself refuses has no code. A lost connection is neither.
func uncopied(err error) error {
	var pg *pgconn.PgError
	var network net.Error
	values := errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "23"))
	lost := errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled)
	if err == nil || refusal(err) != err || pg != nil && !values || lost {
		return err
	}
	return &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "This client cannot be copied like this",
		Hint: err.Error()}
}
