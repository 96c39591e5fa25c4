package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/freshet-dev/freshet/config/spec"
)

// Editors write a file in several steps: what changes within settle is one
// change, but nobody waits longer than atLongest.
const (
	settle    = 100 * time.Millisecond
	atLongest = time.Second
)

// line is one thing that validate says. The key names it however its place
// moves.
type line struct {
	key, text string
	out       bool   // on stdout; else on stderr
	gone      string // what is said when it is gone; "": nothing
	lint      bool   // looked for only where there is no error
}

// watchSpecs validates, and again whenever something changes, until it is
// interrupted: that is how it ends, so it ends well.
func (c *checks) watch(ctx context.Context) error {
	changes, err := watchFiles(ctx, c.paths)
	if err != nil {
		return fmt.Errorf("watch %s: %w", strings.Join(c.paths, " "), err)
	}
	w := watch{app: c.app, look: c.lines}
	return w.run(ctx, changes)
}

// watch prints what is new each time it looks.
type watch struct {
	app  *app
	look func() (lines []line, broken bool)
	seen []line
}

func (w *watch) run(ctx context.Context, changes <-chan struct{}) error {
	for {
		if err := w.print(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		}
		if !settled(ctx, changes) {
			return nil
		}
	}
}

// settled waits for the end of a change. false: interrupted.
func settled(ctx context.Context, changes <-chan struct{}) bool {
	quiet, late := time.NewTimer(settle), time.NewTimer(atLongest)
	defer quiet.Stop()
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-quiet.C:
			return true
		case <-late.C:
			return true
		case <-changes:
			quiet.Reset(settle)
		}
	}
}

// print says what was not said before, and what is mended.
func (w *watch) print() error {
	now, broken := w.look()
	count := make(map[string]int)
	for _, l := range w.seen {
		count[l.key]++
	}
	var news []line
	for _, l := range now {
		if count[l.key]--; count[l.key] < 0 {
			news = append(news, l)
		}
	}
	for i := len(w.seen) - 1; i >= 0; i-- { // of several alike the last is gone
		l := w.seen[i]
		if count[l.key] <= 0 {
			continue
		}
		count[l.key]--
		if broken && l.lint {
			now = append(now, l) // nobody looked
		} else if l.gone != "" {
			if _, err := fmt.Fprintln(w.app.errs, w.app.ink(w.app.errs).good(l.gone)); err != nil {
				return err
			}
		}
	}
	w.seen = now
	return w.app.writeLines(news)
}

func (a *app) writeLines(lines []line) error {
	for _, l := range lines {
		to := a.errs
		if l.out {
			to = a.out
		}
		if _, err := fmt.Fprint(to, l.text); err != nil {
			return err
		}
	}
	return nil
}

// lines is all that validate says.
func (c *checks) lines() (lines []line, broken bool) {
	seen, err := c.check()
	if err != nil {
		return []line{{key: err.Error(), text: c.app.ink(c.app.errs).bad("error:") + " " + err.Error() + "\n", gone: "can be read again"}}, true
	}
	return append(seen.lines(c.app), seen.verdict()), seen.errors > 0
}

func diagnosticLine(d *spec.Diagnostic) line {
	var b bytes.Buffer
	_ = spec.Diagnostics{*d}.Render(&b) // a buffer takes everything
	return line{key: d.Pos.File + " " + d.Severity.String() + " " + d.Message, text: b.String(),
		gone: fmt.Sprintf("fixed: %s: %s", d.Pos, d.Message), lint: d.Severity == spec.WarningSeverity}
}

// watchFiles tells when something changes at or below the paths. Of files it
// watches the folder: editors put a new file in the place of the old one.
func watchFiles(ctx context.Context, paths []string) (<-chan struct{}, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		watch := func() error { return watcher.Add(filepath.Dir(path)) }
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			watch = func() error { return watchBelow(watcher, path) }
		}
		if err := watch(); err != nil {
			watcher.Close()
			return nil, err
		}
	}
	changes := make(chan struct{}, 1)
	go func() {
		defer watcher.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case event := <-watcher.Events:
				if event.Has(fsnotify.Create) {
					_ = watchBelow(watcher, event.Name) // it may be gone again, or a file
				}
				if event.Op == fsnotify.Chmod || !maybeSpec(event.Name) {
					continue
				}
			case <-watcher.Errors: // events were lost: look
			}
			select {
			case changes <- struct{}{}:
			default: // one is waiting already
			}
		}
	}()
	return changes, nil
}

// watchBelow watches a folder and those in it that are not hidden.
func watchBelow(watcher *fsnotify.Watcher, path string) error {
	return filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		case name != path && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		}
		return watcher.Add(name)
	})
}

// maybeSpec reports whether a name may be that of a spec or of a folder; what
// an editor or a program writes beside them is none.
func maybeSpec(path string) bool {
	switch filepath.Ext(path) {
	case ".yaml", ".yml", ".csv", ".jsonl", "":
		return !strings.HasPrefix(filepath.Base(path), ".#")
	}
	return strings.HasPrefix(filepath.Base(path), "..") // a mounted folder that is replaced as a whole
}
