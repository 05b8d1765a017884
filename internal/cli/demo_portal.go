package cli

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/demo"
	"github.com/moat-db/moat/portal"
	pages "github.com/moat-db/moat/portal/demo"
)

// demoPages lets visitors in without a token, and lets them try to break in over a
// pool of its own that is cleared after each attempt.
func demoPages(d *demo.Demo) func(context.Context, *service, *portal.Config) error {
	return func(ctx context.Context, s *service, c *portal.Config) error {
		options, err := bindOptions(s.config)
		if err != nil {
			return err
		}
		options.Paranoid, options.MaxConns, options.StatementTimeout = true, 2, s.config.Serve.StatementTimeout
		breakIn, err := moat.Open(ctx, s.appURL, options)
		if err != nil {
			return err
		}
		s.onClose(breakIn.Close)
		p := pages.Config{Sign: d.Token, SignOperator: d.OperatorToken, BreakIn: breakIn, Referee: c.Operator.Pool,
			Sealed: s.config.Sealed.Enabled}
		for _, one := range append(slices.Clone(d.Clients), d.Agency) {
			p.Clients = append(p.Clients, pages.Client(one))
		}
		c.Extend, c.PasteTokens = p.Extend, true
		c.Operator.Admin, err = pgx.ParseConfig(d.AdminURL)
		return err
	}
}
