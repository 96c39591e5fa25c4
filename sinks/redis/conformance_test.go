package redis

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/mask"
	"github.com/freshet-dev/freshet/sinks/sinktest"
)

// namespaces counts the namespaces of this process: each test has its own.
var namespaces atomic.Int64

// options are those of a namespace that nobody has used yet.
func options(url string) Options {
	return Options{
		URL:       url,
		Namespace: fmt.Sprintf("t%d_%d", time.Now().UnixNano(), namespaces.Add(1)),
		Tokens:    mask.NewTokens([]byte("demo-secret")),
	}
}

// realServer is the address of the real Redis of scripts/services.
func realServer(t testing.TB) string {
	t.Helper()
	url := os.Getenv("FRESHET_TEST_REDIS")
	switch {
	case url != "":
	case os.Getenv("CI") == "true":
		t.Fatal("FRESHET_TEST_REDIS is not set, and under CI a missing service is a failure: scripts/services up")
	default:
		t.Skip("no real Redis: FRESHET_TEST_REDIS is not set (scripts/services up, then eval \"$(scripts/services env)\")")
	}
	return url
}

func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	store, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func openReader(t testing.TB, o Options) *Reader {
	t.Helper()
	reader, err := OpenReader(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	return reader
}

// harness looks into a store by a Reader as read, and as admin for what a
// reader may not ask. What it wrote is deleted when the test ends.
func harness(t *testing.T, write, read, admin Options) sinktest.Harness {
	t.Helper()
	reader := openReader(t, read)
	superuser := openReader(t, admin)
	t.Cleanup(func() { deleteNamespace(t, superuser.client, admin.Namespace) })
	ctx := context.Background()
	return sinktest.Harness{
		Open: func(t *testing.T) sinks.OnlineStore {
			store, err := Open(write)
			if err != nil {
				t.Fatal(err)
			}
			return store
		},
		Read: func(t *testing.T, layout *features.RowLayout, key string) sinktest.Row {
			t.Helper()
			rows, err := reader.Get(ctx, []*features.RowLayout{layout}, key)
			if err != nil {
				t.Fatal(err)
			}
			r := rows[0]
			return sinktest.Row{Found: r.Found, Texts: r.Texts, Has: r.Has, At: r.At,
				Statuses: r.Statuses, Version: r.Version, AsOf: r.AsOf}
		},
		Alive: func(t *testing.T) (int64, bool) {
			t.Helper()
			ms, ok, err := reader.Alive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return ms, ok
		},
		Expires: func(t *testing.T, layout *features.RowLayout, key string) time.Duration {
			t.Helper()
			left, err := superuser.client.PTTL(ctx, superuser.keys.row(layout.View, key)).Result()
			if err != nil {
				t.Fatal(err)
			}
			return left
		},
	}
}

func deleteNamespace(t testing.TB, client goredis.UniversalClient, namespace string) {
	ctx := context.Background()
	clean := func(ctx context.Context, node *goredis.Client) error {
		scan := node.Scan(ctx, 0, "freshet:"+namespace+":*", 1000).Iterator()
		for scan.Next(ctx) {
			client.Del(ctx, scan.Val())
		}
		return scan.Err()
	}
	var err error
	switch client := client.(type) {
	case *goredis.Client:
		err = clean(ctx, client)
	case *goredis.ClusterClient:
		err = client.ForEachMaster(ctx, clean)
	}
	if err != nil {
		t.Errorf("clean up: %v", err)
	}
}

func TestConformanceEmbedded(t *testing.T) {
	sinktest.OnlineStore(t, func(t *testing.T) sinktest.Harness {
		o := options("redis://" + miniredis.RunT(t).Addr())
		return harness(t, o, o, o)
	})
}

func TestConformanceRealRedis(t *testing.T) {
	url := realServer(t)
	sinktest.OnlineStore(t, func(t *testing.T) sinktest.Harness {
		o := options(url)
		return harness(t, o, o, o)
	})
}
