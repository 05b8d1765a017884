package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Webhook tells somebody else's server of events.
type Webhook struct {
	// URL takes a POST of an [Event] as JSON. It may hold a secret, and is in no error.
	URL string
	// Client sends; nil means one that gives up after ten seconds and follows no redirect.
	Client *http.Client
	// Pause is the time before the first of two further tries; zero means a second.
	Pause time.Duration
}

// Send posts an event, and tries twice more when the server cannot take it.
func (h *Webhook) Send(ctx context.Context, e Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	pause := h.Pause
	if pause == 0 {
		pause = time.Second
	}
	for try := 1; ; try++ {
		if err = h.post(ctx, body); err == nil || try == 3 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause *= 4
	}
}

func (h *Webhook) post(ctx context.Context, body []byte) error {
	client := h.Client
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the webhook's URL is none")
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // without the URL
	}
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return fmt.Errorf("webhook: answered %d", answer.StatusCode)
	}
	return nil
}
