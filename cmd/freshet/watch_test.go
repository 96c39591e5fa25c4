package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What changes within a moment is looked at once; what was said is not said
// again; what is mended is said to be.
func TestWatchPrintsOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, errs bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		changes := make(chan struct{}, 1)
		now := []line{{key: "a", text: "error a\n", gone: "fixed a"}, {key: "ok", text: "ok\n", out: true}}
		broken := false
		var looks atomic.Int32 // the watcher looks by its own clock
		w := watch{app: &app{out: &out, errs: &errs, color: "never"}, look: func() ([]line, bool) { looks.Add(1); return now, broken }}
		var ended error
		go func() { ended = w.run(ctx, changes) }()
		step := func(name, wantOut, wantErrs string, wantLooks int32) {
			t.Helper()
			time.Sleep(2 * time.Second) // of the bubble's clock
			synctest.Wait()
			if out.String() != wantOut || errs.String() != wantErrs || looks.Load() != wantLooks {
				t.Errorf("%s: %d looks, stdout %q, stderr %q", name, looks.Load(), out.String(), errs.String())
			}
			out.Reset()
			errs.Reset()
		}
		step("at first", "ok\n", "error a\n", 1)
		changes <- struct{}{}
		step("nothing new", "", "", 2)
		now = []line{{key: "b", text: "error b\n"}, {key: "a", text: "error a, elsewhere\n", gone: "fixed a"}, {key: "a", text: "error a again\n", gone: "fixed a"}}
		for range 5 {
			changes <- struct{}{}
			time.Sleep(settle / 2)
		}
		step("several at once", "", "error b\nerror a again\n", 3)
		now = nil
		changes <- struct{}{}
		step("mended", "", "fixed a\nfixed a\n", 4)
		now = []line{{key: "style", text: "warning\n", gone: "fixed style", lint: true}}
		changes <- struct{}{}
		step("a warning", "", "warning\n", 5)
		now, broken = []line{{key: "a", text: "error a\n"}}, true
		changes <- struct{}{}
		step("nobody looks for warnings where there is an error", "", "error a\n", 6)
		now, broken = []line{{key: "style", text: "warning\n", gone: "fixed style", lint: true}}, false
		changes <- struct{}{}
		step("the warning was said already", "", "", 7)
		for range 25 { // it never settles
			changes <- struct{}{}
			time.Sleep(settle / 2)
		}
		synctest.Wait()
		if looks.Load() != 8 {
			t.Errorf("%d looks while it does not settle", looks.Load())
		}
		time.Sleep(settle)
		cancel()
		synctest.Wait()
		if ended != nil {
			t.Error(ended)
		}
	})
}

// shared is a buffer that a test reads while the watcher writes.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

// until waits for a text and forgets what came up to it.
func (s *shared) until(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		text := s.text.String()
		if i := strings.Index(text, want); i >= 0 {
			s.text.Next(i + len(want))
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		select {
		case <-s.news:
		case <-deadline:
			t.Fatalf("no %q in %q", want, text)
		}
	}
}

func TestWatchOfRealFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.yaml", "version: 1\nnamespace: shop\nentitys: {}\n")
	out, errs := &shared{news: make(chan struct{}, 1)}, &shared{news: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	c := &checks{app: &app{out: out, errs: errs, color: "never"}, paths: []string{dir}}
	go func() { ended <- c.watch(ctx) }()
	errs.until(t, "unknown key `entitys`")
	errs.until(t, "1 error")

	// As editors do it: another file, then put in its place.
	write("a.yaml~", "version: 1\nnamespace: shop\n")
	if err := os.Rename(filepath.Join(dir, "a.yaml~"), filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	errs.until(t, "fixed: ")
	out.until(t, "shop  ok")

	// A new file in a new folder.
	if err := os.Mkdir(filepath.Join(dir, "more"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("more/b.yaml", "version: 1\nnamespace: Other\n")
	errs.until(t, "namespace name `Other`")
	if err := os.Remove(filepath.Join(dir, "more", "b.yaml")); err != nil {
		t.Fatal(err)
	}
	errs.until(t, "fixed: ")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
