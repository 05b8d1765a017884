package frame

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
)

// colour is one of sRGB, each part from 0 to 1.
type colour [3]float64

var (
	white = colour{1, 1, 1}
	black = colour{}
)

// parseColour reads #rgb or #rrggbb, and nothing else: what it returns is safe in a style
// sheet.
func parseColour(text string) (colour, error) {
	digits, found := strings.CutPrefix(text, "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	b, err := hex.DecodeString(digits)
	if !found || err != nil || len(b) != 3 {
		return colour{}, fmt.Errorf("colour %q: write it as #1a2b3c", text)
	}
	return colour{float64(b[0]) / 255, float64(b[1]) / 255, float64(b[2]) / 255}, nil
}

func mustColour(text string) colour {
	c, err := parseColour(text)
	if err != nil {
		panic(err)
	}
	return c
}

func (c colour) String() string {
	part := func(f float64) int { return int(math.Round(255 * f)) }
	return fmt.Sprintf("#%02x%02x%02x", part(c[0]), part(c[1]), part(c[2]))
}

// luminance is the relative one of WCAG 2.2.
func (c colour) luminance() float64 {
	linear := func(f float64) float64 {
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

// contrast is the ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// mix is c with a share of other in it.
func (c colour) mix(other colour, share float64) colour {
	for i := range c {
		c[i] += (other[i] - c[i]) * share
	}
	return c
}

// readable moves c towards another colour until its contrast with each ground is enough,
// and says how it is written: what is rounded is what is checked.
func (c colour) readable(towards colour, enough float64, grounds ...colour) colour {
	for share := 0.0; ; share += 0.01 {
		moved := mustColour(c.mix(towards, min(share, 1)).String())
		low := math.Inf(1)
		for _, g := range grounds {
			low = min(low, contrast(moved, g))
		}
		if low >= enough || share >= 1 {
			return moved
		}
	}
}

// ink is black or white, what is read better on c: at least 4.58 (WCAG 2.2, 1.4.3).
func (c colour) ink() colour {
	if contrast(c, white) >= contrast(c, black) {
		return white
	}
	return black
}
