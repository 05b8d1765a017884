package demo

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/roles"
	"github.com/moat-db/moat/seal"
)

// bindMode makes the policies read the sealed tenant or the plain setting, whichever
// was asked for; a kept demo may have been left in the other mode.
func (d *Demo) bindMode(ctx context.Context, sealed bool, dir string) error {
	conn, err := pgx.Connect(ctx, d.AdminURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if !sealed {
		_, err := seal.Switch(ctx, conn, seal.Plain, nil)
		if errors.Is(err, seal.ErrNotInstalled) {
			return nil
		}
		return err
	}
	d.SealKeyFile = filepath.Join(dir, "seal.key")
	if err := installKey(ctx, conn, d.SealKeyFile); err != nil {
		return err
	}
	_, err = seal.Switch(ctx, conn, seal.Sealed, nil)
	return err
}

// installKey installs sealed mode with the key in a file, which it makes where there
// is none.
func installKey(ctx context.Context, conn *pgx.Conn, file string) error {
	keys, err := seal.LoadKeys(file)
	if errors.Is(err, fs.ErrNotExist) {
		keys = []seal.Key{seal.NewKey()}
		err = seal.WriteKeys(file, keys...)
	}
	if err != nil {
		return err
	}
	if err := seal.Install(ctx, conn, seal.InstallOptions{
		Applications: []string{ApplicationRole, roles.Tree}}); err != nil {
		return err
	}
	known, err := seal.Keys(ctx, conn)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(known, func(k seal.KeyStatus) bool { return k.ID == keys[0].ID() }) {
		return nil
	}
	return seal.AddKey(ctx, conn, keys[0], seal.KeyOptions{})
}
