package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays of a token may be nested.
const maxDepth = 64

var (
	errNotObject = errors.New("not a JSON object")
	errEncoding  = errors.New("text that has no one meaning")
	errDuplicate = errors.New("duplicate member")
	errTooDeep   = errors.New("nested too deeply")
)

// decodeObject reads a JSON object that every reader understands in the same way:
// encoding/json alone takes the last of two equal members, replaces broken UTF-8
// and lone surrogates, and so could see another tenant than PostgreSQL's jsonb or
// the issuer does (RFC 8259, 4 and 8.2). Numbers stay as they are written.
func decodeObject(data []byte) (map[string]any, error) {
	if !json.Valid(data) {
		return nil, errNotObject
	}
	if !utf8.Valid(data) || !plainEscapes(data) {
		return nil, errEncoding
	}
	r := reader{rest: data}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errNotObject
	}
	return object, nil
}

// reader builds values from text that is known to be valid JSON, so it only has to
// find where each value ends.
type reader struct{ rest []byte }

// peek returns the next character that is not white space.
func (r *reader) peek() byte {
	r.rest = bytes.TrimLeft(r.rest, " \t\r\n")
	return r.rest[0]
}

func (r *reader) take(n int) []byte {
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	switch r.peek() {
	case '{':
		return r.object(depth)
	case '[':
		return r.array(depth)
	case '"':
		return r.text()
	case 't':
		r.take(len("true"))
		return true, nil
	case 'f':
		r.take(len("false"))
		return false, nil
	case 'n':
		r.take(len("null"))
		return nil, nil
	}
	n := bytes.IndexFunc(r.rest, func(c rune) bool {
		return c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' && (c < '0' || c > '9')
	})
	if n < 0 {
		n = len(r.rest)
	}
	return json.Number(r.take(n)), nil
}

func (r *reader) object(depth int) (map[string]any, error) {
	object := map[string]any{}
	for r.take(1); r.peek() != '}'; {
		if r.peek() == ',' {
			r.take(1)
			r.peek()
		}
		name, err := r.text()
		if err != nil {
			return nil, err
		}
		if _, seen := object[name]; seen {
			return nil, errDuplicate
		}
		r.peek()
		r.take(1) // the colon
		if object[name], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	r.take(1)
	return object, nil
}

func (r *reader) array(depth int) ([]any, error) {
	array := []any{}
	for r.take(1); r.peek() != ']'; {
		if r.peek() == ',' {
			r.take(1)
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	r.take(1)
	return array, nil
}

// text reads a string; one with escapes is left to the standard library.
func (r *reader) text() (string, error) {
	escaped, n := false, 1
	for ; r.rest[n] != '"'; n++ {
		if r.rest[n] == '\\' {
			escaped = true
			n++
		}
	}
	literal := r.take(n + 1)
	if !escaped {
		return string(literal[1:n]), nil
	}
	var s string
	err := json.Unmarshal(literal, &s)
	return s, err
}

// plainEscapes reports whether valid JSON has no escape that stands for a zero
// character or for half a surrogate pair: jsonb accepts neither.
func plainEscapes(data []byte) bool {
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 {
			return true
		}
		if data[i+1] != 'u' {
			data = data[i+2:]
			continue
		}
		r := escapedRune(data[i:])
		data = data[i+6:]
		if r == 0 {
			return false
		}
		if !utf16.IsSurrogate(r) {
			continue
		}
		if len(data) < 6 || data[0] != '\\' || data[1] != 'u' ||
			utf16.DecodeRune(r, escapedRune(data)) == utf8.RuneError {
			return false
		}
		data = data[6:]
	}
}

// escapedRune reads the \uXXXX that s starts with; JSON is known to be valid.
func escapedRune(s []byte) rune {
	n, err := strconv.ParseUint(string(s[2:6]), 16, 32)
	if err != nil {
		return 0
	}
	return rune(n)
}
