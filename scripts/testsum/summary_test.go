package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// fold gives the summary of lines as `go test -json` prints them.
func fold(t *testing.T, lines string) (text string, ok bool) {
	t.Helper()
	var out bytes.Buffer
	s := newSummary(&out)
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		s.add(e)
	}
	ok = s.finish()
	return out.String(), ok
}

func wantLast(t *testing.T, text, want string) {
	t.Helper()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if got := lines[len(lines)-1]; got != want {
		t.Errorf("last line %q, want %q, of\n%s", got, want, text)
	}
}

func TestPassesAndSkipsAreCounted(t *testing.T) {
	text, ok := fold(t, `
{"Action":"start","Package":"github.com/freshet-dev/freshet/verify/a"}
{"Action":"run","Package":"github.com/freshet-dev/freshet/verify/a","Test":"TestOne"}
{"Action":"attr","Package":"github.com/freshet-dev/freshet/verify/a","Test":"TestOne","Key":"rows","Value":"134288"}
{"Action":"output","Package":"github.com/freshet-dev/freshet/verify/a","Test":"TestOne","Output":"    one_test.go:5: 14 days, 0 differ\n"}
{"Action":"output","Package":"github.com/freshet-dev/freshet/verify/a","Test":"TestOne","Output":"    one_test.go:6: [rapid] OK, passed 100 tests (1ms)\n"}
{"Action":"pass","Package":"github.com/freshet-dev/freshet/verify/a","Test":"TestOne","Elapsed":0.1}
{"Action":"output","Package":"github.com/freshet-dev/freshet/verify/a","Test":"TestTwo","Output":"=== RUN   TestTwo\n"}
{"Action":"output","Package":"github.com/freshet-dev/freshet/verify/a","Test":"TestTwo","Output":"    two_test.go:9: no data: ../shared/data\n"}
{"Action":"output","Package":"github.com/freshet-dev/freshet/verify/a","Test":"TestTwo","Output":"--- SKIP: TestTwo (0.00s)\n"}
{"Action":"skip","Package":"github.com/freshet-dev/freshet/verify/a","Test":"TestTwo"}
{"Action":"pass","Package":"github.com/freshet-dev/freshet/verify/a","Elapsed":0.2}
{"Action":"start","Package":"github.com/freshet-dev/freshet/sources/b"}
{"Action":"output","Package":"github.com/freshet-dev/freshet/sources/b","Test":"TestThree","Output":"    three_test.go:5: a trace\n"}
{"Action":"pass","Package":"github.com/freshet-dev/freshet/sources/b","Test":"TestThree"}
{"Action":"pass","Package":"github.com/freshet-dev/freshet/sources/b"}
{"Action":"start","Package":"github.com/freshet-dev/freshet/empty"}
{"Action":"skip","Package":"github.com/freshet-dev/freshet/empty"}`)
	if !ok {
		t.Error("a run without failures is not ok")
	}
	wantLast(t, text, "2 passed, 0 failed, 1 skipped")
	for _, want := range []string{"verify/a TestTwo: no data: ../shared/data\n", "verify/a TestOne: rows 134288\n", "verify/a TestOne: 14 days, 0 differ\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, noise := range []string{"rapid", "a trace"} {
		if strings.Contains(text, noise) {
			t.Errorf("%q is in\n%s", noise, text)
		}
	}
}

func TestAFailureIsShownWhole(t *testing.T) {
	text, ok := fold(t, `
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestBad","Output":"    bad_test.go:1: got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestBad"}
{"Action":"pass","Package":"p","Test":"TestGood"}
{"Action":"fail","Package":"p"}`)
	if ok {
		t.Error("a failed run is ok")
	}
	wantLast(t, text, "1 passed, 1 failed, 0 skipped")
	if !strings.Contains(text, "bad_test.go:1: got 1, want 2") {
		t.Errorf("the failure is not in\n%s", text)
	}
	if _, end, ok := strings.Cut(text, "\nfailed:\n"); !ok || !strings.Contains(end, "p TestBad\n      got 1, want 2\n") {
		t.Errorf("the end does not say what failed, and why:\n%s", text)
	}
}

func TestWhatIsNoTestsFaultIsAFailureToo(t *testing.T) {
	for name, lines := range map[string]string{
		"build": `
{"ImportPath":"p","Action":"build-output","Output":"p/a.go:1:1: syntax error\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"fail","Package":"p","FailedBuild":"p"}
{"Action":"start","Package":"q"}
{"Action":"pass","Package":"q","Test":"TestGood"}
{"Action":"pass","Package":"q"}`,
		"panic": `
{"Action":"start","Package":"p"}
{"Action":"pass","Package":"p","Test":"TestGood"}
{"Action":"run","Package":"p","Test":"TestBad"}
{"Action":"output","Package":"p","Test":"TestBad","Output":"panic: syntax error\n"}
{"Action":"fail","Package":"p"}`,
		"no end": `
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"syntax error\n"}
{"Action":"pass","Package":"p","Test":"TestGood"}`,
	} {
		text, ok := fold(t, lines)
		if ok {
			t.Errorf("%s: the run is ok", name)
		}
		wantLast(t, text, "1 passed, 1 failed, 0 skipped")
		if name != "no end" && !strings.Contains(text, "syntax error") {
			t.Errorf("%s: the reason is not in\n%s", name, text)
		}
	}
}

func TestARunWithoutTestsIsNotOK(t *testing.T) {
	text, ok := fold(t, `{"Action":"start","Package":"p"}
{"Action":"skip","Package":"p"}`)
	if ok {
		t.Error("a run without any test is ok")
	}
	wantLast(t, text, "0 passed, 0 failed, 0 skipped")
}
