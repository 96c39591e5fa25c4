package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/sinktest"
)

// The permissions that the documentation asks for, and no others: writerACL is
// of the run, readerACL of whoever reads features.
const (
	writerACL = "~freshet:* resetchannels -@all +hset +hget +hdel +hincrby +del +pexpire +get +set " +
		"+watch +unwatch +multi +exec +discard +script|load +evalsha +info +ping"
	readerACL = "%R~freshet:* resetchannels -@all +hgetall +hmget +get +ping"
)

func startACLServer(t *testing.T) *server {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users.acl")
	text := "user default off\n" +
		"user admin on >admin-secret ~* &* +@all\n" +
		"user writer on >writer-secret " + writerACL + "\n" +
		"user reader on >reader-secret " + readerACL + "\n"
	if err := os.WriteFile(users, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return startServer(t, func(port int) *goredis.Options {
		return &goredis.Options{Addr: fmt.Sprint("127.0.0.1:", port), Username: "admin", Password: "admin-secret"}
	}, "--port", "{port}", "--aclfile", users)
}

func (s *server) as(user string, o Options) Options {
	o.URL = "redis://" + s.address()
	o.User, o.Password = user, user+"-secret"
	return o
}

// Writer and reader do all that they must with the documented permissions.
func TestConformanceWithTheDocumentedACLs(t *testing.T) {
	s := startACLServer(t)
	sinktest.OnlineStore(t, func(t *testing.T) sinktest.Harness {
		o := options("")
		return harness(t, s.as("writer", o), s.as("reader", o), s.as("admin", o))
	})
	t.Run("Check", func(t *testing.T) {
		warnings, err := openStore(t, s.as("writer", options(""))).Check(context.Background())
		if err != nil || len(warnings) != 0 {
			t.Errorf("check: %v, %v; want nothing", warnings, err)
		}
		if _, err := openStore(t, s.as("reader", options(""))).Check(context.Background()); err != nil {
			t.Errorf("check as a user who may not ask INFO: %v", err)
		}
	})
}

func TestTheDocumentedACLsForbidTheRest(t *testing.T) {
	s := startACLServer(t)
	ctx := context.Background()
	writer := openStore(t, s.as("writer", options(""))).client
	for _, command := range [][]any{
		{"keys", "*"}, {"flushall"}, {"flushdb"}, {"config", "get", "*"}, {"eval", "return 1", 0},
		{"acl", "list"}, {"shutdown"}, {"scan", 0}, {"hgetall", "freshet:x:meta"},
		{"hset", "other:x", "a", "1"}, {"set", "freshe", "1"}, {"script", "flush"}, {"client", "list"}, {"subscribe", "freshet:x"},
	} {
		if err := writer.Do(ctx, command...).Err(); !goredis.IsPermissionError(err) {
			t.Errorf("writer: %v: %v, want NOPERM", command, err)
		}
	}
	reader := openReader(t, s.as("reader", options(""))).client
	for _, command := range [][]any{{"hset", "freshet:x:meta", "a", "1"}, {"set", "freshet:x:alive", "1"}, {"hgetall", "other:x"}, {"info"}} {
		if err := reader.Do(ctx, command...).Err(); !goredis.IsPermissionError(err) {
			t.Errorf("reader: %v: %v, want NOPERM", command, err)
		}
	}
}

// What no waiting heals ends the run with a message that says what to do.
func TestRefusalsAreFatalAndSayWhatToDo(t *testing.T) {
	s := startACLServer(t)
	ctx := context.Background()
	wrong := s.as("writer", options(""))
	wrong.Password = "guessed"
	nobody := s.as("writer", options(""))
	nobody.User, nobody.Password = "", ""
	for _, c := range []struct {
		name    string
		options Options
		want    string
	}{
		{"wrong password", wrong, "user and password"},
		{"no user", nobody, "user and password"},
		{"a reader who writes", s.as("reader", options("")), "ACL"},
	} {
		store := openStore(t, c.options)
		rows := []sinks.VersionedRow{sinktest.FullCard(sinktest.Cards(), "c1", sinktest.At(1, 1))}
		_, _, takeOver := store.TakeOver(ctx, sinks.Writer{})
		for verb, err := range map[string]error{"write": store.Write(ctx, rows), "take over": takeOver, "alive": store.Alive(ctx, 1)} {
			var fatal *sinks.Fatal
			if !errors.As(err, &fatal) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), s.address()) {
				t.Errorf("%s: %s: %v; want a fatal error with %q and the address", c.name, verb, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "guessed") {
				t.Errorf("%s: %s: the error shows the password: %v", c.name, verb, err)
			}
		}
	}
}

// One row of many whose key is another program's does not hide among the others.
func TestAKeyOfAnotherTypeIsFatal(t *testing.T) {
	o := options(realServer(t))
	h := harness(t, o, o, o)
	store, cards := openStore(t, o), sinktest.Cards()
	ctx := context.Background()
	if err := store.client.Set(ctx, store.keys.row(cards.View, "c77"), "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	var rows []sinks.VersionedRow
	for i := range 100 {
		row := sinktest.FullCard(cards, fmt.Sprint("c", i), sinktest.At(1, uint32(i)))
		row.Values[0], row.Statuses[0] = event.Value{}, features.Default
		rows = append(rows, row)
	}
	err := store.Write(ctx, rows)
	var fatal *sinks.Fatal
	if !errors.As(err, &fatal) || !strings.Contains(err.Error(), "WRONGTYPE") || !strings.Contains(err.Error(), "2 of 300 commands") {
		t.Errorf("write: %v; want a fatal WRONGTYPE for 2 of 300 commands", err)
	}
	if !h.Read(t, cards, "c99").Found {
		t.Error("the rows behind the refused one were not written")
	}
}
