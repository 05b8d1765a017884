package frame

import (
	"fmt"
	"strings"
)

// Colours are those of a brand, as #rrggbb; empty means the portal's own. What cannot be read
// on the portal's grounds is corrected.
type Colours struct {
	// Accent is that of buttons, links and charts, AccentDark the same on dark screens.
	Accent, AccentDark string
	// Side is the ground of the navigation, SideDark the same on dark screens.
	Side, SideDark string
}

// What a text needs against its ground, and what a line or a mark needs (WCAG 2.2, 1.4.3 and
// 1.4.11).
const (
	textContrast = 4.5
	markContrast = 3.6 // the bars of a chart let some of the ground through
)

// theme is what a colour is corrected for: the grounds of portal.css.
type theme struct {
	bg, panel, raised, hover, ink colour
	towards                       colour // where there is more contrast
}

var (
	light = theme{mustColour("#f6f8f7"), white, white, mustColour("#f0f5f3"), mustColour("#12201e"), black}
	dark  = theme{mustColour("#0c1312"), mustColour("#131c1b"), mustColour("#1a2524"), mustColour("#192423"),
		mustColour("#e7efed"), white}
)

// variables are those of portal.css that an accent sets.
func (t theme) variables(accent colour) (css string, used colour) {
	used = accent.readable(t.towards, markContrast, t.bg, t.panel, t.raised, t.hover)
	tint := mustColour(t.panel.mix(used, 0.12).String())
	link := used.readable(t.towards, textContrast, t.bg, t.panel, t.raised, t.hover)
	deep := link.readable(t.towards, textContrast, tint)
	// The button under the pointer goes away from its text, so that it stays readable.
	ink := used.ink()
	away := used.mix(map[bool]colour{true: black, false: white}[ink == white], 0.14)
	return fmt.Sprintf("--accent:%s;--accent-ink:%s;--accent-hover:%s;--accent-deep:%s;--tint:%s;--link:%s",
		used, ink, away, deep, tint, link), used
}

// shade is the ground of what is marked on another, on which ink is still read.
func shade(ground, ink colour, share float64) colour {
	marked := mustColour(ground.mix(ink, share).String())
	if contrast(marked, ink) >= textContrast {
		return marked
	}
	return mustColour(ground.mix(map[bool]colour{true: black, false: white}[ink == white], share).String())
}

// side are the variables inside a navigation of another ground.
func side(ground colour) string {
	ink := ground.ink()
	hover, tint := shade(ground, ink, 0.08), shade(ground, ink, 0.16)
	soft := ink.mix(ground, 0.3).readable(ink, textContrast, ground, hover)
	return fmt.Sprintf("--panel:%s;--raised:%[1]s;--ink:%s;--soft:%s;--line:%s;--hover:%s;--tint:%s;--accent:%[2]s;"+
		"--accent-deep:%[2]s;background:%[1]s;color:%[2]s", ground, ink, soft, ground.mix(ink, 0.18), hover, tint)
}

// sheet writes the brand's style sheet, and says which colours it had to correct.
func (c Colours) sheet() (css string, corrected []string, err error) {
	var b strings.Builder
	for _, one := range []struct {
		name, first, second string
		media               string
		theme               theme
	}{{"accent", c.Accent, c.AccentDark, "%s", light},
		{"accent_dark", c.AccentDark, c.Accent, "@media (prefers-color-scheme:dark){%s}", dark}} {
		given := one.first
		if given == "" {
			given = one.second
		}
		if given == "" {
			continue
		}
		accent, err := parseColour(given)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", one.name, err)
		}
		variables, used := one.theme.variables(accent)
		if one.first != "" && used != accent {
			corrected = append(corrected, fmt.Sprintf("%s %s is shown as %s", one.name, given, used))
		}
		fmt.Fprintf(&b, one.media, ":root{"+variables+"}")
	}
	for _, one := range []struct{ name, given, media string }{{"side", c.Side, "%s"},
		{"side_dark", c.SideDark, "@media (prefers-color-scheme:dark){%s}"}} {
		if one.given == "" {
			continue
		}
		ground, err := parseColour(one.given)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", one.name, err)
		}
		fmt.Fprintf(&b, one.media, ".client .side{"+side(ground)+"}")
	}
	return b.String(), corrected, nil
}
