package seal

import (
	"os"
	"sync"
	"time"
)

// fileCheck is how often a key file is looked at.
const fileCheck = time.Second

// Open returns a Sealer that signs with the first key of a key file, and reads the
// file again when it has changed: keys rotate without a restart. source is as in
// [LoadKeys]; o may be nil.
//
// While a changed file cannot be read the key that was read last keeps signing,
// until the database retires it.
func Open(source string, o *Options) (*Sealer, error) {
	keys, err := LoadKeys(source)
	if err != nil {
		return nil, err
	}
	w := &watched{source: source, signer: keys[0].Signer(), seen: fileStateOf(source), now: time.Now}
	w.next = w.now().Add(fileCheck)
	return newSealer(w.current, o)
}

// watched is a key file that is read again when it changes.
type watched struct {
	source string
	now    func() time.Time

	mu     sync.Mutex
	signer Signer
	seen   fileState
	next   time.Time
}

// fileState tells one state of a file from another.
type fileState struct {
	modified time.Time
	size     int64
}

func fileStateOf(source string) fileState {
	info, err := os.Stat(source)
	if err != nil {
		return fileState{}
	}
	return fileState{info.ModTime(), info.Size()}
}

func (w *watched) current() (Signer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if now.Before(w.next) {
		return w.signer, nil
	}
	w.next = now.Add(fileCheck)
	seen := fileStateOf(w.source)
	if seen == w.seen || seen == (fileState{}) {
		return w.signer, nil
	}
	if keys, err := LoadKeys(w.source); err == nil {
		w.signer, w.seen = keys[0].Signer(), seen
	}
	return w.signer, nil
}
