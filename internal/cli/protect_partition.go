package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/report"
	"github.com/moat-db/moat/protect"
)

// partitionFlags are those that partition one table by tenant.
type partitionFlags struct {
	table, tenant, by string
	budget            time.Duration
}

func (f *partitionFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.table, "table", "", "the table of --partition, --by, or of an --undo of these")
	flags.StringVar(&f.tenant, "partition", "", "give this tenant a partition of --table of its own")
	flags.StringVar(&f.by, "by", "", "spread the tenants of --table over partitions: hash:N")
	flags.DurationVar(&f.budget, "lock-budget", 0, "with --partition: how long readers and writers of the table may be "+
		"kept out; beyond it all rows are copied, not only the tenant's (default 1s)")
	for _, other := range []string{"undo", "why", "emit", "until", "sealed"} {
		c.MarkFlagsMutuallyExclusive("partition", "by", other)
	}
}

// name is the table, schema-qualified.
func (f *partitionFlags) name() catalog.QName {
	schema, name, _ := strings.Cut(f.table, ".")
	return catalog.QName{Schema: schema, Name: name}
}

func (f *partitionFlags) check(all protectFlags) error {
	partitions := f.tenant != "" || f.by != ""
	switch {
	case f.table == "" && partitions:
		return errors.New("--partition and --by need --table")
	case f.table != "" && !partitions && !all.undo:
		return errors.New("--table needs --partition, --by or --undo")
	case f.table != "" && f.name().Name == "":
		return fmt.Errorf("--table %s: name it as schema.table", f.table)
	case f.budget != 0 && f.tenant == "":
		return errors.New("--lock-budget needs --partition")
	}
	_, err := f.partition()
	return err
}

func (f *partitionFlags) partition() (protect.Partition, error) {
	o := protect.Partition{Table: f.name(), Tenant: f.tenant, LockBudget: f.budget}
	if f.by == "" {
		return o, nil
	}
	n, ok := strings.CutPrefix(f.by, "hash:")
	var err error
	if o.Hash, err = strconv.Atoi(n); !ok || err != nil || o.Hash < 2 {
		return o, withHint(fmt.Errorf("unknown way to partition %q", f.by), "use hash:N, as in hash:16")
	}
	return o, nil
}

// partitionTable plans, and with --apply runs, the partitioning of one table.
func (a *app) partitionTable(ctx context.Context, open protect.Opener, c config.Config, f protectFlags) error {
	o, err := f.partition.partition()
	if err != nil {
		return err
	}
	conn, err := open(ctx)
	if err != nil {
		return connectError(err)
	}
	plan, err := protect.LookPartition(ctx, conn, c.Model(), protectConfig(c), o)
	_ = conn.Close(context.WithoutCancel(ctx))
	switch {
	case err != nil:
		return err
	case f.apply:
		return a.applyProtect(ctx, open, plan, f)
	case f.format == "json":
		err = report.JSON(a.Out, plan)
	default:
		report.PlanText(a.Out, plan, f.sql)
	}
	return planned(plan, err)
}
