package api

import (
	"net/http"
	"slices"

	"github.com/moat-db/moat/api/internal/plan"
	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

// post inserts rows.
func (q *request) post(w http.ResponseWriter, t *schema.Table) error {
	media, r, err := q.writeRequest(t)
	if err != nil {
		return err
	}
	body, err := q.rows(t, r)
	if err != nil {
		return err
	}
	in := q.newWrite(body)
	in.Resolution = q.prefer.Resolution
	if in.Resolution != "" && r.OnConflict == nil && len(t.FullKey) == 0 {
		in.Resolution = ""
	}
	if body.rows == 0 && in.Resolution == "merge-duplicates" {
		return q.nothing(w, media, in, http.StatusOK)
	}
	if body.rows == 0 {
		return q.nothing(w, media, in, http.StatusCreated)
	}
	st, err := plan.Insert(q.state.Schema, t, r, in, q.optionsOf(t, media))
	if err != nil {
		return err
	}
	if isPlan(media) {
		return q.explain(w, st, media)
	}
	single := body.rows == 1 && in.Resolution != "ignore-duplicates"
	a := &answer{}
	if err := q.change(st, media, a, single); err != nil {
		return err
	}
	status := http.StatusCreated
	if in.Resolution == "merge-duplicates" && hasInserted(st) && a.inserted == 0 {
		status = http.StatusOK
	}
	resolution := "resolution"
	if in.Resolution == "" { // it had no key to go by
		resolution = ""
	}
	q.applied(w.Header(), "return", "count", resolution, "missing", "tx", "max-affected", "handling", "timezone")
	return q.answerWrite(w, media, in, a, status)
}

func hasInserted(st *plan.Statement) bool {
	return slices.ContainsFunc(st.Outputs, func(o plan.Output) bool { return o.Kind == plan.Inserted })
}

// put inserts or replaces the one row that the filters name.
func (q *request) put(w http.ResponseWriter, t *schema.Table) error {
	media, r, err := q.writeRequest(t)
	if err != nil {
		return err
	}
	if r.Root.Limit != nil || r.Root.Offset > 0 {
		return problem.New(http.StatusBadRequest, "PGRST114", "limit/offset querystring parameters are not allowed for PUT")
	}
	body, err := q.rows(t, r)
	if err != nil {
		return err
	}
	in := q.newWrite(body)
	in.Resolution, in.Replace = "merge-duplicates", true
	st, err := plan.Insert(q.state.Schema, t, r, in, q.optionsOf(t, media))
	if err != nil {
		return err
	}
	if isPlan(media) {
		return q.explain(w, st, media)
	}
	a := &answer{}
	if err := q.change(st, media, a, body.rows == 1); err != nil {
		return err
	}
	if a.rows != 1 { // PostgreSQL lets no statement write one row twice
		return plan.ErrPut
	}
	status := http.StatusOK
	if a.inserted > 0 {
		status = http.StatusCreated
	}
	q.applied(w.Header(), "return", "count", "tx", "handling", "timezone")
	return q.answerWrite(w, media, in, a, status)
}

// patch updates the rows that the filters name.
func (q *request) patch(w http.ResponseWriter, t *schema.Table) error {
	media, r, err := q.writeRequest(t)
	if err != nil {
		return err
	}
	body, err := q.rows(t, r)
	if err != nil {
		return err
	}
	if body.rows > 1 {
		return problem.New(http.StatusBadRequest, "PGRST102", "An update takes one object")
	}
	if body.rows == 0 { // an empty list changes nothing
		r.Columns = nil
	}
	in := q.newWrite(body)
	in.Body = body.object()
	st, err := plan.Update(q.state.Schema, t, r, in, q.optionsOf(t, media))
	if err != nil {
		return err
	}
	if st == nil {
		return q.nothing(w, media, in, http.StatusOK)
	}
	return q.changeRows(w, t, r, st, media, in)
}

// delete removes the rows that the filters name.
func (q *request) delete(w http.ResponseWriter, t *schema.Table) error {
	media, r, err := q.writeRequest(t)
	if err != nil {
		return err
	}
	in := q.newWrite(payload{})
	st, err := plan.Delete(q.state.Schema, t, r, in, q.optionsOf(t, media))
	if err != nil {
		return err
	}
	return q.changeRows(w, t, r, st, media, in)
}

// changeRows runs an update or delete, whose If-Match holds for the row itself.
func (q *request) changeRows(w http.ResponseWriter, t *schema.Table, r *query.Request, st *plan.Statement,
	media query.Media, in plan.Write) error {
	if isPlan(media) {
		return q.explain(w, st, media)
	}
	a := &answer{}
	if err := q.change(st, media, a, namesOneRow(t, r)); err != nil {
		return err
	}
	if in.Match != "" && a.rows == 0 {
		return problem.New(http.StatusPreconditionFailed, "MOAT123", "the row has changed, or is not there")
	}
	missing := "missing"
	if q.Method == http.MethodDelete {
		missing = ""
	}
	q.applied(w.Header(), "return", missing, "count", "tx", "max-affected", "handling", "timezone")
	return q.answerWrite(w, media, in, a, http.StatusOK)
}

// namesOneRow reports whether the filters give every key column a value, so that no
// more than one row can be meant.
func namesOneRow(t *schema.Table, r *query.Request) bool {
	if len(t.Identity()) == 0 {
		return false
	}
	return !slices.ContainsFunc(t.Identity(), func(name string) bool {
		return !slices.ContainsFunc(r.Root.Where, func(c query.Cond) bool {
			f := &c.Filter
			return !c.Not && c.Logic == "" && f.Op == query.OpEq && f.Quantifier == "" && f.Field.Name == name &&
				len(f.Field.Path) == 0
		})
	})
}

// writeRequest reads what all writes have in common.
func (q *request) writeRequest(t *schema.Table) (query.Media, *query.Request, error) {
	media, err := q.accept(t)
	if err != nil {
		return media, nil, err
	}
	r, err := q.parse(query.Options{})
	return media, r, err
}

// newWrite is the write that headers and payload ask for.
func (q *request) newWrite(body payload) plan.Write {
	in := plan.Write{
		Body: body.text, Keys: body.keys, MissingDefault: q.prefer.Missing == "default",
		Some: body.some, Every: body.every,
		AllowUnfiltered: q.h.config.AllowUnfiltered,
	}
	if q.prefer.Return != "minimal" {
		in.Returning = q.prefer.Return
	}
	if tag := q.Header.Get("If-Match"); tag != "" {
		in.Match = unquoteTag(tag)
	}
	return in
}

// change runs a write. single says that it cannot touch more than one row: then a
// singular answer needs no transaction to fall back from.
func (q *request) change(st *plan.Statement, media query.Media, a *answer, single bool) error {
	st.Single = st.Single || media.Format == query.Singular
	x := &execution{statement: st, media: media, response: true}
	limited := q.prefer.MaxAffected != nil && q.prefer.Handling == "strict"
	rollback := q.prefer.Tx == "rollback" && q.h.config.AllowRollback
	singular := media.Format == query.Singular
	if !limited && !rollback && (!singular || single) {
		if err := q.run(x, a, nil); err != nil {
			return err
		}
		return checkSingular(singular, a)
	}
	return q.run(x, a, q.verdict(limited, singular, rollback))
}

// verdict decides, while the transaction is still open, whether what a statement did
// may stay: not more rows than the client allowed, one row where one was asked for, and
// nothing at all where a rollback was.
func (q *request) verdict(limited, singular, rollback bool) func(*answer) error {
	return func(a *answer) error {
		if limited && a.rows > *q.prefer.MaxAffected {
			return problem.New(http.StatusBadRequest, "PGRST124", "Query result exceeds max-affected preference constraint").
				WithDetails("The query affects %d rows", a.rows)
		}
		if err := checkSingular(singular, a); err != nil {
			return err
		}
		if rollback {
			return errRollback
		}
		return nil
	}
}

func checkSingular(singular bool, a *answer) error {
	if singular && a.rows != 1 {
		return errSingular(a.rows)
	}
	return nil
}

// answerWrite answers with the rows, or with their number alone.
func (q *request) answerWrite(w http.ResponseWriter, media query.Media, in plan.Write, a *answer, status int) error {
	h := w.Header()
	total := "*"
	if q.prefer.Count == "exact" {
		total = itoa(a.rows)
	}
	switch {
	case q.Method != http.MethodPatch:
		h.Set("Content-Range", "*/"+total)
	case a.rows == 0:
		h.Set("Content-Range", "*/"+total)
	default:
		h.Set("Content-Range", "0-"+itoa(a.rows-1)+"/"+total)
	}
	if in.Returning == "representation" {
		q.write(w, status, media.ContentType(), a)
		return nil
	}
	if in.Returning == "headers-only" && a.rows == 1 && len(a.keys) > 0 {
		h.Set("Location", location(q.URL.Path, a.keys))
	}
	if status != http.StatusCreated {
		status = http.StatusNoContent
	}
	q.write(w, status, "", a)
	return nil
}

// nothing answers a write that has nothing to write.
func (q *request) nothing(w http.ResponseWriter, media query.Media, in plan.Write, status int) error {
	a := &answer{}
	if err := q.ask(); err != nil {
		return err
	}
	if media.Format == query.Singular {
		return errSingular(0)
	}
	if in.Returning == "representation" && media.Format == query.JSON {
		a.body = []byte("[]")
	}
	q.applied(w.Header(), "return", "missing", "tx", "handling", "timezone")
	return q.answerWrite(w, media, in, a, status)
}
