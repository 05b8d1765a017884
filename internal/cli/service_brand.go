package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/portal"
)

// maxBrandFile bounds what is read of a picture; the portal allows less.
const maxBrandFile = 1 << 20

// openBrands reads the brands of the portal's hosts with their pictures.
func openBrands(c config.Portal) (map[string]portal.Brand, error) {
	out := map[string]portal.Brand{}
	for _, host := range slices.Sorted(maps.Keys(c.Brand)) {
		b := c.Brand[host]
		one := portal.Brand{Name: b.Name, Colours: portal.Colours(b.Colours), Title: b.Title, Intro: b.Intro,
			Points: b.Points, Support: b.Support, Locale: b.Locale, Moat: b.Moat, Console: b.Console}
		for _, l := range b.Links {
			one.Links = append(one.Links, portal.BrandLink(l))
		}
		for _, f := range []struct {
			name, file string
			into       *[]byte
		}{{"logo", b.Logo, &one.Logo}, {"logo_dark", b.LogoDark, &one.LogoDark}, {"favicon", b.Favicon, &one.Favicon}} {
			var err error
			if *f.into, err = picture(f.file); err != nil {
				return nil, fmt.Errorf("portal.brand %s: %s: %w", host, f.name, err)
			}
		}
		out[host] = one
	}
	return out, nil
}

func picture(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBrandFile))
}
