package frame

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/gif" // the formats of a logo
	_ "image/jpeg"
	"image/png"
	"maps"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"github.com/moat-db/moat/portal/internal/text"
)

// Brand is whose portal it is that a host shows. It says how pages look and what they say, and
// grants nothing. What is empty is left out; Name is required.
type Brand struct {
	Name string
	// Logo, LogoDark (for dark screens) and Favicon are PNG, JPEG or GIF, of 64 kB at most.
	// A logo at least twice as wide as high stands in the place of the name.
	Logo, LogoDark, Favicon []byte
	Colours                 Colours
	// Title, Intro and Points are what the page of the sign-in says.
	Title, Intro string
	Points       []string
	// Support is a mailto: or https: address, Links are others, such as the legal notice.
	Support string
	Links   []BrandLink
	// Locale is one of text.Locales, or "visitor": the browser's.
	Locale string
	// Moat says on each page that moat keeps the clients apart.
	Moat bool
	// Console serves the operator's console at this host as well.
	Console bool
}

// BrandLink is a link at the foot of each page.
type BrandLink struct{ Title, Href string }

// Look is a brand that was checked, as pages need it.
type Look struct {
	Brand
	Own           bool // the host has a brand of its own, and is not moat's
	Sheet         string
	Mark, Dark    *picture
	Icon          string
	SupportText   string
	visitorLocale bool
	locale        *text.Locale
}

// picture is a logo at the height that it is shown at.
type picture struct {
	Path          string
	Width, Height int
	Wide          bool // says the name itself
}

const (
	maxPicture      = 64 << 10
	maxPixels       = 4096 // of a side
	pictureHeight   = 32
	maxPictureWidth = 180
)

// looks checks the brands, and adds their files to the assets.
func (f *Frame) prepareLooks() error {
	f.looks, f.plain = map[string]*Look{}, &Look{Brand: Brand{Name: "Moat", Locale: f.Locale, Console: true}}
	if err := f.plain.readLocale(); err != nil {
		return fmt.Errorf("portal.locale: %w", err)
	}
	f.plain.Icon = f.assets.path("logo.svg")
	for _, host := range slices.Sorted(maps.Keys(f.Brands)) {
		look, corrected, err := f.look(f.Brands[host])
		if err == nil {
			err = checkHost(host)
		}
		if err != nil {
			return fmt.Errorf("portal.brand %s: %w", host, err)
		}
		for _, c := range corrected {
			f.Logger.Warn("portal: a colour could not be read and was corrected", "host", host, "colour", c)
		}
		f.looks[host] = look
	}
	return nil
}

// checkHost takes a name, or a name and port, as browsers send it.
func checkHost(host string) error {
	u, err := url.Parse("https://" + host)
	if err != nil || u.Host != host || u.Hostname() == "" || host != strings.ToLower(host) ||
		strings.ContainsAny(host, "*@/") {
		return errors.New("write the host as clients.example.com or localhost:8080, in lower case")
	}
	return nil
}

// look checks a brand.
func (f *Frame) look(b Brand) (*Look, []string, error) {
	if strings.TrimSpace(b.Name) == "" {
		return nil, nil, errors.New("name is missing")
	}
	if b.Locale == "" {
		b.Locale = f.Locale
	}
	l := &Look{Brand: b, Own: true}
	css, corrected, err := b.Colours.sheet()
	if err != nil {
		return nil, nil, fmt.Errorf("colours.%w", err)
	}
	if css != "" {
		l.Sheet = f.assets.brand(css, "brand.css")
	}
	return l, corrected, errors.Join(l.readLocale(), l.readLinks(), l.readPictures(f.assets))
}

func (l *Look) readLocale() error {
	if l.visitorLocale = l.Locale == "visitor"; l.visitorLocale {
		return nil
	}
	if l.locale = text.British(); l.Locale == "" {
		return nil
	}
	if l.locale = text.LocaleOf(l.Locale); l.locale == nil {
		return fmt.Errorf("locale %q: use visitor, or one of %s", l.Locale, strings.Join(text.Locales(), ", "))
	}
	return nil
}

// readLinks refuses addresses that are no web page and no mailbox.
func (l *Look) readLinks() error {
	if l.Support != "" {
		shown, err := addressOf(l.Support)
		if err != nil {
			return fmt.Errorf("support: %w", err)
		}
		l.SupportText = shown
	}
	for _, one := range l.Links {
		if _, err := addressOf(one.Href); err != nil || strings.TrimSpace(one.Title) == "" {
			return fmt.Errorf("link %q: it needs a title and an address: %w", one.Title, err)
		}
	}
	return nil
}

// addressOf returns an address for people to read: a mailbox, or a host with its path.
func addressOf(href string) (string, error) {
	u, err := url.Parse(href)
	switch {
	case err != nil:
		return "", errors.New("no address")
	case u.Scheme == "https" && u.Host != "" && u.User == nil:
		return u.Host + strings.TrimSuffix(u.Path, "/"), nil
	case u.Scheme == "mailto":
		if at, err := mail.ParseAddress(u.Opaque); err == nil && at.Name == "" && at.Address == u.Opaque {
			return at.Address, nil
		}
	}
	return "", fmt.Errorf("%q is neither an https: address nor a mailto: one", text.Clip(href, 60))
}

func (l *Look) readPictures(a *assets) (err error) {
	if l.Mark, err = a.picture("logo", l.Logo); err != nil {
		return err
	}
	if l.Dark, err = a.picture("logo_dark", l.LogoDark); err != nil {
		return err
	}
	icon, err := a.picture("favicon", l.Favicon)
	if err != nil {
		return err
	}
	switch {
	case icon != nil:
		l.Icon = icon.Path
	case l.Mark != nil:
		l.Icon = l.Mark.Path
	default:
		l.Icon, err = l.tile(a)
	}
	return err
}

// tile is the icon of a brand without one: its colour. Browsers ask for some icon anyway.
func (l *Look) tile(a *assets) (string, error) {
	c := mustColour("#566664")
	if l.Colours.Accent != "" {
		c = mustColour(l.Colours.Accent)
	}
	tile, part := image.NewRGBA(image.Rect(0, 0, 32, 32)), func(f float64) uint8 { return uint8(255 * f) }
	draw.Draw(tile, tile.Bounds(), image.NewUniform(color.RGBA{part(c[0]), part(c[1]), part(c[2]), 255}), image.Point{},
		draw.Src)
	var b bytes.Buffer
	err := png.Encode(&b, tile)
	return a.brand(b.String(), "icon.png"), err
}

// picture takes what the decoders of a raster format know: an SVG could bring code.
func (a *assets) picture(name string, data []byte) (*picture, error) {
	if len(data) == 0 {
		return nil, nil
	}
	size, format, err := image.DecodeConfig(bytes.NewReader(data))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: it is no PNG, JPEG or GIF", name)
	case len(data) > maxPicture:
		return nil, fmt.Errorf("%s: it has %d bytes; %d are allowed", name, len(data), maxPicture)
	case size.Width < 1 || size.Height < 1 || size.Width > maxPixels || size.Height > maxPixels:
		return nil, fmt.Errorf("%s: %d by %d pixels; %d are allowed", name, size.Width, size.Height, maxPixels)
	}
	p := &picture{Path: a.brand(string(data), name+"."+format), Height: pictureHeight,
		Width: pictureHeight * size.Width / size.Height, Wide: size.Width >= 2*size.Height}
	if p.Width > maxPictureWidth {
		p.Height, p.Width = max(1, pictureHeight*maxPictureWidth/p.Width), maxPictureWidth
	}
	return p, nil
}

// Look is the look of a request's host, nil where the portal is not served there. A host is
// known by its exact name, with the port or without.
func (f *Frame) Look(r *http.Request) *Look {
	if len(f.looks) == 0 {
		return f.plain
	}
	host := strings.ToLower(r.Host)
	if l := f.looks[host]; l != nil {
		return l
	}
	return f.looks[Hostname(host)]
}

// ClientsAt is a page of the clients' portal, as their browsers know it: at the first host that is for
// clients alone, or where the request came.
func (f *Frame) ClientsAt(r *http.Request, path string) string {
	u := &url.URL{Scheme: "http", Host: r.Host, Path: path}
	if f.Secure(r) {
		u.Scheme = "https"
	}
	for _, host := range slices.Sorted(maps.Keys(f.looks)) {
		if f.looks[host].Console {
			continue
		}
		u.Host = host
		if _, port, err := net.SplitHostPort(r.Host); err == nil && Hostname(host) == host {
			u.Host = net.JoinHostPort(host, port)
		}
		break
	}
	return u.String()
}

// Unknown returns the first of hosts that the portal is not served at, "" where there is none.
func (f *Frame) Unknown(hosts []string) string {
	for _, host := range hosts {
		served := func(known string) bool { return Hostname(known) == Hostname(host) }
		if len(f.looks) > 0 && !slices.ContainsFunc(slices.Collect(maps.Keys(f.looks)), served) {
			return host
		}
	}
	return ""
}

// Hostname is a host without its port, in lower case: what a browser's cookies belong to.
func Hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(host)
}

// Locale is how a visitor's numbers and dates are written.
func (f *Frame) LocaleOf(r *http.Request) *text.Locale {
	l := f.Look(r)
	if l == nil || l.locale == nil {
		return text.LocaleFor(r.Header.Get("Accept-Language"))
	}
	return l.locale
}

// known answers for hosts that are the portal's, and tells other requests that they came to
// the wrong server (RFC 9110, 15.5.20). It names nobody.
func (f *Frame) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		look := f.Look(r)
		switch {
		case look == nil:
			http.Error(w, "This address is not served here.", http.StatusMisdirectedRequest)
		case !look.Console && within(r.URL.Path, Base+"/operator"):
			http.NotFound(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func within(path, base string) bool { return path == base || strings.HasPrefix(path, base+"/") }
