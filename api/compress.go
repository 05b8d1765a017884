package api

import (
	"fmt"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// smallest is the size from which an answer is worth compressing: what does not fit
// into one packet.
const smallest = 1400

// compressed compresses the answers of next for clients that ask for it.
func (h *Handler) compressed(next http.Handler) (http.Handler, error) {
	if h.config.DisableCompression {
		return next, nil
	}
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(smallest), gzhttp.CompressionLevel(1))
	if err != nil {
		return nil, fmt.Errorf("compression: %w", err)
	}
	return wrap(next), nil
}

// heldRange has the place of Content-Range while an answer is on its way out. The
// compressor takes that header for a range of bytes and leaves such answers as they
// are; here it counts rows.
const heldRange = "Moat-Content-Range"

func holdRange(h http.Header) {
	if rows, found := h["Content-Range"]; found {
		delete(h, "Content-Range")
		h[heldRange] = rows
	}
}

func releaseRange(h http.Header) {
	if rows, found := h[heldRange]; found {
		delete(h, heldRange)
		h["Content-Range"] = rows
	}
}
