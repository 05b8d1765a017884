package query

import "strings"

// parseOrder reads a.desc.nullslast,b->>c,d(e).asc.
func parseOrder(text string, use *budget) ([]Term, error) {
	s := &scanner{what: "order", text: text, use: use}
	var terms []Term
	for {
		s.blanks()
		term, err := s.term()
		if err != nil {
			return nil, err
		}
		if err := use.item(); err != nil {
			return nil, err
		}
		terms = append(terms, term)
		s.blanks()
		if s.done() {
			return terms, nil
		}
		if err := s.expect(","); err != nil {
			return nil, err
		}
	}
}

func (s *scanner) term() (Term, error) {
	field, err := s.field()
	if err != nil {
		return Term{}, err
	}
	term := Term{Field: field}
	if len(field.Path) == 0 && s.take("(") {
		term.Related = field.Name
		if term.Field, err = s.field(); err != nil {
			return Term{}, err
		}
		if err := s.expect(")"); err != nil {
			return Term{}, err
		}
	}
	for s.take(".") {
		if err := s.direction(&term); err != nil {
			return Term{}, err
		}
	}
	return term, nil
}

func (s *scanner) direction(t *Term) error {
	word := s.text[s.pos:]
	if end := strings.IndexAny(word, ".,"); end >= 0 {
		word = word[:end]
	}
	switch strings.TrimRight(word, " ") {
	case "asc":
		t.Desc = false
	case "desc":
		t.Desc = true
	case "nullsfirst":
		t.Nulls = "first"
	case "nullslast":
		t.Nulls = "last"
	default:
		return s.fail("asc, desc, nullsfirst or nullslast")
	}
	s.pos += len(word)
	return nil
}
