package serving

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// Reasons why a body is refused; one that is too large is [*http.MaxBytesError].
var (
	ErrBodySlow     = errors.New("the client was too slow")
	ErrBodyUnread   = errors.New("the request body could not be read")
	ErrBodyEncoding = errors.New("the request body has a Content-Encoding other than gzip")
)

// Body reads the whole body of r, bounded in bytes and by the client's progress. It is
// to be called before Turn: until a body has come its client may take its time.
func (x *Exchange) Body(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	var source io.Reader = &paced{x, r.Body}
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		unzipped, err := gzip.NewReader(source)
		if err != nil {
			return nil, bodyError(err)
		}
		source = unzipped
	default:
		return nil, ErrBodyEncoding
	}
	text, err := x.readAll(source, limit)
	if err != nil {
		return nil, bodyError(err)
	}
	if x.control != nil {
		_ = x.control.SetReadDeadline(time.Time{})
	}
	return text, nil
}

// Upload reads the form of r with its files, bounded as Body is. Files go to the disk, where
// the caller removes them: r.MultipartForm.RemoveAll. It is to be called before Turn.
func (x *Exchange) Upload(r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	r.Body = http.MaxBytesReader(nil, io.NopCloser(&paced{x, r.Body}), limit)
	if err := r.ParseMultipartForm(0); err != nil {
		return bodyError(err)
	}
	if x.control != nil {
		_ = x.control.SetReadDeadline(time.Time{})
	}
	return nil
}

// BodyLimit is how many bytes a body may have.
func (g *Gate) BodyLimit() int64 { return g.limits.BodyBytes }

func (x *Exchange) readAll(source io.Reader, limit int64) ([]byte, error) {
	var text []byte
	for {
		if len(text) == cap(text) {
			size := max(2*cap(text), 1<<10)
			if err := x.Take(size - cap(text)); err != nil {
				return nil, err
			}
			text = append(make([]byte, 0, size), text...)
		}
		n, err := source.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if int64(len(text)) > limit {
			return nil, &http.MaxBytesError{Limit: limit}
		}
		if err == io.EOF {
			return text, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// bodyError keeps what says more than that a body is broken.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	var refused *RefusedError
	switch {
	case errors.Is(err, ErrBodySlow), errors.Is(err, os.ErrDeadlineExceeded):
		return ErrBodySlow
	case errors.As(err, &tooLarge), errors.As(err, &refused):
		return err
	}
	return ErrBodyUnread
}

// paced gives each read of the client's its time.
type paced struct {
	exchange *Exchange
	body     io.Reader
}

func (p *paced) Read(b []byte) (int, error) {
	if c := p.exchange.control; c != nil {
		_ = c.SetReadDeadline(time.Now().Add(patience))
	}
	n, err := p.body.Read(b)
	if n > 0 {
		p.exchange.advance()
	}
	return n, err
}
