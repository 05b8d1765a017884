package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/schema"
)

// From the console an erasure is only ever requested: between the request and the deletion,
// which moat tenant erase --due carries out, there is time to take it back.
const (
	graceDays    = 30
	minGraceDays = 7
	maxGraceDays = 365
)

type erasurePage struct {
	Client         tenant
	Plan           *lifecycle.Erasure
	Days, Min, Max int
	Done           string
}

// operator works on the client of the address with the operator's connection.
func (p *Pages) operator(r *http.Request, s *frame.Session, reason string,
	fn func(ctx context.Context, o *lifecycle.Operator, one tenant) error) error {
	ctx := r.Context()
	var client tenant
	var view *schema.Schema
	look := ledger.Entry{By: s, Action: ledger.LookedAtOne, Reason: reason}
	if err := p.one(r, look, func(_ pgx.Tx, sc *schema.Schema, one tenant) error {
		view, client = sc, one
		return nil
	}); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, p.Ledger.Pool.Config().ConnConfig.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := p.prepareErasure(ctx, view.View); err != nil {
		return err
	}
	gate := serving.TenantStateOf(view.View, view.Tenants)
	gate.By, gate.Reason = s.Subject, reason
	o, err := lifecycle.NewOperator(ctx, conn, view.View, lifecycle.Options{Name: s.Subject, Reason: reason, Gate: gate})
	if err != nil {
		return err
	}
	return erasureRefusal(fn(ctx, o, client))
}

// prepareErasure makes the tables where an administrator's connection is at hand.
func (p *Pages) prepareErasure(ctx context.Context, v *policy.View) error {
	if p.Ledger.Admin == nil {
		return nil
	}
	conn, err := p.Ledger.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.PgConn().Exec(ctx, lifecycle.TablesSQL(v, p.Ledger.Pool.Config().ConnConfig.User)).ReadAll()
	return err
}

// erasureRefusal says what to do about what stands in the way.
func erasureRefusal(err error) error {
	var unprepared *lifecycle.NotPreparedError
	var missing *lifecycle.MissingRightsError
	var undecided *lifecycle.UndecidedError
	switch {
	case errors.As(err, &unprepared), errors.As(err, &missing):
		return &frame.Refusal{Status: http.StatusConflict, Title: "The operator role may not erase here yet",
			Hint: "Once, as an administrator: moat tenant setup --operator ROLE --apply."}
	case errors.As(err, &undecided):
		return &frame.Refusal{Status: http.StatusConflict, Title: "moat cannot tell whose rows some tables hold",
			Hint: undecided.Error() + ". Say so in moat.yaml."}
	}
	return err
}

func (p *Pages) erasurePage(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	data := &erasurePage{Days: graceDays, Min: minGraceDays, Max: maxGraceDays, Done: r.URL.Query().Get("done")}
	err := p.operator(r, s, s.Reason, func(ctx context.Context, o *lifecycle.Operator, one tenant) (err error) {
		data.Client = one
		data.Plan, err = o.PlanErasure(ctx, one.ID)
		return err
	})
	if err != nil {
		return err
	}
	return p.show(w, r, s, "erasure", "Erase "+data.Client.Name, "Clients", data)
}

// setErasure requests an erasure, or takes the request back.
func (p *Pages) setErasure(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	cancel := r.PostFormValue("erasure") == "cancel"
	days, err := strconv.Atoi(r.PostFormValue("days"))
	if !cancel && (err != nil || days < minGraceDays || days > maxGraceDays) {
		return &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "Choose a grace period",
			Hint: fmt.Sprintf("From %d to %d days.", minGraceDays, maxGraceDays)}
	}
	path := ""
	err = p.operator(r, s, reason, func(ctx context.Context, o *lifecycle.Operator, one tenant) error {
		path = one.Path() + "/erasure"
		if cancel {
			return o.CancelErasure(ctx, one.ID)
		}
		plan, err := o.PlanErasure(ctx, one.ID)
		if err != nil {
			return err
		}
		if len(plan.Blockers) > 0 {
			return &frame.Refusal{Status: http.StatusConflict, Title: "Rows of others refer to this client's",
				Hint: (&lifecycle.BlockedError{Blockers: plan.Blockers}).Error()}
		}
		_, err = o.RequestErasure(ctx, one.ID, time.Duration(days)*24*time.Hour)
		return err
	})
	if err != nil {
		return err
	}
	p.Source.Door.Flush()
	return frame.Elsewhere(path + "?done=" + map[bool]string{true: "cancelled", false: "requested"}[cancel])
}
