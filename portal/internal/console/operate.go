package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/internal/standing"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/tenancy"
)

// operator works on the client of the address with a connection of its own, as moat tenant
// does.
func (p *Pages) operator(r *http.Request, s *frame.Session, reason string,
	fn func(ctx context.Context, o *lifecycle.Operator, one tenant) error) error {
	var client tenant
	look := ledger.Entry{By: s, Action: ledger.LookedAtOne, Reason: reason}
	if err := p.one(r, look, func(_ pgx.Tx, _ *schema.Schema, one tenant) error {
		client = one
		return nil
	}); err != nil {
		return err
	}
	return p.operate(r, s, reason, func(ctx context.Context, o *lifecycle.Operator) error { return fn(ctx, o, client) })
}

// operate works on tenants. What it does is not the pool's: the turn is given back.
func (p *Pages) operate(r *http.Request, s *frame.Session, reason string,
	fn func(ctx context.Context, o *lifecycle.Operator) error) error {
	ctx := r.Context()
	sc, err := p.Source.Schema(ctx)
	if err != nil {
		return err
	}
	p.Gate.ExchangeOf(r).Leave()
	if err := p.Ledger.Prepare(ctx); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, p.Ledger.Pool.Config().ConnConfig.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := p.prepareOperator(ctx, sc.View); err != nil {
		return err
	}
	gate := serving.TenantStateOf(sc.View, sc.Tenants)
	gate.By, gate.Reason = s.Subject, reason
	o, err := lifecycle.NewOperator(ctx, conn, sc.View, lifecycle.Options{Name: s.Subject, Reason: reason, Gate: gate})
	if err != nil {
		return err
	}
	return refusal(fn(ctx, o))
}

// Prepare makes what the console's acts on clients need, where an administrator's connection
// is at hand: at the start, so that no later act is drift. The second time grants what the
// first has made.
func (p *Pages) Prepare(ctx context.Context) error {
	if p.Ledger.Admin == nil {
		return nil
	}
	conn, err := p.Ledger.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for range 2 {
		view, err := tenancy.Read(ctx, conn, p.Model)
		if err == nil {
			err = p.makeTables(ctx, conn, view)
		}
		if err != nil {
			return fmt.Errorf("prepare the operator's tables: %w", err)
		}
	}
	return nil
}

// prepareOperator makes moat's tables where an administrator's connection is at hand.
func (p *Pages) prepareOperator(ctx context.Context, v *policy.View) error {
	if p.Ledger.Admin == nil {
		return nil
	}
	conn, err := p.Ledger.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return p.makeTables(ctx, conn, v)
}

func (p *Pages) makeTables(ctx context.Context, conn *pgx.Conn, v *policy.View) error {
	_, err := conn.PgConn().Exec(ctx, lifecycle.TablesSQL(v, p.Ledger.Pool.Config().ConnConfig.User)).ReadAll()
	return err
}

// refusal says what to do about what stands in the way.
func refusal(err error) error {
	conflict := func(title, hint string) error {
		return &frame.Refusal{Status: http.StatusConflict, Title: title, Hint: hint}
	}
	var undecided *lifecycle.UndecidedError
	var pg *pgconn.PgError
	var unfit *lifecycle.RefusedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*lifecycle.NotPreparedError)), errors.As(err, new(*lifecycle.MissingRightsError)),
		errors.As(err, new(*standing.NotPreparedError)), errors.As(err, &pg) && pg.Code == "42501":
		return conflict("The operator role may not do this here yet",
			"Once, as an administrator: moat tenant setup --operator ROLE --apply.")
	case errors.As(err, new(*lifecycle.ObjectRightsError)):
		return conflict("The operator role may not work on this client's large objects", err.Error())
	case errors.As(err, &undecided):
		return conflict("moat cannot tell whose rows some tables hold", undecided.Error()+". Say so in moat.yaml.")
	case errors.As(err, &unfit):
		return conflict("The export does not fit this database", unfit.Error())
	case errors.Is(err, lifecycle.ErrCertified):
		return conflict("This client was erased, and a certificate says so",
			"moat tenant restore --revoke-certificate brings it back.")
	}
	return err
}
