package cli

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/protect"
	"github.com/moat-db/moat/seal"
)

// sealProtected follows a protect --apply: it seals the policies when asked to, and in
// a database that is sealed already the new ones.
func (a *app) sealProtected(ctx context.Context, open protect.Opener, c config.Config, wanted bool) error {
	conn, err := open(ctx)
	if err != nil {
		return connectError(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	c = withSetting(ctx, conn, c)
	o := switchOptions(c)
	status, err := seal.LoadStatus(ctx, conn, o)
	if err != nil {
		return err
	}
	if !wanted && len(status.Sealed) == 0 {
		return nil
	}
	if wanted {
		a.warnOfRelease(conn)
		if err := a.sealFirst(ctx, conn, c); err != nil {
			return err
		}
	}
	done, err := seal.Switch(ctx, conn, seal.Sealed, o)
	if err != nil {
		return sealHint(err)
	}
	if len(done.SQL) > 0 {
		printSwitch(a.Err, done, seal.Sealed, true)
	}
	return nil
}

// sealFirst installs sealed mode with the configured key.
func (a *app) sealFirst(ctx context.Context, conn *pgx.Conn, c config.Config) error {
	install, err := installOptions(ctx, conn, c, nil)
	if err != nil {
		return err
	}
	key, made, err := firstKey(c.Sealed.KeyFile)
	if err != nil {
		return err
	}
	if made {
		fmt.Fprintf(a.Err, "%s was made in %s: every server needs it, and sealed.enabled\n", key, c.Sealed.KeyFile)
	}
	return installKey(ctx, conn, install, key, seal.KeyOptions{AnyBackend: c.Sealed.AnyConnection})
}

// unsealProtected goes ahead of a protect --undo: policies that are undone must not be
// sealed, and what protect --sealed installed goes with them.
func (a *app) unsealProtected(ctx context.Context, open protect.Opener) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	conn, err := open(ctx)
	if err != nil {
		return connectError(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	c = withSetting(ctx, conn, c)
	o := switchOptions(c)
	status, err := seal.LoadStatus(ctx, conn, o)
	if err != nil || !status.Installed {
		return err
	}
	done, err := seal.Switch(ctx, conn, seal.Plain, o)
	if err != nil {
		return err
	}
	printSwitch(a.Err, done, seal.Plain, true)
	return seal.Uninstall(ctx, conn, seal.InstallOptions{})
}
