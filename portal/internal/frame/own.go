package frame

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/list"
)

// Own is a session, for who has it.
type Own struct {
	ID      string // tells it from the others, and opens nothing
	About   string // the browser; "" where it did not say
	Created time.Time
	Expires time.Time
	This    bool
}

// List returns the sessions of who has one; none where they are not kept.
func (s *Sessions) List(ctx context.Context, one *Session) ([]Own, error) {
	if s.frame.Store == nil {
		return nil, nil
	}
	all, err := s.frame.Store.of(ctx, s.owner(one), s.frame.Now())
	return list.Map(all, func(k kept) Own {
		return Own{hex.EncodeToString(k.id), k.about, k.created, k.expires, bytes.Equal(k.id, s.id(one.key))}
	}), err
}

// EndOne ends a session of who has one, by the ID of the list; all the others where it is
// empty. One of somebody else is not there.
func (s *Sessions) EndOne(ctx context.Context, one *Session, id string) error {
	if s.frame.Store == nil {
		return ErrNotFound
	}
	which, err := hex.DecodeString(id)
	switch {
	case err != nil:
		return ErrNotFound
	case id == "":
		which = nil
	}
	return s.frame.Store.endOf(ctx, s.owner(one), which, s.id(one.key))
}

// browser names a browser by what it says of itself, for people: nothing is decided by it.
func browser(agent string) string {
	first := func(names ...string) string {
		for i := 0; i < len(names); i += 2 {
			if strings.Contains(agent, names[i]) {
				return names[i+1]
			}
		}
		return ""
	}
	program := first("Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "Safari/", "Safari")
	system := first("Windows", "Windows", "iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Mac OS X", "macOS",
		"Linux", "Linux")
	if program == "" || system == "" {
		return program + system
	}
	return program + " on " + system
}
