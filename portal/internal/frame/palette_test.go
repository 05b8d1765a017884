package frame

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

var variable = regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]{6})`)

func variablesOf(t *testing.T, css string) map[string]colour {
	t.Helper()
	out := map[string]colour{}
	for _, m := range variable.FindAllStringSubmatch(css, -1) {
		out[m[1]] = mustColour(m[2])
	}
	return out
}

// Whatever colours a brand has, texts are read and marks are seen, in light and dark.
func TestColoursAreReadable(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSessionsLiveInTheirCookies
	random := rand.New(rand.NewPCG(4, 5))
	given := []string{"#fff", "#000000", "#ffee00", "#808080", "#777777", "#0b7168", "#ff0000", "#00f"}
	for range 3000 {
		given = append(given, colour{random.Float64(), random.Float64(), random.Float64()}.String())
	}
	enough := func(what, given string, a, b colour, want float64) {
		t.Helper()
		if got := contrast(a, b); got < want {
			t.Errorf("%s of %s: contrast %.2f of %s on %s, want %.1f", what, given, got, a, b, want)
		}
	}
	for _, one := range given {
		accent, err := parseColour(one)
		if err != nil {
			t.Fatal(err)
		}
		for _, th := range []theme{light, dark} {
			css, _ := th.variables(accent)
			v := variablesOf(t, css)
			enough("button", one, v["accent-ink"], v["accent"], textContrast)
			enough("button under the pointer", one, v["accent-ink"], v["accent-hover"], textContrast)
			enough("marked text", one, v["accent-deep"], v["tint"], textContrast)
			for _, ground := range []colour{th.bg, th.panel, th.raised, th.hover} {
				enough("link", one, v["link"], ground, textContrast)
				enough("mark", one, v["accent"], ground, markContrast)
			}
		}
		v := variablesOf(t, side(accent))
		for _, ground := range []string{"panel", "hover", "tint"} {
			enough("navigation", one, v["ink"], v[ground], textContrast)
		}
		enough("navigation", one, v["soft"], v["panel"], textContrast)
		enough("navigation", one, v["soft"], v["hover"], textContrast)
	}
}

// The grounds that colours are corrected for are those of the style sheet.
func TestGroundsOfTheSheet(t *testing.T) {
	t.Parallel()
	css, err := assetFiles.ReadFile("assets/portal.css")
	if err != nil {
		t.Fatal(err)
	}
	first, second, _ := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	for i, one := range []struct {
		css   string
		theme theme
	}{{first, light}, {second, dark}} {
		for name, want := range map[string]colour{"bg": one.theme.bg, "panel": one.theme.panel, "raised": one.theme.raised,
			"hover": one.theme.hover} {
			m := regexp.MustCompile(`--` + name + `: (#[0-9a-f]+)`).FindStringSubmatch(one.css)
			if m == nil || mustColour(m[1]) != want {
				t.Errorf("theme %d: --%s is %v, corrected for %s", i, name, m, want)
			}
		}
	}
}

func TestColoursAreParsed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "red", "#12", "#1234567", "#gggggg", "#fff;} body{display:none", "url(x)", "#fff ",
		"rgb(0,0,0)", "#ÿÿÿ"} {
		if c, err := parseColour(text); err == nil {
			t.Errorf("%q is %s", text, c)
		}
	}
	css, corrected, err := Colours{Accent: "#ffee00", SideDark: "#123"}.sheet()
	if err != nil || len(corrected) != 1 || !strings.Contains(corrected[0], "accent #ffee00 is shown as #") {
		t.Errorf("yellow on white is corrected: %v %v\n%s", corrected, err, css)
	}
	if _, corrected, _ := (Colours{Accent: "#0b7168"}).sheet(); len(corrected) != 0 {
		t.Errorf("the portal's own accent is corrected: %v", corrected)
	}
}
