package main

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"time"
)

// rateEvery is how often the rate line is written where stderr is no terminal.
const rateEvery = 10 * time.Second

// rateLine says on stderr how much goes by: events, matches, what was shown
// and what was skipped. On a terminal it stays on the last line.
type rateLine struct {
	w        io.Writer
	ink      ink
	terminal bool
	quiet    bool // nothing is written
	lag      func() string

	seen, matched, shown, skipped, top int
	unreadable                         int
	delays                             []time.Duration

	total   int
	began   time.Time
	written time.Time
	visible bool
	text    string // as it was last written on a terminal
}

func newRateLine(w io.Writer, ink ink, lag func() string) *rateLine {
	return &rateLine{w: w, ink: ink, lag: lag, terminal: isTerminal(w), began: time.Now(), written: time.Now()}
}

// maxDelays bounds what one second keeps for its percentile.
const maxDelays = 4096

func (r *rateLine) saw(l *tailLine, model string) {
	r.seen++
	r.total++
	if len(r.delays) < maxDelays {
		r.delays = append(r.delays, l.delay())
	}
	if score := l.scoreOf(model); score != nil && strings.EqualFold(score.Band, "block") {
		r.top++
	}
}

// show writes the line, each second on a terminal and each ten elsewhere.
func (r *rateLine) show(now time.Time) {
	since := now.Sub(r.written)
	if r.quiet || !r.terminal && since < rateEvery || since < 900*time.Millisecond {
		return
	}
	r.clear()
	per := func(n int) string { return thousands(fmt.Sprintf("%.0f", float64(n)/since.Seconds())) }
	words := []string{per(r.seen) + " ev/s", "matched " + per(r.matched) + "/s", "shown " + per(r.shown) + "/s", fmt.Sprintf("skipped %d", r.skipped)}
	if r.top > 0 {
		words = append(words, fmt.Sprintf("block %.1f %%", 100*float64(r.top)/float64(max(r.seen, 1))))
	}
	if len(r.delays) > 0 {
		sort.Slice(r.delays, func(i, j int) bool { return r.delays[i] < r.delays[j] })
		words = append(words, "delay p99 "+shortAge(r.delays[(len(r.delays)*99)/100]))
	}
	if r.lag != nil {
		if lag := r.lag(); lag != "" {
			words = append(words, lag)
		}
	}
	if r.unreadable > 0 {
		words = append(words, fmt.Sprintf("unreadable %d", r.unreadable))
	}
	text := "─ " + strings.Join(words, "  ")
	if r.terminal {
		r.text = text
		r.draw()
	} else {
		fmt.Fprintln(r.w, text)
	}
	r.seen, r.matched, r.shown, r.skipped, r.top = 0, 0, 0, 0, 0
	r.delays, r.written = r.delays[:0], now
}

// draw puts the line back under what was written above it.
func (r *rateLine) draw() {
	if r.terminal && !r.quiet && r.text != "" {
		// One column is left free, so that the cursor stays on the line.
		fmt.Fprint(r.w, r.ink.dim(clip(r.text, width(r.w)-1)))
		r.visible = true
	}
}

// clear makes room for a line of data.
func (r *rateLine) clear() {
	if r.visible {
		fmt.Fprint(r.w, "\r\x1b[K")
		r.visible = false
	}
}

// end says what there was in all, where nothing has been said yet.
func (r *rateLine) end() {
	if r == nil {
		return
	}
	r.clear()
	if !r.quiet && (r.skipped > 0 || r.unreadable > 0) {
		text := fmt.Sprintf("─ skipped %d in the last interval", r.skipped)
		if r.unreadable > 0 {
			text += fmt.Sprintf(", unreadable %d", r.unreadable)
		}
		fmt.Fprintln(r.w, text)
	}
}
