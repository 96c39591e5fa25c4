package pipeline

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// state is what a Runner is doing.
type state uint8

const (
	starting  state = iota
	waiting         // for the partitions, or for the group
	following       // another instance owns them, this one does not have its state yet
	standby         // another instance owns them, this one takes over from it
	rebuilding
	running
	draining
	stopped
)

// blocker is something outside that keeps a running instance from being ready.
type blocker uint8

const (
	onlineStore blocker = iota
	aliveKey
	outputLog
	deadLetterLog
	commits
	numBlockers
)

var blockerNames = [...]string{"online store", "sign of life", "output log", "dead-letter log", "commit"}

func (b blocker) String() string { return blockerNames[b] }

// Health is what the outside may ask a Runner: whether it lives, whether it is
// ready, how far it has come. It is safe for concurrent use.
type Health struct {
	mu         sync.Mutex
	log        *slog.Logger
	stallAfter time.Duration
	beaten     time.Time
	state      state
	text       string    // of state
	even       time.Time // when a standby had everything that is committed
	done       int64     // records of the rebuild
	total      int64
	blocked    [numBlockers]string
	told       string // the reason that was logged last
}

// NewHealth makes the health of a Runner that has not been started.
func NewHealth() *Health { return &Health{text: "starting"} }

func (h *Health) start(stallAfter time.Duration, log *slog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stallAfter, h.log, h.beaten = stallAfter, log, time.Now()
}

// beat says that the loop has turned.
func (h *Health) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beaten = time.Now()
}

// still is for how long the loop has not turned; 0 where it does not run.
func (h *Health) still() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == starting || h.state == stopped {
		return 0
	}
	return time.Since(h.beaten)
}

func (h *Health) phase(s state, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state, h.text, h.beaten = s, text, time.Now()
	h.tell()
}

func (h *Health) rebuild(done, total int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state, h.done, h.total = rebuilding, done, total
	h.text = "rebuilding the state from the log"
	h.tell()
}

// standbyGrace is how long a standby may be behind before it is not ready: what
// it needs then to take over is small.
const standbyGrace = 10 * time.Second

// follow says how far a standby is: of total committed offsets it has done.
func (h *Health) follow(done, total int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done, h.total, h.beaten = done, total, time.Now()
	switch {
	case done >= total:
		h.even = time.Now()
		h.state, h.text = standby, "standby: caught up with the owner"
	case h.state != standby || time.Since(h.even) > standbyGrace:
		h.state, h.text = following, "standby: applies what the owner has committed"
	}
	h.tell()
}

func (h *Health) block(b blocker, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.blocked[b] = why
	h.tell()
}

func (h *Health) unblock(b blocker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.blocked[b] = ""
	h.tell()
}

// unblockAll forgets what kept an owner from being ready, when it is none any more:
// the next owner, or this instance as that, finds out for itself.
func (h *Health) unblockAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.blocked = [numBlockers]string{}
}

// tell logs a change of readiness: what is waited for, not how long or how
// often, so that it is one line per change.
func (h *Health) tell() {
	ready, why := h.ready()
	key := why
	if ready {
		key = "ready: " + why
	}
	for b, text := range h.blocked {
		if text != "" && h.state == running {
			key = blockerNames[b] // its errors may differ from try to try
			break
		}
	}
	if h.log == nil || key == h.told {
		return
	}
	h.told = key
	if ready {
		h.log.Info("ready", "as", why)
		return
	}
	h.log.Info("not ready", "why", why)
}

// Live reports whether the loop turns. It depends on nothing outside.
func (h *Health) Live() (bool, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == starting || h.state == stopped {
		return h.state == starting, h.text
	}
	if still := time.Since(h.beaten); still > h.stallAfter {
		return false, fmt.Sprintf("the loop has stood still for %s", still.Round(time.Second))
	}
	return true, "alive"
}

// Ready reports whether this instance owns all partitions, has its state and
// can write, or is the standby of one that does and has come as far. A standby
// whose source cannot be read along is as ready as it will be: whoever rolls out
// instances one after the other need not wait for it in vain.
func (h *Health) Ready() (bool, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ready()
}

func (h *Health) ready() (bool, string) {
	if h.state != running {
		return h.state == standby, h.text
	}
	var why []string
	for _, text := range h.blocked {
		if text != "" {
			why = append(why, text)
		}
	}
	if len(why) > 0 {
		return false, strings.Join(why, "; ")
	}
	return true, "active: owns all partitions"
}

// Startup reports whether the state is there, and the progress of its rebuild.
// A standby has started once it has caught up, or where it cannot before its
// turn comes.
func (h *Health) Startup() (bool, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.state {
	case rebuilding, following:
		return false, fmt.Sprintf("%s: %d of %d records, %.0f %%", h.text, h.done, h.total, 100*ratio(h.done, h.total))
	case standby:
		return true, h.text
	case running, draining:
		return true, fmt.Sprintf("rebuilt from %d records", h.total)
	}
	return false, h.text
}

// Handler serves /livez, /readyz and /startupz: 200 or 503, the reason in the
// body. metrics is served at /metrics; nil: not at all.
func (h *Health) Handler(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	for path, ask := range map[string]func() (bool, string){"/livez": h.Live, "/readyz": h.Ready, "/startupz": h.Startup} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			ok, text := ask()
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			if !ok {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			// The client may have gone; there is no one to tell.
			_, _ = io.WriteString(w, text+"\n")
		})
	}
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
	return mux
}

// standing makes the metrics of what an instance is worth: ready, a standby, short
// of memory.
func (m *metrics) standing(health *Health) {
	m.standbyLag = prometheus.NewGauge(prometheus.GaugeOpts{Name: "freshet_standby_lag_records", Help: "Committed offsets that a standby has not applied yet; 0 on the active instance."})
	m.restarts = prometheus.NewCounter(prometheus.CounterOpts{Name: "freshet_standby_restarts_total", Help: "How often a standby gave up its state, because it could not go on from there, and began anew."})
	m.memoryLimited = prometheus.NewGauge(prometheus.GaugeOpts{Name: "freshet_memory_limited", Help: "1 once memory_limit keeps new entities from adding to those that are known."})
	ready := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "freshet_ready", Help: "1 when ready: active and able to write, or a standby that has caught up."}, func() float64 {
		if is, _ := health.Ready(); is {
			return 1
		}
		return 0
	})
	m.collectors = append(m.collectors, m.standbyLag, m.restarts, m.memoryLimited, ready)
}
