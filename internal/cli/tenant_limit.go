package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/moat-db/moat/lifecycle"
)

func (a *app) newTenantLimit() *cobra.Command {
	var f tenantFlags
	var own limitFlags
	c := &cobra.Command{
		Use:   "limit TENANT [URL]",
		Short: "Show or set what one tenant may take",
		Long: "Show the limits that a tenant has of its own, or set those that are given and keep the\n" +
			"others. 0 takes one away, --none all of them: then the tenant has what moat.yaml gives to\n" +
			"all. The API, the portal and the proxy act on it within a second.",
		Example: "  moat tenant limit 3f2a… --requests-per-second 500 --concurrent 40 --reason 'big plan' --apply\n" +
			"  moat tenant limit 3f2a… --none --reason 'back to the small plan' --apply",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			own.given = cmd.Flags().Changed
			if min(own.rate, float64(min(own.burst, own.concurrent, own.connections))) < 0 {
				return withHint(errors.New("a limit cannot be negative"), "0 takes one away, --none all of them")
			}
			if own.any() && !f.apply {
				return withHint(errors.New("nothing was changed"), "--apply changes it")
			}
			return a.act(cmd.Context(), args[1:], f, func(o *lifecycle.Operator) error {
				l, err := own.set(cmd.Context(), o, args[0])
				if err != nil {
					return err
				}
				return a.print(f, l, func(w io.Writer) { fmt.Fprintf(w, "tenant %s: %s\n", args[0], l) })
			})
		},
	}
	f.add(c, "set them")
	c.Flags().Float64Var(&own.rate, rateFlag, 0, "requests a second to the API and the portal")
	c.Flags().IntVar(&own.burst, burstFlag, 0, "requests at once (default: one second's)")
	c.Flags().IntVar(&own.concurrent, concurrentFlag, 0, "statements at once")
	c.Flags().IntVar(&own.connections, connectionsFlag, 0, "connections through the proxy")
	c.Flags().BoolVar(&own.none, "none", false, "take all of its own limits away")
	return c
}

const (
	rateFlag        = "requests-per-second"
	burstFlag       = "burst"
	concurrentFlag  = "concurrent"
	connectionsFlag = "connections"
)

// limitFlags are the limits that a command line gives.
type limitFlags struct {
	rate                           float64
	burst, concurrent, connections int
	none                           bool
	given                          func(flag string) bool
}

func (l *limitFlags) any() bool {
	return l.none || l.given(rateFlag) || l.given(burstFlag) || l.given(concurrentFlag) || l.given(connectionsFlag)
}

// set changes what is given, and returns what the tenant has then.
func (l *limitFlags) set(ctx context.Context, o *lifecycle.Operator, tenant string) (own lifecycle.Limit, err error) {
	if !l.none {
		if own, err = o.Limit(ctx, tenant); err != nil || !l.any() {
			return own, err
		}
	}
	if l.given(rateFlag) {
		own.RequestsPerSecond = given(l.rate)
	}
	for _, one := range []struct {
		flag  string
		value int
		to    **int
	}{{burstFlag, l.burst, &own.Burst}, {concurrentFlag, l.concurrent, &own.Concurrent},
		{connectionsFlag, l.connections, &own.Connections}} {
		if l.given(one.flag) {
			*one.to = given(one.value)
		}
	}
	return own, o.SetLimit(ctx, tenant, own)
}

// given is a limit as the table has it: nil for 0, which takes it away.
func given[N int | float64](n N) *N {
	if n == 0 {
		return nil
	}
	return &n
}
