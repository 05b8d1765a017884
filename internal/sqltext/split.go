package sqltext

import "strings"

// Statement is one statement of a script, without its closing semicolon, with the
// line, counted from 1, that it starts on. Leading comments are left out.
type Statement struct {
	Text string
	Line int
	// Copy holds the data lines of COPY … FROM stdin in a dump, without the closing
	// "\." line; nil for every other statement.
	Copy []byte
}

// Split cuts a script at its semicolons: not those in strings, comments, dollar
// quotes, parentheses (CREATE RULE) or BEGIN ATOMIC bodies. psql's meta-commands,
// lines that start with a backslash between statements, are left out, as pg_dump
// writes them.
func Split(text string) []Statement {
	s := splitter{text: text}
	for s.pos < len(text) {
		s.step()
	}
	s.flush(len(text))
	return s.out
}

type splitter struct {
	text  string
	pos   int
	start int // of the current statement, -1 between statements
	open  bool
	depth int // parentheses
	block int // BEGIN ATOMIC … END and CASE … END within it
	prior string
	out   []Statement
}

func (s *splitter) step() {
	c := s.text[s.pos]
	switch {
	case strings.IndexByte(" \t\n\r\f\v", c) >= 0:
		s.pos++
		return
	case c == '\\' && !s.open:
		s.pos += lineEnd(s.text[s.pos:])
		return
	}
	kind, end := next(s.text, s.pos)
	token := Token{Kind: kind, Text: s.text[s.pos:end], Pos: s.pos, End: end}
	if kind == Comment {
		s.pos = end
		return
	}
	if token.Text == ";" && s.depth <= 0 && s.block == 0 {
		s.flush(s.pos)
		s.pos = end
		s.copyData()
		return
	}
	if !s.open {
		s.open, s.start, s.depth, s.block, s.prior = true, s.pos, 0, 0, ""
	}
	s.nest(token)
	s.pos = end
}

// nest follows what may hold semicolons.
func (s *splitter) nest(t Token) {
	switch {
	case t.Text == "(":
		s.depth++
	case t.Text == ")":
		s.depth--
	case t.Is("atomic") && s.prior == "begin":
		s.block++
	case t.Is("case") && s.block > 0:
		s.block++
	case t.Is("end") && s.block > 0:
		s.block--
	}
	s.prior = ""
	if t.Kind == Word {
		s.prior = strings.ToLower(t.Text)
	}
}

func (s *splitter) flush(end int) {
	if !s.open {
		return
	}
	s.open = false
	text := strings.TrimSpace(s.text[s.start:end])
	s.out = append(s.out, Statement{Text: text, Line: 1 + strings.Count(s.text[:s.start], "\n")})
}

// copyData takes the data that follows COPY … FROM stdin out of the script.
func (s *splitter) copyData() {
	if len(s.out) == 0 || !copiesIn(s.out[len(s.out)-1].Text) {
		return
	}
	s.pos += lineEnd(s.text[s.pos:])
	if s.pos < len(s.text) {
		s.pos++
	}
	rest := s.text[s.pos:]
	end, skip := len(rest), 0
	if n := strings.Index(rest, "\n\\."); n >= 0 && !strings.HasPrefix(rest, "\\.") {
		end, skip = n+1, lineEnd(rest[n+1:])
	} else if strings.HasPrefix(rest, "\\.") {
		end, skip = 0, lineEnd(rest)
	}
	s.out[len(s.out)-1].Copy = []byte(rest[:end])
	s.pos += end + skip
}

func copiesIn(statement string) bool {
	tokens := Code(statement)
	if len(tokens) == 0 || !tokens[0].Is("copy") {
		return false
	}
	for i := 1; i < len(tokens); i++ {
		if tokens[i-1].Is("from") && tokens[i].Is("stdin") {
			return true
		}
	}
	return false
}
