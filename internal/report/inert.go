package report

import (
	"io"
	"regexp"
)

// inert writes text of which no line is a command to the build that shows it: names may have a
// line's end in them, and any word of theirs may begin a wrapped line.
type inert struct{ io.Writer }

var buildCommand = regexp.MustCompile(`(?m)^(\s*):(:[a-z-]+)`)

func (w inert) Write(text []byte) (int, error) {
	if _, err := w.Writer.Write(buildCommand.ReplaceAll(text, []byte("$1: $2"))); err != nil {
		return 0, err
	}
	return len(text), nil
}
