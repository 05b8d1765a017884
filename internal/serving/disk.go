package serving

import (
	"fmt"
	"os"
	"time"
)

// disk is the part of an answer that is not in memory: a file that has no name any more, as
// soon as the system allows that, so that nothing of it survives the process.
type disk struct {
	file *os.File
	size int64
	most int64 // bytes; 0 means any number, which counts for nobody
	ends time.Time
	came time.Time // when the last part of it was written
}

// How much of the disk answers take, of one tenant and of all. That they are sent within
// diskTime bounds how long they take it, however slow their readers are.
const (
	tenantDisk = 512 << 20
	allDisk    = 4 << 30
	diskTime   = time.Hour
)

// longestRest is how long it rests at most after a part, however long that took.
const longestRest = 100 * time.Millisecond

// ToDisk has the answer written to the disk until it is sent, at most so many bytes of it; 0
// means any number. It is for what no answer in memory could be. Where no file can be made,
// the answer stays in memory, and is bounded as others are.
func (x *Exchange) ToDisk(most int64) {
	if x.disk != nil || x.control == nil { // or it is not held
		return
	}
	file, err := os.CreateTemp("", "moat-answer-")
	if err != nil {
		return
	}
	_ = os.Remove(file.Name()) // where an open file can be removed; the others in close
	x.disk = &disk{file: file, most: most, came: time.Now()}
}

func (x *Exchange) writeDisk(p []byte) (int, error) {
	if err := x.takeDisk(int64(len(p))); err != nil {
		return 0, err
	}
	n, err := x.disk.file.Write(p)
	if err != nil {
		err = fmt.Errorf("write an answer to the disk: %w", err)
	}
	x.rest()
	return n, err
}

// rest has what makes the answer pause for twice as long as its last part took, while others are
// about: what is that large is nothing that anybody waits for by the millisecond.
func (x *Exchange) rest() {
	d := x.disk
	if x.gate.othersAbout() {
		time.Sleep(min(2*time.Since(d.came), longestRest))
	}
	d.came = time.Now()
}

func (x *Exchange) takeDisk(n int64) error {
	g, d := x.gate, x.disk
	g.mu.Lock()
	defer g.mu.Unlock()
	if d.most > 0 {
		switch {
		case d.size+n > d.most:
			return &TooLargeError{d.most}
		case x.lane.disk+n > tenantDisk:
			return tooMany(time.Minute, "the tenant's answers that are on their way take too much of the disk")
		case g.disk+n > allDisk:
			return noRoom("the server has too many large answers on their way")
		}
		x.lane.disk, g.disk = x.lane.disk+n, g.disk+n
	}
	d.size += n
	return nil
}

// dropDisk forgets what is on the disk.
func (x *Exchange) dropDisk() {
	d := x.disk
	if d == nil {
		return
	}
	x.disk = nil
	_ = d.file.Close()
	_ = os.Remove(d.file.Name())
	x.gate.mu.Lock()
	defer x.gate.mu.Unlock()
	if d.most > 0 {
		x.lane.disk, x.gate.disk = x.lane.disk-d.size, x.gate.disk-d.size
	}
}
