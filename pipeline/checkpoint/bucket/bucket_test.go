package bucket

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/pipeline/checkpoint"
)

func folder(t *testing.T) *checkpoint.Store {
	t.Helper()
	dir, err := checkpoint.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	return checkpoint.New(dir, 3, checkpoint.Key{})
}

// write writes a checkpoint whose groups say which cycle they are of.
func write(t *testing.T, s *checkpoint.Store) *checkpoint.Manifest {
	t.Helper()
	return writeAs(t, s, 1, 0)
}

// writeAs is write by an owner, behind a batch.
func writeAs(t *testing.T, s *checkpoint.Store, owner uint32, batch uint64) *checkpoint.Manifest {
	t.Helper()
	c, err := s.Begin(checkpoint.Head{Namespace: "shop", Group: "g", Cluster: "c", Owner: owner, Batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	m := &checkpoint.Manifest{Cuts: make([][][]int64, checkpoint.Groups)}
	err = c.PutAdmission(checkpoint.Bytes("a"))
	for g := 0; g < checkpoint.Groups && err == nil; g++ {
		err = c.PutGroup(g, fmt.Appendf(nil, "cycle %d, group %d", c.Number(), g))
	}
	if err == nil {
		err = c.PutVerdicts(nil)
	}
	if err == nil {
		err = c.Finish(m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fetched is the checkpoint that an empty folder gets, which must be whole.
func fetched(t *testing.T, b *Bucket) *checkpoint.Manifest {
	t.Helper()
	s := folder(t)
	if err := b.Fetch(t.Context(), s, "", anyFits); err != nil {
		t.Fatal(err)
	}
	names, err := s.Manifests()
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	m, err := s.Verify(names[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Load(m, m.Groups[9])
	if want := fmt.Sprintf("cycle %d, group 9", m.Cycle); err != nil || string(got) != want {
		t.Fatalf("%q, %v: want %q", got, err, want)
	}
	return m
}

func anyFits(*checkpoint.Manifest) error { return nil }

func open(t *testing.T, url string) *Bucket {
	t.Helper()
	b, err := Open(t.Context(), url, 2)
	if err != nil {
		t.Fatal(err)
	}
	b.pause = time.Millisecond
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestAnEmptyFolderGetsTheNewestCopyThatIsWhole(t *testing.T) {
	dir := t.TempDir()
	b, s := open(t, "file://"+dir), folder(t)
	if err := b.Fetch(t.Context(), folder(t), "", anyFits); err != nil {
		t.Fatalf("nothing is there: %v", err)
	}
	var last *checkpoint.Manifest
	for range 3 {
		last = write(t, s)
		if err := b.Copy(t.Context(), s, last); err != nil {
			t.Fatal(err)
		}
	}
	if m := fetched(t, b); m.Cycle != 3 {
		t.Errorf("cycle %d is fetched", m.Cycle)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2*(3+checkpoint.Groups) {
		t.Errorf("%d files in the bucket, not those of two checkpoints", len(files))
	}
	path := filepath.Join(dir, last.Groups[200].Name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if m := fetched(t, b); m.Cycle != 2 {
		t.Errorf("cycle %d is fetched, and the newest is damaged", m.Cycle)
	}
	if err := os.Remove(filepath.Join(dir, last.Groups[7].Name)); err != nil {
		t.Fatal(err)
	}
	if m := fetched(t, b); m.Cycle != 2 {
		t.Errorf("cycle %d is fetched, and the newest lacks a file", m.Cycle)
	}
}

// A standby on another machine has an early copy when it takes over. What it writes
// from then on is newer than all that the owner before has copied.
func TestTheNextOwnersCopiesAreTheNewest(t *testing.T) {
	b, one, two := open(t, "file://"+t.TempDir()), folder(t), folder(t)
	for batch := uint64(50); batch < 250; batch += 50 {
		if err := b.Copy(t.Context(), one, writeAs(t, one, 1, batch)); err != nil {
			t.Fatal(err)
		}
		if batch > 50 {
			continue
		}
		if err := b.Fetch(t.Context(), two, "", anyFits); err != nil {
			t.Fatal(err)
		}
	}
	last := writeAs(t, two, 2, 205)
	if err := b.Copy(t.Context(), two, last); err != nil {
		t.Fatal(err)
	}
	if m := fetched(t, b); m.Owner != 2 || m.Cycle != last.Cycle {
		t.Errorf("cycle %d of owner %d is fetched, and the newest is %d of owner 2", m.Cycle, m.Owner, last.Cycle)
	}
	names, err := one.Manifests()
	if err == nil {
		err = b.Fetch(t.Context(), one, names[0], anyFits)
	}
	if names, _ = one.Manifests(); err != nil || len(checkpoint.Newer(names, names[1])) != 1 {
		t.Errorf("the owner before does not get it when it comes back: %v, %v", names, err)
	}
	if m, err := one.Verify(names[0]); err != nil || m.Owner != 2 {
		t.Error(m.Owner, err)
	}
}

func TestOnlyBucketsAreOpened(t *testing.T) {
	for _, url := range []string{"http://example.com/x", "mem://", "/a/path", "s3"} {
		if _, err := Open(t.Context(), url, 3); err == nil || !strings.Contains(err.Error(), "checkpoint.copy") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// s3 is as much of S3 as is spoken here: put, get, list, delete. It fails as
// it is told to.
type s3 struct {
	mu      sync.Mutex
	objects map[string][]byte
	busy    int  // so many requests are answered with 503
	cut     int  // so many uploads are cut: they fail and leave nothing
	lying   bool // uploads are stored damaged, and their checksum is not compared
	calls   int
}

func (s *s3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.busy > 0 {
		s.busy--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/bucket"), "/")
	switch {
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	case r.Method == http.MethodPut:
		s.put(w, r, key, body)
	case r.Method == http.MethodGet && key == "":
		s.list(w, r.URL.Query().Get("prefix"))
	case r.Method == http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		data, ok := s.objects[key]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
			return
		}
		w.Header().Set("Last-Modified", time.Unix(1, 0).UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data)
	}
}

func (s *s3) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		body = unchunked(body)
	}
	if s.cut > 0 {
		s.cut--
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	sum := md5.Sum(body)
	if want := r.Header.Get("Content-MD5"); want != "" && want != base64.StdEncoding.EncodeToString(sum[:]) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "<Error><Code>BadDigest</Code></Error>")
		return
	}
	if s.lying {
		body = body[:len(body)/2]
	}
	s.objects[key] = body
	w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", sum)))
}

func (s *s3) list(w http.ResponseWriter, prefix string) {
	type object struct {
		Key, LastModified, ETag string
		Size                    int
	}
	answer := struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Contents []object
	}{}
	for key := range s.objects {
		if strings.HasPrefix(key, prefix) {
			answer.Contents = append(answer.Contents, object{key, "2026-01-05T12:00:00Z", `"0"`, len(s.objects[key])})
		}
	}
	slices.SortFunc(answer.Contents, func(a, b object) int { return strings.Compare(a.Key, b.Key) })
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(answer)
}

// unchunked takes the frames of a streamed upload away.
func unchunked(b []byte) (out []byte) {
	r := bufio.NewReader(bytes.NewReader(b))
	for {
		line, err := r.ReadString('\n')
		size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, bad := strconv.ParseInt(size, 16, 64)
		if err != nil || bad != nil || n == 0 {
			return out
		}
		chunk := make([]byte, n)
		_, _ = io.ReadFull(r, chunk)
		out = append(out, chunk...)
		_, _ = r.ReadString('\n')
	}
}

func newS3(t *testing.T) (*s3, *Bucket) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	s := &s3{objects: map[string][]byte{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, open(t, "s3://bucket?prefix=shop/&region=eu-central-1&use_path_style=true&endpoint="+server.URL)
}

func TestCopiesOnS3(t *testing.T) {
	remote, b := newS3(t)
	s := folder(t)
	m := write(t, s)
	remote.busy, remote.cut = 3, 3
	if err := b.Copy(t.Context(), s, m); err != nil {
		t.Fatalf("busy for a while: %v", err)
	}
	if remote.busy = 2; fetched(t, b).Cycle != 1 {
		t.Error("not what was copied")
	}
	m = write(t, s)
	remote.busy = 1 << 30
	if err := b.Copy(t.Context(), s, m); err == nil {
		t.Error("copied to a store that answers 503")
	}
	remote.busy = 0
	if fetched(t, b).Cycle != 1 {
		t.Error("half a copy is taken for one")
	}
	remote.lying = true
	if err := b.Copy(t.Context(), s, m); err != nil {
		t.Fatal(err)
	}
	remote.lying = false
	if fetched(t, b).Cycle != 1 {
		t.Error("damaged copies are taken")
	}
	for range 3 {
		if err := b.Copy(t.Context(), s, write(t, s)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(remote.objects); n != 2*(3+checkpoint.Groups) {
		t.Errorf("%d objects stay, not those of two checkpoints", n)
	}
}
