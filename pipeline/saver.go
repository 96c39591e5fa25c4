package pipeline

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/pipeline/checkpoint"
)

// piece is one file of a checkpoint to be written.
type piece struct {
	cycle     int
	batch     uint64               // it is good once that is committed
	head      *checkpoint.Head     // of the first piece of a cycle: what was admitted
	admission *features.Admission  // beside it, not yet encoded
	manifest  *checkpoint.Manifest // of the last one: what became of the records since
	group     int                  // of all others
	bytes     []byte
	abandoned bool // the cycle ends here
}

// size is how many bytes it has, or will have.
func (p *piece) size() int {
	if p.admission != nil {
		return p.admission.Size()
	}
	return len(p.bytes)
}

// saver is the goroutine that writes. What the loop puts is written in order;
// an error ends its cycle, whose further pieces are let go.
type saver struct {
	store   *checkpoint.Store
	log     *slog.Logger
	metrics *saveMetrics
	now     func() time.Time           // wall clock
	whole   func(*checkpoint.Manifest) // told of each checkpoint that is whole; nil: nobody

	mu     sync.Mutex
	moved  *sync.Cond
	queue  []piece
	queued int // bytes
	broken int // the newest cycle that has failed
	ended  bool
	spare  [][]byte
	done   chan struct{}

	// Of the goroutine.
	cycle *checkpoint.Cycle // nil: none, or it has failed
	began time.Time
}

func newSaver(store *checkpoint.Store, log *slog.Logger, metrics *saveMetrics, now func() time.Time) *saver {
	s := &saver{store: store, log: log, metrics: metrics, now: now, done: make(chan struct{})}
	s.moved = sync.NewCond(&s.mu)
	return s
}

// put queues a piece; its bytes are the saver's from now on.
func (s *saver) put(p piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, p)
	s.queued += p.size()
	s.moved.Broadcast()
}

// ready reports whether the disk keeps up.
func (s *saver) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queued < queuedBytes
}

// wait waits until it does, false once the deadline has passed.
func (s *saver) wait(deadline <-chan struct{}) bool {
	for !s.ready() {
		select {
		case <-deadline:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	select {
	case <-deadline:
		return false
	default:
		return true
	}
}

// failed reports whether a cycle will not become whole.
func (s *saver) failed(cycle int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken >= cycle
}

// buffer is an empty one to append to.
func (s *saver) buffer() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.spare)
	if n == 0 {
		return nil
	}
	b := s.spare[n-1]
	s.spare = s.spare[:n-1]
	return b[:0]
}

// spareBuffers bounds the memory that waits for the next pieces.
const spareBuffers = 8

// run writes until close. It is the only one that touches the folder.
func (s *saver) run() {
	defer close(s.done)
	for {
		s.mu.Lock()
		for len(s.queue) == 0 && !s.ended {
			s.moved.Wait()
		}
		if len(s.queue) == 0 {
			s.mu.Unlock()
			break
		}
		p := s.queue[0]
		s.queue[0] = piece{}
		s.queue = s.queue[1:]
		s.mu.Unlock()
		s.write(&p)
		s.mu.Lock()
		s.queued -= p.size()
		if len(s.spare) < spareBuffers && cap(p.bytes) > 0 {
			s.spare = append(s.spare, p.bytes)
		}
		s.mu.Unlock()
	}
	if s.cycle != nil {
		s.cycle.Abandon()
	}
}

// close ends the saver when what is queued is written, or at the deadline after
// the piece in hand.
func (s *saver) close(deadline <-chan struct{}) {
	s.mu.Lock()
	s.ended = true
	s.moved.Broadcast()
	s.mu.Unlock()
	select {
	case <-s.done:
		return
	case <-deadline:
	}
	s.mu.Lock()
	s.queue = nil
	s.mu.Unlock()
	select { // a disk that hangs holds nobody up
	case <-s.done:
	case <-time.After(closeBudget):
		s.log.Warn("the disk does not answer: the process ends without it", "component", "checkpoints")
	}
}

func (s *saver) write(p *piece) {
	var err error
	switch {
	case p.abandoned:
		if s.cycle != nil {
			s.cycle.Abandon()
			s.cycle = nil
		}
		return
	case s.failed(p.cycle):
		return
	case p.head != nil:
		if s.cycle != nil {
			s.cycle.Abandon()
		}
		s.began = time.Now()
		if s.cycle, err = s.store.Begin(*p.head); err == nil {
			err = s.cycle.PutAdmission(p.admission)
		}
	case s.cycle == nil:
		return
	case p.manifest != nil:
		if err = s.cycle.PutVerdicts(p.bytes); err == nil {
			err = s.finish(p.manifest)
		}
	default:
		err = s.cycle.PutGroup(p.group, p.bytes)
	}
	if err == nil {
		return
	}
	s.metrics.failures.WithLabelValues("write").Inc()
	s.log.Error("a checkpoint could not be written: it is given up, the ones before stay, the next one is written in time",
		"component", "checkpoints", "err", err.Error(), "err_kind", "checkpoint")
	if s.cycle != nil {
		s.cycle.Abandon()
	}
	s.cycle = nil
	s.mu.Lock()
	s.broken = p.cycle
	s.mu.Unlock()
}

// finish makes the cycle a checkpoint.
func (s *saver) finish(m *checkpoint.Manifest) error {
	err := s.cycle.Finish(m)
	var thinning *checkpoint.Thinning
	if errors.As(err, &thinning) {
		s.metrics.failures.WithLabelValues("remove").Inc()
		s.log.Warn("older checkpoints could not be removed: the folder grows", "component", "checkpoints", "err", err.Error())
		err = nil
	}
	if err != nil {
		return err
	}
	s.cycle = nil
	s.metrics.written.Inc()
	s.metrics.newest.Set(float64(s.now().UnixMilli()) / 1000)
	s.metrics.size.Set(float64(m.Bytes()))
	s.metrics.took.Set(time.Since(s.began).Seconds())
	s.metrics.keeps(s.store.Oldest())
	s.log.Debug("checkpoint written", "component", "checkpoints", "cycle", m.Cycle, "batch", m.Batch, "bytes", m.Bytes())
	if s.whole != nil {
		s.whole(m)
	}
	return nil
}
