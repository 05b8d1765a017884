package query

import (
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
)

// parseFilter reads the value of a parameter that is a filter: [not.]op[(…)].value.
func parseFilter(field Field, text string, use *budget) (Cond, error) {
	s := &scanner{what: "filter", text: text, use: use}
	cond := Cond{Not: s.take("not."), Filter: Filter{Field: field}}
	if err := s.operation(&cond.Filter); err != nil {
		return Cond{}, err
	}
	f := &cond.Filter
	if f.Op == OpIn {
		var err error
		if f.Values, err = s.list(); err != nil {
			return Cond{}, err
		}
		if !s.done() {
			return Cond{}, s.fail("end of input")
		}
		return cond, use.filter()
	}
	f.Value = s.text[s.pos:]
	err := errorsFirst(s.check(f), use.filter())
	return cond, err
}

func errorsFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// operation reads op, its modifier and the dot after it.
func (s *scanner) operation(f *Filter) error {
	start := s.pos
	for !s.done() && s.peek() >= 'a' && s.peek() <= 'z' {
		s.pos++
	}
	f.Op = Op(s.text[start:s.pos])
	if !f.Op.known() {
		s.pos = start
		return s.fail(`"not" or operator (eq, gt, ...)`)
	}
	if s.peek() == '(' {
		if err := s.modifier(f); err != nil {
			return err
		}
	}
	return s.expect(".")
}

func (s *scanner) modifier(f *Filter) error {
	switch {
	case f.Op.quantified() && s.take("(any)"):
		f.Quantifier = "any"
		return nil
	case f.Op.quantified() && s.take("(all)"):
		f.Quantifier = "all"
		return nil
	case f.Op.TextSearch():
		s.pos++
		end := strings.IndexByte(s.text[s.pos:], ')')
		if end <= 0 || end > 63 {
			return s.fail("the name of a text search configuration")
		}
		f.Language = s.text[s.pos : s.pos+end]
		s.pos += end + 1
		return nil
	}
	return s.fail(`"."`)
}

// check refuses a value that its operator cannot take.
func (s *scanner) check(f *Filter) error {
	if strings.ContainsRune(f.Value, 0) {
		return problem.Parse(s.what, "", "a value holds a zero byte")
	}
	if f.Op != OpIs {
		return nil
	}
	if f.Value = strings.ToLower(f.Value); isState(f.Value) {
		return nil
	}
	return s.fail("null, not_null, true, false or unknown")
}

func isState(word string) bool {
	switch word {
	case "null", "not_null", "true", "false", "unknown":
		return true
	}
	return false
}

// list reads (a,"b c",d).
func (s *scanner) list() ([]string, error) {
	if err := s.expect("("); err != nil {
		return nil, err
	}
	if s.blanks(); s.take(")") {
		return []string{}, nil
	}
	var values []string
	for {
		value, err := s.element(",)")
		if err != nil {
			return nil, err
		}
		if values = append(values, value); len(values) > s.use.limits.Values {
			return nil, problem.TooLarge("a list has more than %d values", s.use.limits.Values)
		}
		if s.take(",") {
			continue
		}
		return values, s.expect(")")
	}
}

// element reads a quoted value, or text up to one of the stop bytes.
func (s *scanner) element(stop string) (string, error) {
	if s.peek() == '"' {
		start := s.pos
		if value, err := s.quotedValue(); err == nil && (s.done() || strings.IndexByte(stop, s.peek()) >= 0) {
			return value, checkZero(s, value)
		}
		s.pos = start
	}
	start := s.pos
	for !s.done() && strings.IndexByte(stop, s.peek()) < 0 {
		s.pos++
	}
	value := s.text[start:s.pos]
	return value, checkZero(s, value)
}

func checkZero(s *scanner, value string) error {
	if strings.ContainsRune(value, 0) {
		return problem.Parse(s.what, "", "a value holds a zero byte")
	}
	return nil
}
