package console

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/portal/internal/frame"
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
