package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/moat-db/moat/api/internal/problem"
)

// scanner walks over one parameter's text. what names it in errors.
type scanner struct {
	what string
	text string
	pos  int
	use  *budget
}

func (s *scanner) done() bool { return s.pos >= len(s.text) }

// peek returns the next byte, or 0 at the end: no byte of the language is 0.
func (s *scanner) peek() byte {
	if s.done() {
		return 0
	}
	return s.text[s.pos]
}

// take consumes token if it comes next.
func (s *scanner) take(token string) bool {
	if !strings.HasPrefix(s.text[s.pos:], token) {
		return false
	}
	s.pos += len(token)
	return true
}

func (s *scanner) expect(token string) error {
	if !s.take(token) {
		return s.fail("%q", token)
	}
	return nil
}

// fail says what was found and what was expected instead.
func (s *scanner) fail(expecting string, args ...any) error {
	found := "end of input"
	if !s.done() {
		r, _ := utf8.DecodeRuneInString(s.text[s.pos:])
		found = `"` + string(r) + `"`
	}
	return problem.ParseAt(s.what, s.text, s.pos+1,
		fmt.Sprintf("unexpected %s expecting %s", found, fmt.Sprintf(expecting, args...)))
}

func (s *scanner) blanks() {
	for s.peek() == ' ' {
		s.pos++
	}
}

// name reads a field name: quoted, or letters, digits, _, $ and inner blanks, with
// dashes that are not arrows.
func (s *scanner) name() (string, error) {
	if s.peek() == '"' {
		return s.quoted()
	}
	start := s.pos
	for !s.done() {
		r, n := utf8.DecodeRuneInString(s.text[s.pos:])
		if !nameRune(r) && !(r == '-' && !strings.HasPrefix(s.text[s.pos:], "->")) {
			break
		}
		s.pos += n
	}
	name := strings.Trim(s.text[start:s.pos], " ")
	if name == "" {
		return "", s.fail("field name (* or [a..z0..9_$])")
	}
	return name, s.checkName(name)
}

func nameRune(r rune) bool {
	return r == '_' || r == '$' || r == ' ' ||
		r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

// checkName refuses what cannot be a name in PostgreSQL, which would cut a longer one.
func (s *scanner) checkName(name string) error {
	if len(name) > 63 || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return problem.Parse(s.what, s.text, "a name has at most 63 bytes of valid UTF-8")
	}
	return nil
}

// quoted reads "…" in which \ takes the next byte as it is.
func (s *scanner) quoted() (string, error) {
	value, err := s.quotedValue()
	if err != nil {
		return "", err
	}
	if value == "" {
		return "", s.fail("a name between the quotes")
	}
	return value, s.checkName(value)
}

func (s *scanner) quotedValue() (string, error) {
	if err := s.expect(`"`); err != nil {
		return "", err
	}
	var b strings.Builder
	for !s.done() {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '"':
			return b.String(), nil
		case c == '\\' && !s.done():
			b.WriteByte(s.text[s.pos])
			s.pos++
		default:
			b.WriteByte(c)
		}
	}
	return "", s.fail(`a closing "`)
}

// field reads a name and its JSON path.
func (s *scanner) field() (Field, error) {
	name, err := s.name()
	if err != nil {
		return Field{}, err
	}
	path, err := s.path()
	return Field{Name: name, Path: path}, err
}

func (s *scanner) path() ([]Step, error) {
	var path []Step
	for {
		var step Step
		switch {
		case s.take("->>"):
			step.Text = true
		case s.take("->"):
		default:
			return path, nil
		}
		if len(path) >= s.use.limits.Depth*2 {
			return nil, problem.TooLarge("a JSON path has more than %d steps", s.use.limits.Depth*2)
		}
		if err := s.step(&step); err != nil {
			return nil, err
		}
		path = append(path, step)
	}
}

func (s *scanner) step(step *Step) error {
	if s.peek() == '"' {
		key, err := s.quotedValue()
		step.Key = key
		return err
	}
	start := s.pos
	if s.take("-") && !(s.peek() >= '0' && s.peek() <= '9') {
		return s.fail("digit")
	}
	for !s.done() && !strings.ContainsRune(",().:=", rune(s.peek())) && !strings.HasPrefix(s.text[s.pos:], "->") {
		s.pos++
	}
	step.Key = s.text[start:s.pos]
	if step.Key == "" {
		return s.fail(`"-", digit or any non reserved character different from: .,>()`)
	}
	step.Index = isIndex(step.Key)
	return nil
}

func isIndex(key string) bool {
	digits := strings.TrimPrefix(key, "-")
	if digits == "" || len(digits) > 9 {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}
